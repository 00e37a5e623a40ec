"""Transactions side by side on one account: they wait for each other, and none is thrown out for a deadlock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import msgspec
from kit.rows import SECOND, account, app, backup, done
from sqlalchemy import text

from holdfast.catalog.backups import proofs as proving
from holdfast.catalog.backups import trash
from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.gone import delete_row, mark_deleting
from holdfast.catalog.backups.changes.run import fail_backup, finish_backup, start_backup
from holdfast.catalog.backups.damage import Found, record_findings
from holdfast.catalog.backups.outdated import mark_outdated
from holdfast.catalog.backups.rebuild import drop_backup
from holdfast.catalog.database.engine import Catalog, open_catalog
from holdfast.catalog.database.held import hold_app
from holdfast.catalog.events import endpoints as endpoint_rows
from holdfast.catalog.events.records import MESSAGE_KINDS, Endpoint
from holdfast.catalog.jobs import rows as jobs
from holdfast.catalog.jobs import schedules
from holdfast.catalog.jobs.work import ask_cancel_backup
from holdfast.catalog.records import IMPORTED, SYSTEM, App, Backup, Job, JobState, Warned

ROUNDS = 12


def job(of: App, backup_id: str, kind: str, at: int) -> Job:
    values = (f"{kind[0]}{backup_id[1:]}", of.account_id, of.id, backup_id, kind, JobState.QUEUED, "{}")
    return Job(*values, None, None, None, None, False, "main", at, None)


def test_work_on_one_account_from_all_sides(catalog: Catalog) -> None:
    account(catalog)
    kinds = tuple(MESSAGE_KINDS)
    endpoint_rows.insert_endpoint(
        catalog, Endpoint("e" * 32, "ana", "apprise", "mail", b"", b"", kinds, 0, None), 10, SYSTEM
    )
    failures: list[BaseException] = []

    def work(bot: App, first: int) -> None:
        try:
            for number in range(first, first + ROUNDS * 10, 10):
                at = number * SECOND
                made = backup(bot, number)
                insert_backup(catalog, made, SYSTEM)
                assert start_backup(catalog, made.id, "main", at)
                assert finish_backup(catalog, made.id, 0, (), finished_at=at)
                record_findings(catalog, [Found(made.id, (Warned("", "DAMAGED", "It is lost."),))], at)
                one = job(bot, made.id, "restore", at)
                jobs.insert_job(catalog, one, SYSTEM)
                assert jobs.start_job(catalog, one.id, at)
                assert jobs.finish_job(catalog, one.id, JobState.SUCCESSFUL, at)
                proving.prove_by(catalog, bot.id, at)
                proving.claim_prove(catalog, bot.id, at, at + 1, job(bot, made.id, "prove", at), SYSTEM)
                failed = msgspec.structs.replace(backup(bot, number + 1), origin="scheduled")
                due = schedules.due_times(catalog, bot.id)
                schedules.set_times(catalog, bot, due, schedules.DueTimes(at, at, None))
                take = partial(lambda made, app, taken: made, failed)
                schedules.claim_run(catalog, bot.id, at, lambda app: None, take, SYSTEM)
                schedules.raise_overdue(catalog, bot.id, at, lambda app, good, last: {})
                assert ask_cancel_backup(catalog, failed.id, "It was cancelled.", at, SYSTEM)
                assert mark_outdated(catalog, failed.id, at, SYSTEM, "rules")
                delete_row(catalog, failed.id, at)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(app(catalog, f"bot{n}"), n * 10_000)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def started(catalog: Catalog, of: App, number: int, origin: str = "manual") -> Backup:
    made = msgspec.structs.replace(backup(of, number), origin=origin)
    insert_backup(catalog, made, SYSTEM)
    assert start_backup(catalog, made.id, "main", 0)
    return made


def deleting(catalog: Catalog, of: App, number: int) -> Backup:
    made = done(catalog, of, number)
    assert mark_deleting(catalog, made.id, 0, SYSTEM)
    return made


def trashed(catalog: Catalog, of: App, number: int) -> Backup:
    made = done(catalog, of, number)
    assert trash.put_into_trash(catalog, made.id, 0, SYSTEM, None)
    return made


COUNTED: list[tuple[Callable[[Catalog, App, int], Backup], Callable[[Catalog, Backup], object]]] = [
    (partial(started, origin=IMPORTED), lambda c, b: finish_backup(c, b.id, 0, (), finished_at=0)),
    (started, lambda c, b: fail_backup(c, b.id, "STORE_FULL", "It is full.", 0)),
    (started, lambda c, b: ask_cancel_backup(c, b.id, "It was cancelled.", 0, SYSTEM)),
    (done, lambda c, b: record_findings(c, [Found(b.id, (Warned("", "DAMAGED", "It is lost."),), None, 5)], 0)),
    (done, lambda c, b: trash.put_into_trash(c, b.id, 0, SYSTEM, None)),
    (trashed, lambda c, b: trash.take_out(c, b.id, 0, SYSTEM)),
    (done, lambda c, b: mark_outdated(c, b.id, 0, SYSTEM, "rules")),
    (deleting, lambda c, b: delete_row(c, b.id, 0)),
    (done, lambda c, b: drop_backup(c, b, 0, SYSTEM)),
]
"""What counts in the days of an application: how its backup is made ready, and what is done with it."""


def test_who_counts_a_day_waits_for_the_application_with_nothing_in_hand(postgresql: Callable[[], str]) -> None:
    catalog = open_catalog(postgresql(), create=True)
    account(catalog)
    waiting = text("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
    everything = [f"SELECT 1 FROM {table} FOR NO KEY UPDATE NOWAIT" for table in ("accounts", "backups", "days")]
    for number, (made_ready, act) in enumerate(COUNTED, 1):
        bot = app(catalog, f"bot{number}")
        one = made_ready(catalog, bot, number)
        with catalog.write() as connection:
            hold_app(connection, bot.id)
            other = threading.Thread(target=act, args=(catalog, one))
            other.start()
            with catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as second:
                while second.execute(waiting).first() is None:
                    assert other.is_alive(), number
            for query in everything:
                connection.exec_driver_sql(query)
        other.join()
    catalog.close()
