"""Transactions side by side on one account: they wait for each other, and none is thrown out for a deadlock."""

from __future__ import annotations

import threading
from functools import partial

import msgspec
from kit.rows import SECOND, account, app, backup

from holdfast.catalog.backups import proofs as proving
from holdfast.catalog.backups import retention as retaining
from holdfast.catalog.backups import rows
from holdfast.catalog.backups.damage import Found, record_findings
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events import endpoints as endpoint_rows
from holdfast.catalog.jobs import rows as jobs
from holdfast.catalog.jobs import schedules
from holdfast.catalog.jobs.work import ask_cancel_backup
from holdfast.catalog.records import MESSAGE_KINDS, SYSTEM, App, Endpoint, Job, JobState, Warned

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
                rows.insert_backup(catalog, made, SYSTEM)
                assert rows.start_backup(catalog, made.id, "main", at)
                assert rows.finish_backup(catalog, made.id, 0, (), finished_at=at)
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
                assert retaining.mark_outdated(catalog, failed.id, at, SYSTEM, "rules")
                rows.delete_row(catalog, failed.id, at)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(app(catalog, f"bot{n}"), n * 10_000)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
