"""The account, its applications, the plans, health."""

from __future__ import annotations

import time

import httpx
from kit.site import Site

from holdfast.catalog.jobs.heartbeat import store_heartbeat
from holdfast.units import SECOND_NS


def test_the_account_with_its_usage(site: Site, silver: httpx.Client) -> None:
    site.start_worker()
    assert silver.post(f"/v3/apps/{site.app.id}/backups?wait=30").status_code == 200
    account = silver.get("/v3/account").json()["response"]
    assert account.pop("created_at")
    assert account["usage"].pop("storage") > 0
    assert account == {
        "id": site.silver.account.id,
        "email": site.silver.account.email,
        "plan": "Silver",
        "usage": {"apps": 1, "backups": 1, "backups_today": 1, "trash_backups": 0, "trash_storage": 0},
        "limits": {
            "backups_per_app": 30,
            "backups_per_day": None,
            "storage": 50 * 1024**3,
            "cooldown_seconds": None,
            "account_cooldown_seconds": None,
            "keep_days_max": None,
            "schedule_minutes_min": None,
        },
        "erase_at": None,
    }


def test_the_applications_are_the_accounts_own(site: Site, silver: httpx.Client) -> None:
    (app,) = silver.get("/v3/apps").json()["response"]
    assert list(app) == [
        "id",
        "name",
        "created_at",
        "last_good_backup_at",
        "next_backup_at",
        "overdue_since",
        "storage",
        "standing",
    ]
    assert (app["id"], app["name"], app["last_good_backup_at"], app["storage"]) == (site.app.id, "bot", None, 0)
    assert silver.get(f"/v3/apps/{site.app.id}").json()["response"] == app


def test_an_application_tells_its_last_good_backup(site: Site, silver: httpx.Client) -> None:
    site.take()
    (listed,) = silver.get(f"/v3/apps/{site.app.id}/backups").json()["response"]
    app = silver.get(f"/v3/apps/{site.app.id}").json()["response"]
    assert app["last_good_backup_at"] in (listed["created_at"], listed["modified"])
    assert app["storage"] > 0


def test_an_account_of_a_lower_plan_may_see_itself_and_its_apps(site: Site) -> None:
    with site.client(site.bronze.api_key) as bronze:
        assert bronze.get("/v3/account").json()["response"]["plan"] == "Bronze"
        assert bronze.get("/v3/apps").json()["response"] == []


def test_the_plans_are_open_and_sorted_by_rank(http: httpx.Client) -> None:
    plans = http.get("/v3/plans").json()["response"]
    assert [(plan["name"], plan["api_backups"]) for plan in plans] == [
        ("Bronze", False),
        ("Silver", True),
        ("Titanium", True),
        ("Essential", True),
    ]


def test_health_and_readiness(http: httpx.Client) -> None:
    for path in ("/healthz", "/readyz"):
        answer = http.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "response": {"ok": True}})


def test_it_is_not_ready_while_the_jobs_process_hangs(site: Site, http: httpx.Client) -> None:
    store_heartbeat(site.instance.catalog, "main", time.time_ns() - 480 * SECOND_NS)
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "UNAVAILABLE")
    assert http.get("/healthz").status_code == 200
    store_heartbeat(site.instance.catalog, "main", time.time_ns())
    assert http.get("/readyz").status_code == 200


def test_an_application_is_overdue_also_when_no_process_has_reported_it(site: Site, silver: httpx.Client) -> None:
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE apps SET overdue_at = 1000000000")
    assert silver.get("/v3/apps").json()["response"][0]["overdue_since"] == "1970-01-01T01:00:01+01:00"
