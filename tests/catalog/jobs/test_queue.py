"""The queue: each row is claimed once, by whoever is first; of a partition one at a time; the oldest first."""

from __future__ import annotations

import threading

import pytest
from kit.rows import SECOND, account, app, backup, done

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import finish_backup
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.log import events_after
from holdfast.catalog.jobs.queue import WAITING_MAX, claim, waiting
from holdfast.catalog.jobs.rows import finish_job, insert_job
from holdfast.catalog.records import SYSTEM, App, Backup, EventKind, Job, JobState, Work

CLAIMERS = 4


def job(of: App, of_backup: Backup, kind: str, number: int, node: str = "main") -> Job:
    values = (f"{kind[0]}{number:031x}", of.account_id, of.id, of_backup.id, kind, JobState.QUEUED, "{}")
    return Job(*values, None, None, None, None, False, node, number * SECOND, None)


def ids(found: list[Work]) -> list[str]:
    return [work.id for work in found]


def test_many_claim_at_once_and_each_row_is_claimed_once(catalog: Catalog) -> None:
    account(catalog)
    for number in range(10):
        insert_backup(catalog, backup(app(catalog, f"bot {number}"), number), SYSTEM)
    claimed: list[str] = []
    gate = threading.Barrier(CLAIMERS)

    def work() -> None:
        gate.wait()
        while found := waiting(catalog, "main"):
            for one in found:
                if claim(catalog, one, SECOND):
                    claimed.append(one.id)

    threads = [threading.Thread(target=work) for _ in range(CLAIMERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [f"{number:032x}" for number in range(10)]
    started = [event for event in events_after(catalog, 0, 100) if event.kind is EventKind.BACKUP_STARTED]
    assert len(started) == 10


def test_many_claim_work_of_one_application_and_one_gets_it(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    old = done(catalog, bot, 1)
    for number in range(2, 2 + CLAIMERS):
        insert_job(catalog, job(bot, old, "verify", number), SYSTEM)
    found = waiting(catalog, "main")
    assert len(found) == CLAIMERS
    gate = threading.Barrier(CLAIMERS)
    won: list[str] = []

    def work(one: Work) -> None:
        gate.wait()
        if claim(catalog, one, SECOND):
            won.append(one.id)

    threads = [threading.Thread(target=work, args=(one,)) for one in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert waiting(catalog, "main") == []
    assert finish_job(catalog, won[0], JobState.SUCCESSFUL, SECOND)
    assert len(waiting(catalog, "main")) == CLAIMERS - 1


def test_the_oldest_comes_first_and_of_this_node_only(catalog: Catalog) -> None:
    account(catalog)
    bot, other = app(catalog), app(catalog, "other")
    old = done(catalog, bot, 1)
    insert_backup(catalog, backup(other, 4), SYSTEM)
    insert_job(catalog, job(bot, old, "verify", 3), SYSTEM)
    insert_job(catalog, job(bot, old, "verify", 5), SYSTEM)
    insert_job(catalog, job(bot, old, "verify", 2, node="elsewhere"), SYSTEM)
    assert [work.created_at // SECOND for work in waiting(catalog, "main")] == [3, 4, 5]


@pytest.mark.parametrize("kind", ["verify", "restore"])
def test_a_job_and_a_backup_of_an_application_wait_for_each_other(catalog: Catalog, kind: str) -> None:
    account(catalog)
    bot = app(catalog)
    old = done(catalog, bot, 1)
    insert_job(catalog, job(bot, old, kind, 2), SYSTEM)
    (asked,) = waiting(catalog, "main")
    assert claim(catalog, asked, SECOND)
    assert not claim(catalog, asked, SECOND), "it runs already"
    if kind == "restore":
        return
    made = backup(bot, 3)
    insert_backup(catalog, made, SYSTEM)
    assert waiting(catalog, "main") == []
    assert finish_job(catalog, asked.id, JobState.SUCCESSFUL, SECOND)
    (asked,) = waiting(catalog, "main")
    assert claim(catalog, asked, SECOND)
    insert_job(catalog, job(bot, old, "verify", 4), SYSTEM)
    assert waiting(catalog, "main") == []
    assert finish_backup(catalog, made.id, 0, [], finished_at=SECOND)
    assert len(waiting(catalog, "main")) == 1


def test_test_restores_wait_for_each_other_alone(catalog: Catalog) -> None:
    account(catalog)
    bot, other = app(catalog), app(catalog, "other")
    old, others = done(catalog, bot, 1), done(catalog, other, 2)
    for number, (of, of_backup) in enumerate(((bot, old), (other, others)), 3):
        insert_job(catalog, job(of, of_backup, "prove", number), SYSTEM)
    first, second = waiting(catalog, "main")
    assert claim(catalog, first, SECOND)
    assert not claim(catalog, second, SECOND)
    made = backup(bot, 5)
    insert_backup(catalog, made, SYSTEM)
    assert ids(waiting(catalog, "main")) == [made.id]


def test_a_long_queue_is_looked_at_from_its_old_end(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    old = done(catalog, bot, 1)
    for number in range(2, 2 + WAITING_MAX + 5):
        insert_job(catalog, job(bot, old, "verify", number), SYSTEM)
    found = waiting(catalog, "main")
    assert [work.created_at // SECOND for work in found] == list(range(2, 2 + WAITING_MAX))
