"""The plan's limits through the API: each with its code, its sentence and its Retry-After; and what they don't bind."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from kit.site import Site, set_plans

from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.records import SYSTEM
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import set_lock
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup, take_now

HOUR = 3600
SECOND = 1_000_000_000


@dataclass
class MovedClock:
    """A clock that the test moves."""

    ns: int

    def now_ns(self) -> int:
        return self.ns

    def move(self, seconds: float) -> None:
        self.ns += int(seconds * SECOND)


@pytest.fixture
def clock(site: Site) -> MovedClock:
    site.instance.clock = clock = MovedClock(site.instance.clock.now_ns())
    return clock


def start(client: httpx.Client, site: Site, app_id: str | None = None, **more: Any) -> httpx.Response:
    """Ask for a backup, and run it here when it was queued."""
    answer = client.post(f"/v3/apps/{app_id or site.app.id}/backups", **more)
    if answer.status_code == 202:
        run_backup(site.instance, answer.json()["response"]["id"])
    return answer


def refused(answer: httpx.Response) -> tuple[str, int]:
    """(code, Retry-After) of a 429."""
    assert answer.status_code == 429, answer.text
    assert answer.json()["status"] == "error"
    return answer.json()["code"], int(answer.headers["retry-after"])


def test_a_cooldown_per_application_and_per_account(site: Site, silver: httpx.Client, clock: MovedClock) -> None:
    set_plans(site.instance, cooldown_seconds=60, account_cooldown_seconds=10)
    second = add_app(site.instance, site.silver.account.id, "second", site.folder, SYSTEM)
    assert start(silver, site).status_code == 202
    assert refused(start(silver, site)) == ("KEEP_CALM", 60)
    assert refused(start(silver, site, second.id)) == ("KEEP_CALM", 10)
    clock.move(10.5)
    assert start(silver, site, second.id).status_code == 202
    assert refused(start(silver, site)) == ("KEEP_CALM", 50)
    clock.move(49.4)
    assert refused(start(silver, site)) == ("KEEP_CALM", 1)
    clock.move(0.2)
    assert start(silver, site).status_code == 202


def test_backups_of_a_day_whatever_became_of_them(site: Site, silver: httpx.Client, clock: MovedClock) -> None:
    set_plans(site.instance, backups_per_day=3)
    first = start(silver, site).json()["response"]
    clock.move(HOUR)
    start(silver, site)
    path = f"/v3/apps/{site.app.id}/backups/{first['id']}"
    assert silver.delete(path).status_code == 200  # a deleted one still counts
    clock.move(HOUR)
    failed = silver.post(f"/v3/apps/{site.app.id}/backups").json()["response"]
    fail_backup(site.instance.catalog, failed["id"], "STORE_FULL", "Full.", clock.ns)  # a failed one does not
    assert silver.get("/v3/account").json()["response"]["usage"]["backups_today"] == 2
    assert start(silver, site).status_code == 202
    answer = start(silver, site)
    assert refused(answer) == ("DAILY_BACKUPS_LIMIT_REACHED", 22 * HOUR)
    assert "allows 3 backups in 24 hours" in answer.json()["message"]
    assert silver.get("/v3/account").json()["response"]["usage"]["backups_today"] == 3
    clock.move(22 * HOUR + 1)
    assert start(silver, site).status_code == 202
    assert refused(start(silver, site)) == ("DAILY_BACKUPS_LIMIT_REACHED", HOUR - 1)


def test_backups_of_an_application(site: Site, silver: httpx.Client, clock: MovedClock) -> None:
    """By hand only what somebody deletes or unlocks makes room; what the schedule took goes by itself."""
    set_plans(site.instance, backups_per_app=2)
    mine = start(silver, site).json()["response"]
    scheduled, _ = request_backup(site.instance, site.app.id, SYSTEM, origin="scheduled")
    taken = run_backup(site.instance, scheduled.id)
    set_lock(site.instance, taken, SYSTEM, is_locked=True)
    answer = start(silver, site)
    assert refused(answer) == ("BACKUPS_LIMIT_REACHED", HOUR)
    assert answer.json()["message"].endswith("delete or unlock one.")
    silver.patch(f"/v3/apps/{site.app.id}/backups/{taken.id}", json={"is_locked": False})
    assert start(silver, site).status_code == 202
    assert refused(start(silver, site))[0] == "BACKUPS_LIMIT_REACHED"
    silver.delete(f"/v3/apps/{site.app.id}/backups/{mine['id']}")
    assert start(silver, site).status_code == 202


def test_storage(site: Site, silver: httpx.Client) -> None:
    start(silver, site)
    set_plans(site.instance, storage_bytes=1000)
    answer = start(silver, site)
    assert refused(answer) == ("STORAGE_LIMIT_REACHED", 900)
    assert "allows 1,000; delete some of them" in answer.json()["message"]


def test_an_import_is_limited_before_its_upload_and_behind_it(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, backups_per_day=1)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a", "b")
    path = f"/v3/apps/{site.app.id}/backups/import"
    answer = silver.post(path, content=archive.getvalue())
    assert answer.status_code == 202
    run_backup(site.instance, answer.json()["response"]["id"])
    assert refused(silver.post(path, content=archive.getvalue()))[0] == "DAILY_BACKUPS_LIMIT_REACHED"
    assert not list(site.instance.run.glob("import-*"))


def test_the_operator_the_schedule_and_safety_backups_are_not_limited(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, backups_per_day=1, cooldown_seconds=60, backups_per_app=1, storage_bytes=1)
    for origin in ("manual", "scheduled", "safety"):
        backup, _ = request_backup(site.instance, site.app.id, SYSTEM, origin=origin)
        assert run_backup(site.instance, backup.id).state == "successful"


def test_the_operators_backups_are_not_the_customers(site: Site, silver: httpx.Client, clock: MovedClock) -> None:
    """Taken at the shell, they are `manual` ones as well, and stay until somebody deletes them."""
    set_plans(site.instance, backups_per_day=1, backups_per_app=1, cooldown_seconds=60, account_cooldown_seconds=60)
    ours = []
    for _ in range(3):
        ours.append(take_now(site.instance, site.app.id, SYSTEM))
        clock.move(1)
    assert {backup.origin for backup in ours} == {"manual"}
    assert silver.get("/v3/account").json()["response"]["usage"]["backups_today"] == 0
    assert start(silver, site).status_code == 202
    assert refused(start(silver, site))[0] == "BACKUPS_LIMIT_REACHED"
    set_plans(site.instance, backups_per_app=0)
    assert refused(start(silver, site))[0] == "DAILY_BACKUPS_LIMIT_REACHED"
    set_plans(site.instance, backups_per_day=0)
    assert refused(start(silver, site))[0] == "KEEP_CALM"
    assert silver.get("/v3/account").json()["response"]["usage"]["backups_today"] == 1
    assert (
        take_now(site.instance, site.app.id, SYSTEM).state == "successful"
    )  # nor does the customer's hold the operator up


def test_a_deleted_backup_of_the_operator_does_not_count_either(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, backups_per_day=1, cooldown_seconds=60)
    taken = take_now(site.instance, site.app.id, SYSTEM)
    take_now(site.instance, site.app.id, SYSTEM)
    assert silver.delete(f"/v3/apps/{site.app.id}/backups/{taken.id}").status_code == 200
    assert start(silver, site).status_code == 202


def test_the_operators_restore_and_its_safety_backup_do_not_count(site: Site, silver: httpx.Client) -> None:
    taken = site.take()
    (site.folder / "hello.txt").write_text("spoiled")
    job = request_restore(site.instance, taken, site.app, Wanted(), SYSTEM)
    assert run_restore(site.instance, job.id).state == "successful"
    set_plans(site.instance, backups_per_day=1, backups_per_app=1, cooldown_seconds=60, account_cooldown_seconds=60)
    assert start(silver, site).status_code == 202


def test_the_operators_backups_take_storage(site: Site, silver: httpx.Client) -> None:
    take_now(site.instance, site.app.id, SYSTEM)
    set_plans(site.instance, storage_bytes=1000)
    assert refused(start(silver, site))[0] == "STORAGE_LIMIT_REACHED"


def test_scheduled_backups_do_not_count(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, backups_per_day=1, cooldown_seconds=60)
    backup, _ = request_backup(site.instance, site.app.id, SYSTEM, origin="scheduled")
    run_backup(site.instance, backup.id)
    assert start(silver, site).status_code == 202


def test_another_accounts_backups_do_not_count(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, backups_per_day=1)
    with site.client(site.other.api_key) as other:
        assert start(other, site, site.other_app.id).status_code == 202
    assert start(silver, site).status_code == 202


def test_of_two_at_once_not_both_get_the_last_one(site: Site) -> None:
    set_plans(site.instance, backups_per_day=2)
    apps = [add_app(site.instance, site.silver.account.id, f"app {n}", site.folder, SYSTEM).id for n in range(6)]

    def ask(app_id: str) -> int:
        with site.client(site.silver.api_key) as client:
            return client.post(f"/v3/apps/{app_id}/backups").status_code

    with ThreadPoolExecutor(6) as threads:
        assert sorted(threads.map(ask, apps)) == [202, 202, 429, 429, 429, 429]


def test_a_repeated_request_gets_its_backup_and_not_the_limit(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, cooldown_seconds=60)
    headers = {"Idempotency-Key": "once"}
    first = start(silver, site, headers=headers).json()["response"]
    again = silver.post(f"/v3/apps/{site.app.id}/backups", headers=headers)
    assert (again.status_code, again.json()["response"]["id"]) == (202, first["id"])


def test_a_backup_under_way_is_said_before_the_cooldown(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, cooldown_seconds=60)
    silver.post(f"/v3/apps/{site.app.id}/backups")
    answer = silver.post(f"/v3/apps/{site.app.id}/backups")
    assert (answer.status_code, answer.json()["code"]) == (409, "BACKUP_IN_PROGRESS")


def test_the_plans_show_all_their_limits(site: Site, http: httpx.Client) -> None:
    plan = http.get("/v3/plans").json()["response"][0]
    assert plan.items() >= {"keep_days_max": None, "account_cooldown_seconds": None, "storage": 5 * 1024**3}.items()
