"""Backups in the catalog: states change in one direction, one at a time, and only when nothing came between."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from kit.rows import SECOND, account, app, backup, done

from holdfast.catalog.backups.changes.asked import BackupNameTaken, BackupRunning, insert_backup
from holdfast.catalog.backups.changes.gone import delete_row, mark_deleting
from holdfast.catalog.backups.changes.labels import rename_backup, set_lock
from holdfast.catalog.backups.changes.run import (
    fail_backup,
    finish_backup,
    next_commit_seq,
    record_progress,
    start_backup,
)
from holdfast.catalog.backups.found import (
    backup_by_id,
    backup_by_idempotency_key,
    backup_of_app,
    backups_in,
    latest_successful,
    list_account_backups,
    list_backups,
)
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.records import SYSTEM, App, State, Warned
from holdfast.vault.control import Progress, TimedProgress
from holdfast.vault.errors import SessionFenced


@pytest.fixture
def bot(catalog: Catalog) -> App:
    account(catalog)
    return app(catalog)


def state_of(catalog: Catalog, backup_id: str) -> State:
    found = backup_by_id(catalog, backup_id)
    assert found is not None
    return found.state


def test_a_row_comes_back_as_it_went_in(catalog: Catalog, bot: App) -> None:
    asked = msgspec.structs.replace(
        backup(bot, 7, "Größe 🤖"), is_locked=True, locked_until=2**62, idempotency_key="k", request_hash="f" * 64
    )
    insert_backup(catalog, asked, SYSTEM)
    assert backup_by_id(catalog, asked.id) == asked
    assert backup_by_id(catalog, "0" * 32) is None


def test_from_queued_to_successful(catalog: Catalog, bot: App) -> None:
    asked = backup(bot, 1)
    insert_backup(catalog, asked, SYSTEM)
    assert not finish_backup(catalog, asked.id, 0, [], finished_at=9, zip_bytes=5), "it was not running"
    assert start_backup(catalog, asked.id, "other", 1)
    assert not start_backup(catalog, asked.id, "main", 1), "it runs already"
    record_progress(catalog, asked.id, Progress(1, 2, 3, 4))
    running = backup_by_id(catalog, asked.id)
    assert running is not None
    assert (running.state, running.node, running.progress) == (State.RUNNING, "other", TimedProgress(1, 2, 3, 4))
    warned = Warned("größe", "CHANGED", "It changed.")
    assert finish_backup(catalog, asked.id, 0, [warned], zip_bytes=2**40, digest=b"\x00" * 32, finished_at=9)
    found = backup_by_id(catalog, asked.id)
    assert found == msgspec.structs.replace(
        running,
        state=State.SUCCESSFUL,
        warnings=(warned,),
        progress=None,
        zip_bytes=2**40,
        digest=b"\x00" * 32,
        finished_at=9,
    )
    record_progress(catalog, asked.id, Progress(9, 9, 9, 9))
    assert not fail_backup(catalog, asked.id, "LATE", "Too late.", 10)
    assert backup_by_id(catalog, asked.id) == found


@pytest.mark.parametrize("starts", [False, True])
def test_a_failed_one_has_a_reason_and_stays_failed(catalog: Catalog, bot: App, starts: bool) -> None:
    asked = backup(bot, 1)
    insert_backup(catalog, asked, SYSTEM)
    if starts:
        start_backup(catalog, asked.id, "main", 1)
        record_progress(catalog, asked.id, Progress(1, 2, 3, 4))
    assert fail_backup(catalog, asked.id, "STORE_FULL", "The disk is full.", 5)
    found = backup_by_id(catalog, asked.id)
    assert found is not None
    assert (found.state, found.error_code, found.error_message, found.finished_at, found.progress) == (
        State.FAILED,
        "STORE_FULL",
        "The disk is full.",
        5,
        None,
    )
    assert not start_backup(catalog, asked.id, "main", 1)
    assert not finish_backup(catalog, asked.id, 0, [], finished_at=9)
    assert not fail_backup(catalog, asked.id, "AGAIN", "Again.", 6)


def test_another_epoch_finishes_nothing(catalog: Catalog, bot: App) -> None:
    asked = backup(bot, 1)
    insert_backup(catalog, asked, SYSTEM)
    start_backup(catalog, asked.id, "main", 1)
    with catalog.write() as connection:
        connection.execute(accounts.update().values(vault_epoch=1))
    with pytest.raises(SessionFenced):
        finish_backup(catalog, asked.id, 0, [], finished_at=9, zip_bytes=5)
    found = backup_by_id(catalog, asked.id)
    assert found is not None
    assert (found.state, found.zip_bytes) == (State.RUNNING, 0)
    assert finish_backup(catalog, asked.id, 1, [], finished_at=9)


def test_one_at_a_time_and_names_once(catalog: Catalog, bot: App) -> None:
    insert_backup(catalog, backup(bot, 1, "one"), SYSTEM)
    with pytest.raises(BackupRunning):
        insert_backup(catalog, backup(bot, 2, "two"), SYSTEM)
    insert_backup(catalog, backup(app(catalog, "another"), 3, "one"), SYSTEM)
    start_backup(catalog, backup(bot, 1).id, "main", 1)
    with pytest.raises(BackupRunning):
        insert_backup(catalog, backup(bot, 2, "two"), SYSTEM)
    fail_backup(catalog, backup(bot, 1).id, "X", "x", 1)
    with pytest.raises(BackupNameTaken):
        insert_backup(catalog, backup(bot, 2, "one"), SYSTEM)
    insert_backup(catalog, backup(bot, 2, "two"), SYSTEM)
    with pytest.raises(BackupNameTaken):
        rename_backup(catalog, backup(bot, 2).id, "one", 1, SYSTEM)
    rename_backup(catalog, backup(bot, 2).id, "three", 1, SYSTEM)
    found = backup_of_app(catalog, bot.id, "three")
    assert found is not None
    assert found.id == backup(bot, 2).id


def test_an_id_goes_before_a_name(catalog: Catalog, bot: App) -> None:
    one = done(catalog, bot, 1)
    done(catalog, bot, 2, name=one.id)
    found = backup_of_app(catalog, bot.id, one.id)
    assert found is not None
    assert found.id == one.id
    assert backup_of_app(catalog, "0" * 32, one.id) is None


def test_lists_are_in_order_and_page_without_gaps(catalog: Catalog, bot: App) -> None:
    other = app(catalog, "other")
    mine = [done(catalog, bot, n) for n in (3, 1, 2)]
    theirs = [done(catalog, other, n) for n in (5, 4)]
    same_time = msgspec.structs.replace(backup(bot, 9), created_at=2 * SECOND)
    insert_backup(catalog, same_time, SYSTEM)
    ordered = [mine[1].id, mine[2].id, same_time.id, mine[0].id]
    assert [b.id for b in list_backups(catalog, bot.id, None, None)] == ordered
    paged: list[str] = []
    while page := list_backups(catalog, bot.id, 1, paged[-1] if paged else None):
        paged += [b.id for b in page]
    assert paged == ordered
    newest_first = [theirs[0].id, theirs[1].id, *reversed(ordered)]
    assert [b.id for b in list_account_backups(catalog, "ana", None, None)] == newest_first
    paged = []
    while page := list_account_backups(catalog, "ana", 1, paged[-1] if paged else None):
        paged += [b.id for b in page]
    assert paged == newest_first
    assert list_account_backups(catalog, "nobody", None, None) == []


def test_which_are_found(catalog: Catalog, bot: App) -> None:
    _, two = done(catalog, bot, 1, "x"), done(catalog, bot, 2)
    asked = msgspec.structs.replace(backup(bot, 3), idempotency_key="k")
    assert latest_successful(catalog, bot.id) == two
    insert_backup(catalog, asked, SYSTEM)
    assert latest_successful(catalog, bot.id) == two
    assert backup_by_idempotency_key(catalog, bot.id, "k", asked.created_at) == asked
    assert backup_by_idempotency_key(catalog, bot.id, "k", asked.created_at + 1) is None
    assert backups_in(catalog, [State.QUEUED, State.RUNNING], "main") == [asked]
    assert backups_in(catalog, [State.QUEUED], "elsewhere") == []


def test_commit_numbers_grow_per_account(catalog: Catalog, bot: App) -> None:
    account(catalog, "ben")
    assert [next_commit_seq(catalog, "ana") for _ in range(3)] == [1, 2, 3]
    assert next_commit_seq(catalog, "ben") == 1


def test_a_time_lock_only_grows(catalog: Catalog, bot: App) -> None:
    one = done(catalog, bot, 1)
    assert set_lock(catalog, one.id, None, 100, now_ns=50, by=SYSTEM)
    assert not set_lock(catalog, one.id, None, 99, now_ns=50, by=SYSTEM)
    assert not set_lock(catalog, one.id, True, 99, now_ns=50, by=SYSTEM), "all of it or nothing"
    assert set_lock(catalog, one.id, False, None, now_ns=50, by=SYSTEM), "the other lock is another thing"
    found = backup_by_id(catalog, one.id)
    assert found is not None
    assert (found.is_locked, found.locked_until) == (False, 100)
    assert not mark_deleting(catalog, one.id, 99, SYSTEM)
    assert set_lock(catalog, one.id, None, 10, now_ns=100, by=SYSTEM), "it is over"
    assert set_lock(catalog, one.id, None, None, now_ns=100, by=SYSTEM)
    assert mark_deleting(catalog, one.id, 100, SYSTEM)


def test_deleting_takes_a_finished_and_unlocked_one(catalog: Catalog, bot: App) -> None:
    asked = backup(bot, 1)
    insert_backup(catalog, asked, SYSTEM)
    assert not mark_deleting(catalog, asked.id, 0, SYSTEM)
    start_backup(catalog, asked.id, "main", 1)
    assert not mark_deleting(catalog, asked.id, 0, SYSTEM)
    fail_backup(catalog, asked.id, "X", "x", 1)
    set_lock(catalog, asked.id, True, None, now_ns=0, by=SYSTEM)
    assert not mark_deleting(catalog, asked.id, 0, SYSTEM)
    delete_row(catalog, asked.id, 1)
    assert state_of(catalog, asked.id) is State.FAILED, "the row goes only after the mark"
    set_lock(catalog, asked.id, False, None, now_ns=0, by=SYSTEM)
    assert mark_deleting(catalog, asked.id, 0, SYSTEM)
    assert not mark_deleting(catalog, asked.id, 0, SYSTEM)
    assert latest_successful(catalog, bot.id) is None
    delete_row(catalog, asked.id, 1)
    assert backup_by_id(catalog, asked.id) is None


RACER = """
import sys
from kit.rows import backup
from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.changes.asked import BackupRunning, insert_backup
from holdfast.catalog.backups.changes.run import start_backup
from holdfast.catalog.database.engine import open_catalog
from holdfast.catalog.records import SYSTEM

url, app_id, operation, first = sys.argv[1:]
catalog = open_catalog(url)
app = app_by_id(catalog, app_id)
print("ready", flush=True)
sys.stdin.readline()
won = 0
for n in range(20) if operation == "insert" else ():
    try:
        insert_backup(catalog, backup(app, int(first) + n), SYSTEM)
        won += 1
    except BackupRunning:
        pass
for n in range(20) if operation == "start" else ():
    won += start_backup(catalog, backup(app, 1).id, first, 1)
print(won)
"""


@pytest.mark.parametrize("operation", ["insert", "start"])
def test_of_two_processes_exactly_one_wins(catalog: Catalog, url: str, bot: App, operation: str) -> None:
    if operation == "start":
        insert_backup(catalog, backup(bot, 1), SYSTEM)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, url, bot.id, operation, str(100 * n)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": ":".join(sys.path)},
        )
        for n in (1, 2)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert sorted(int(racer.communicate()[0]) for racer in racers) == [0, 1]
    assert len(backups_in(catalog, [State.QUEUED, State.RUNNING])) == 1
