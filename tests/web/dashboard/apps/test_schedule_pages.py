"""The page of a schedule: what a change would do, saving it, and putting it back."""

from __future__ import annotations

import html
import re
import subprocess
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.browser import HERE, form_of, signed_in
from kit.site import Site, set_plans

from holdfast.catalog.records import SYSTEM, App, Retention
from holdfast.service.policy.cron import parse_cron
from holdfast.service.preview import recent
from holdfast.service.registry.apps import get_app
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.service.take.schedule import Schedule, set_schedule
from holdfast.web.dashboard.apps.schedule_form import fields_of, schedule_of_fields

NIGHTLY = Schedule("30 2 * * *", Retention(keep_daily=9), ("*.log",))
COUNTS = st.integers(0, 1000)


def path(site: Site) -> str:
    return f"/apps/{site.app.id}/schedule"


def app(site: Site) -> App:
    return get_app(site.instance, site.silver.account.id, site.app.id)


def text(page: httpx.Response) -> str:
    return html.unescape(page.text)


def save(site: Site, http: httpx.Client, **fields: str) -> httpx.Response:
    """Press Save with these fields in place of those that are shown."""
    token = re.search(r'name="form_token" value="(\w+)" formmethod="post"', http.get(path(site)).text)
    assert token is not None
    data = {**fields_of(NIGHTLY), **fields, "form_token": token[1]}
    return http.post(path(site), data=data, headers=HERE)


@pytest.fixture
def nightly(site: Site, http: httpx.Client) -> Site:
    set_schedule(site.instance, site.app, NIGHTLY, SYSTEM)
    signed_in(site, http)
    return site


@given(
    st.sampled_from(["", "0 * * * *", "0 */6 * * *", "5 3 * * *", "0 23 * * 0", "*/7 1-3 * 2 *", "@daily"]),
    st.builds(Retention, keep_last=COUNTS, keep_hourly=COUNTS, keep_yearly=COUNTS, keep_within=st.just("36h")),
    st.lists(st.from_regex(r"\A[!-~]{1,9}\Z")),
)
def test_the_form_of_a_schedule_means_that_schedule(cron: str, retention: Retention, patterns: list[str]) -> None:
    schedule = Schedule(cron, retention, tuple(patterns))
    assert schedule_of_fields(fields_of(schedule)) == schedule


def test_a_change_is_shown_before_it_is_saved_and_can_be_put_back(nightly: Site, http: httpx.Client) -> None:
    site = nightly
    (site.folder / "a.log").write_bytes(b"1" * 1000)
    for _ in range(2):
        backup, _ = request_backup(site.instance, site.app.id, SYSTEM, origin="scheduled")
        run_backup(site.instance, backup.id)
    page = text(http.get(path(site)))
    assert "Backed up every day at 02:30; kept: 9 days" in page
    assert "Nothing differs" in page
    wanted = {**fields_of(NIGHTLY), "when": "week", "day": "1", "week_at": "4:05", "keep_daily": "7"}
    shown = text(http.get(path(site), params=wanted))
    assert "Not saved yet: every day at 02:30 → every Monday at 04:05, days 9 → 7" in shown
    assert "was 9" in shown
    assert "1 file, 1.0\u00a0kB" in shown, "what the pattern leaves out"
    assert "1 stay, 1 go" in shown
    assert app(site).settings.cron == NIGHTLY.cron, "looking changes nothing"
    assert save(site, http, **wanted).headers["location"] == path(site)
    assert (app(site).settings.cron, app(site).settings.retention) == ("5 4 * * 1", Retention(keep_daily=7))
    back = f"{path(site)}/back"
    page_after = http.get(path(site))
    assert "every Monday at 04:05 → every day at 02:30, days 7 → 9" in text(page_after)
    assert http.post(back, data=form_of(page_after, back), headers=HERE).status_code == 303
    assert app(site).settings.retention == NIGHTLY.retention
    assert (app(site).settings.cron, app(site).settings.ignore) == (NIGHTLY.cron, NIGHTLY.ignore)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"when": "night", "at": "24:00"}, "A time is written as 03:00"),
        ({"when": "cron", "cron": "every now and then"}, "A cron expression"),
        ({"when": "week", "day": "7"}, "must be one of the seven"),
        ({"when": "hour"}, "The plan Silver has a backup every 600 minutes at most"),
        ({"keep_daily": "-1"}, "Days must be a whole number"),
        ({"keep_within": "ever"}, "keep_within must be like 36h"),
        ({"ignore": "a\n[z"}, "pattern"),
    ],
)
def test_a_wrong_one_is_refused_with_what_was_written(
    nightly: Site, http: httpx.Client, fields: dict[str, str], sentence: str
) -> None:
    set_plans(nightly.instance, schedule_minutes_min=600)
    answer = save(nightly, http, **fields)
    assert (answer.status_code, app(nightly).settings.cron) == (400, NIGHTLY.cron)
    assert sentence in text(answer)
    for value in fields.values():
        assert html.escape(value, quote=False).split("\n")[0] in answer.text, "what was written is still there"


def test_whoever_may_only_look_changes_nothing(nightly: Site, http: httpx.Client) -> None:
    signed_in(nightly, http, rights="view")
    page = http.get(path(nightly))
    assert 'formmethod="post"' not in page.text
    assert http.post(path(nightly), data={"when": "off"}, headers=HERE).status_code == 403
    other = f"/apps/{nightly.other_app.id}/schedule"
    assert (http.get(other).status_code, http.post(other, headers=HERE).status_code) == (404, 404)


def test_an_expression_that_the_form_makes_can_be_read() -> None:
    for fields in ({"when": "hour"}, {"when": "six"}, {"when": "night", "at": "3:00"}):
        parse_cron(schedule_of_fields(fields).cron)


def test_a_folder_is_looked_through_by_one_process_for_whoever_asks_within_a_minute(
    site: Site, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    run = subprocess.run

    def counted(*arguments: Any, **named: Any) -> Any:
        started.append(arguments)
        return run(*arguments, **named)

    monkeypatch.setattr(subprocess, "run", counted)
    clock = [time.monotonic()]
    monkeypatch.setattr(recent.ignored_recently, "__defaults__", (lambda: clock[0],))
    signed_in(site, http)
    page, route = f"/apps/{site.app.id}/schedule", f"/v3/apps/{site.app.id}/schedule"
    with site.client(site.silver.api_key) as api:
        answers = [api.get(route).json()["response"]["ignored"] for _ in range(3)]
        assert http.get(page).status_code == 200
        assert (len(started), answers[1:]) == (1, answers[:-1])
        http.get(page, params={"when": "off", "ignore": "*.txt"})
        assert len(started) == 2, "other patterns are looked for"
        clock[0] += recent.KEPT_SECONDS
        api.get(route)
        assert len(started) == 3, "what is old is found out anew"
        monkeypatch.setattr(recent, "KEPT_MAX", 1)
        http.get(page, params={"when": "off", "ignore": "*.md"})
    assert len(recent._kept) == 1
