"""The rows that standings are made of, on each kind of database."""

from __future__ import annotations

from typing import Any

from kit import rows
from kit.rows import SECOND
from msgspec.structs import asdict

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import fail_backup, finish_backup, start_backup
from holdfast.catalog.backups.damage import DAMAGED, NOT_PROVED, Found, record_findings
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, apps, backups, packs
from holdfast.catalog.events.log import last_event_seq
from holdfast.catalog.host.accounts import host_accounts
from holdfast.catalog.jobs.heartbeat import store_heartbeat
from holdfast.catalog.jobs.rows import finish_job, insert_job, start_job
from holdfast.catalog.records import SYSTEM, App, Backup, Job, JobState, Warned
from holdfast.catalog.standing.kinds import may_stand
from holdfast.catalog.standing.rows import StandingRow, Sums, standing_rows


def rows_of(catalog: Catalog, *apps: App, restores_since: int = 0) -> dict[str, StandingRow]:
    accounts = {app.account_id for app in apps}
    return standing_rows(catalog, [app.id for app in apps], accounts, 10**6 * SECOND, restores_since)


def failed(catalog: Catalog, app: App, number: int, code: str = "STORE_FULL") -> Backup:
    backup = rows.backup(app, number)
    insert_backup(catalog, backup, SYSTEM)
    fail_backup(catalog, backup.id, code, "It is full.", (number + 1) * SECOND, detail="All is said.")
    return backup


def changed(catalog: Catalog, backup: Backup, **values: Any) -> None:
    with catalog.write() as connection:
        connection.execute(backups.update().where(backups.c.id == backup.id).values(values))


def test_the_newest_good_and_the_newest_that_ended_by_itself(catalog: Catalog) -> None:
    rows.account(catalog)
    app, fresh = rows.app(catalog), rows.app(catalog, "fresh")
    failed(catalog, app, 50)
    good = rows.done(catalog, app, 100)
    changed(catalog, rows.done(catalog, app, 110), origin="imported")
    for number in (200, 300):
        failed(catalog, app, number)
    failed(catalog, app, 400, "CANCELLED")
    found = rows_of(catalog, app, fresh)
    one = found[app.id].newest
    assert (one.good_id, one.good_at, one.good_warnings) == (good.id, good.created_at, 0)
    assert (one.tried_id, one.tried_state, one.failing_since) == (f"{300:032x}", "failed", 201 * SECOND)
    assert (one.tried_code, one.tried_message, one.tried_detail) == ("STORE_FULL", "It is full.", "All is said.")
    none = found[fresh.id].newest
    assert (none.good_id, none.good_warnings, none.tried_state, none.failing_since) == (None, None, None, None)


def test_a_good_backup_in_the_trash_is_not_good_and_did_not_fail(catalog: Catalog) -> None:
    rows.account(catalog)
    app = rows.app(catalog)
    failed(catalog, app, 100)
    changed(catalog, rows.done(catalog, app, 200), state="trashed")
    one = rows_of(catalog, app)[app.id].newest
    assert (one.good_id, one.tried_state) == (None, "trashed")


def test_warnings_are_counted_whatever_they_say(catalog: Catalog) -> None:
    rows.account(catalog)
    app = rows.app(catalog)
    made = rows.backup(app, 100)
    insert_backup(catalog, made, SYSTEM)
    start_backup(catalog, made.id, "main", 1)
    warned = [Warned('"code":', "UNREADABLE_FILE", 'ö "code": "code":"'), Warned("b", "X", ""), Warned("", "Y", "\\")]
    assert finish_backup(catalog, made.id, 0, warned, finished_at=101 * SECOND)
    assert rows_of(catalog, app)[app.id].newest.good_warnings == 3


def test_sums_of_an_application_leave_out_what_may_go(catalog: Catalog) -> None:
    rows.account(catalog)
    app, fresh = rows.app(catalog), rows.app(catalog, "fresh")
    by_hand, locked, until, scheduled = (rows.done(catalog, app, number) for number in (100, 200, 300, 400))
    changed(catalog, by_hand, stored_bytes=5, restore_proved_at=7)
    changed(catalog, locked, origin="scheduled", is_locked=True, stored_bytes=6, restore_proved_at=9)
    changed(catalog, until, origin="scheduled", locked_until=10**7 * SECOND)
    changed(catalog, scheduled, origin="scheduled", locked_until=SECOND)
    found = rows_of(catalog, app, fresh)
    assert found[app.id].sums == Sums(stored_bytes=11, proved_at=9, fixed=3)
    assert found[fresh.id].sums == Sums()


def test_damage_is_of_each_application_with_the_time_at_which_it_was_found(catalog: Catalog) -> None:
    for name in ("ana", "bob"):
        rows.account(catalog, name)
    app, whole, other = rows.app(catalog), rows.app(catalog, "whole"), rows.app(catalog, account_id="bob")
    first, second = rows.done(catalog, app, 100), rows.done(catalog, app, 200)
    rows.done(catalog, whole, 300)
    of_bob = rows.done(catalog, other, 400)
    record_findings(catalog, [Found(b.id, (Warned("a", DAMAGED, "x"),)) for b in (first, second)], 900 * SECOND)
    record_findings(catalog, [Found(of_bob.id, (Warned("a", NOT_PROVED, "x"),))], 950 * SECOND)
    found = rows_of(catalog, app, whole)
    one = found[app.id].damaged
    assert one is not None
    assert found[whole.id].damaged is None
    assert (one.count, one.newest_id, one.is_not_proved, one.found_at) == (2, second.id, False, 900 * SECOND)
    found_others = rows_of(catalog, other)[other.id].damaged
    assert found_others is not None
    assert found_others.is_not_proved


def _job(app: App, backup: Backup, number: int, kind: str = "restore", *, is_hidden: bool = False) -> Job:
    return Job(
        id=f"{number:032x}",
        account_id=app.account_id,
        app_id=app.id,
        backup_id=backup.id,
        kind=kind,
        state=JobState.QUEUED,
        request="{}",
        result=None,
        error_code=None,
        error_message=None,
        progress=None,
        cancel_asked=False,
        node="main",
        created_at=number * SECOND,
        finished_at=None,
        is_hidden=is_hidden,
    )


def test_restores_and_open_work_are_of_the_applications_asked_for(catalog: Catalog) -> None:
    rows.account(catalog)
    app, other = rows.app(catalog), rows.app(catalog, "other")
    backup = rows.done(catalog, app, 100)
    for number, state in ((500, JobState.SUCCESSFUL), (600, JobState.FAILED)):
        insert_job(catalog, _job(app, backup, number), SYSTEM)
        start_job(catalog, f"{number:032x}", number * SECOND)
        error = {"error_code": "TARGET_FULL", "error_message": "It is full.", "error_detail": "All is said."}
        finish_job(catalog, f"{number:032x}", state, (number + 1) * SECOND, **error)
    hidden = _job(app, backup, 700, is_hidden=True)
    insert_job(catalog, hidden, SYSTEM)
    finish_job(catalog, hidden.id, JobState.SUCCESSFUL, 701 * SECOND)
    insert_job(catalog, _job(app, backup, 800), SYSTEM)
    insert_backup(catalog, rows.backup(other, 900), SYSTEM)
    insert_job(catalog, _job(app, backup, 810, "verify"), SYSTEM)
    one = rows_of(catalog, app, other)[app.id]
    work, ended = one.restore, one.ended
    assert work is not None
    assert (work.id, work.state, one.backup, one.busy) == (f"{800:032x}", "queued", None, 2)
    assert ended is not None
    assert (ended.id, ended.state, ended.finished_at) == (f"{600:032x}", "failed", 601 * SECOND)
    assert (ended.code, ended.message, ended.detail) == ("TARGET_FULL", "It is full.", "All is said.")
    assert rows_of(catalog, app, restores_since=650 * SECOND)[app.id].ended is None
    others = rows_of(catalog, other)[other.id]
    assert others.backup is not None
    assert (others.backup.id, others.restore, others.busy) == (f"{900:032x}", None, 1)


def test_of_the_account_and_of_the_node(catalog: Catalog) -> None:
    rows.account(catalog)
    app, away = rows.app(catalog), rows.app(catalog, "away")
    with catalog.write() as connection:
        connection.execute(apps.update().where(apps.c.id == away.id).values(node="7 %node"))
    store_heartbeat(catalog, "main", 5 * SECOND)
    store_heartbeat(catalog, "7 %node", 6 * SECOND)
    found = rows_of(catalog, app, away)
    plan = found[app.id].plan
    assert plan
    assert (found[app.id].beat_at, found[away.id].beat_at) == (5 * SECOND, 6 * SECOND)
    with catalog.write() as connection:
        row = {"account_id": "ana", "kind": 0, "salt": b"s", "pack_table": b"t", "records": 1}
        for number, state in enumerate(("live", "live", "condemned")):
            pack = {"pack_id": bytes([number]) * 16, "size": 10, "state": state}
            connection.execute(packs.insert().values(**row, **pack))
        connection.execute(accounts.update().values(trash_bytes=3))
    assert rows_of(catalog, app)[app.id].live_bytes == 0, "what no plan limits is not read"
    limited = standing_rows(catalog, [app.id], ["ana"], SECOND, 0, [plan])[app.id]
    assert limited.live_bytes == 17
    insert_backup(catalog, rows.backup(app, 900), SYSTEM)
    assert rows_of(catalog, app)[app.id].event_seq == last_event_seq(catalog, "ana") > limited.event_seq


def test_the_accounts_that_may_stand_so(catalog: Catalog) -> None:
    made = {}
    for number, name in enumerate(("bad", "busy", "good", "late", "new", "torn", "warned"), 1):
        rows.account(catalog, name)
        made[name] = rows.app(catalog, account_id=name)
        if name != "new":
            done = rows.done(catalog, made[name], number)
    changed(catalog, done, warnings='[{"path":"a","code":"GONE","message":"x"}]')
    changed(catalog, Backup(**{**asdict(done), "id": f"{6:032x}"}), damage="[]")
    failed(catalog, made["bad"], 50)
    insert_backup(catalog, rows.backup(made["busy"], 60), SYSTEM)
    with catalog.write() as connection:
        connection.execute(apps.update().where(apps.c.id == made["late"].id).values(overdue_at=5))

    def found(kind: str) -> list[str]:
        return [one.id for one in host_accounts(catalog, "", 20, None, may_stand(kind, 5))]

    kinds = {"failed": "bad", "running": "busy", "overdue": "late", "empty": "new", "damaged": "torn"}
    assert {kind: found(kind) for kind in kinds} == {kind: [name] for kind, name in kinds.items()}
    assert found("warnings") == ["warned"]
    assert found("restoring") == []
    assert found("proved") == sorted(made), "these may be of any kind"
