"""The schedule's routes: shown with what follows from it, replaced as a whole, refused with a sentence."""

from __future__ import annotations

import httpx
import pytest
from kit.site import Site


def test_set_and_shown(silver: httpx.Client, site: Site) -> None:
    url = f"/v3/apps/{site.app.id}/schedule"
    empty = silver.get(url).json()["response"]
    assert (empty["cron"], empty["next_runs"], empty["ignore"]) == (None, [], [])
    body = {"cron": "0 3 * * *", "retention": {"keep_daily": 7}, "ignore": ["sub/"]}
    answer = silver.put(url, json=body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()["response"]
    assert shown["cron"] == "0 3 * * *"
    assert shown["retention"]["keep_daily"] == 7
    assert len(shown["next_runs"]) == 5
    assert shown["time_zone"] == "Europe/Berlin"
    assert shown["ignored"]["files"] == 1
    assert silver.get(url).json()["response"] == shown
    app = silver.get(f"/v3/apps/{site.app.id}").json()["response"]
    assert (app["next_backup_at"], app["overdue_since"]) == (shown["next_runs"][0], None)
    off = silver.put(url, json={"cron": None}).json()["response"]
    assert (off["cron"], off["retention"]["keep_daily"], off["ignore"]) == (None, 0, [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_CRON"),
        ({"cron": "0 3 * *"}, "INVALID_CRON"),
        ({"cron": 3}, "INVALID_CRON"),
        ({"cron": "0 0 31 2 *"}, "INVALID_CRON"),
        ({"cron": None, "retention": {"keep_last": -1}}, "INVALID_RETENTION"),
        ({"cron": None, "retention": {"keep_within": "3 days"}}, "INVALID_RETENTION"),
        ({"cron": None, "ignore": ["a\nb"]}, "INVALID_IGNORE"),
        ({"cron": None, "ignore": "x"}, "INVALID_IGNORE"),
        ({"cron": None, "next_runs": []}, "INVALID_JSON_BODY"),
    ],
)
def test_refused(silver: httpx.Client, site: Site, body: dict[str, object], code: str) -> None:
    answer = silver.put(f"/v3/apps/{site.app.id}/schedule", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_other_peoples_and_other_plans(silver: httpx.Client, site: Site) -> None:
    assert silver.get(f"/v3/apps/{site.other_app.id}/schedule").json()["code"] == "APP_NOT_FOUND"
    assert silver.put(f"/v3/apps/{site.other_app.id}/schedule", json={"cron": None}).json()["code"] == "APP_NOT_FOUND"
    with site.client(site.bronze.api_key) as bronze:
        assert bronze.get(f"/v3/apps/{site.app.id}/schedule").status_code == 402


def test_a_folder_that_is_gone_is_said(silver: httpx.Client, site: Site) -> None:
    site.folder.rename(site.folder.with_name("away"))
    shown = silver.get(f"/v3/apps/{site.app.id}/schedule").json()["response"]
    assert shown["ignored"] is None
    assert shown["ignored_error"]["code"] == "APP_NOT_READABLE"
