"""Events: entered with what happened, in order, and only once."""

from __future__ import annotations

from kit.rows import account, app, backup, done

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.gone import delete_row, mark_deleting
from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.log import events_after, forget_events, last_event_seq
from holdfast.catalog.records import SYSTEM, EventKind, State


def test_the_life_of_a_backup(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    made = done(catalog, bot, 1)
    assert mark_deleting(catalog, made.id, 5, SYSTEM)
    delete_row(catalog, made.id, 6)
    delete_row(catalog, made.id, 7)
    failed = backup(bot, 2)
    insert_backup(catalog, failed, SYSTEM)
    assert fail_backup(catalog, failed.id, "STORE_FULL", "The disk is full.", 8)
    assert not fail_backup(catalog, failed.id, "AGAIN", "It failed already.", 9)
    seen = events_after(catalog, 0, 100, account_id=bot.account_id)
    assert [(event.kind, event.backup_id) for event in seen] == [
        (EventKind.BACKUP_QUEUED, made.id),
        (EventKind.BACKUP_STARTED, made.id),
        (EventKind.BACKUP_FINISHED, made.id),
        (EventKind.BACKUP_DELETED, made.id),
        (EventKind.BACKUP_QUEUED, failed.id),
        (EventKind.BACKUP_FAILED, failed.id),
    ]
    assert seen[-1].data["code"] == "STORE_FULL"
    assert seen[-1].app_id == bot.id
    assert [event.seq for event in seen] == sorted({event.seq for event in seen})
    assert last_event_seq(catalog) == last_event_seq(catalog, bot.account_id) == seen[-1].seq
    assert events_after(catalog, seen[2].seq, 2) == seen[3:5]
    found = backup_by_id(catalog, failed.id)
    assert found is not None
    assert found.state is State.FAILED


def test_numbers_are_never_given_twice(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    done(catalog, bot, 1)
    last = last_event_seq(catalog)
    assert forget_events(catalog, 1 << 62) == last
    insert_backup(catalog, backup(bot, 2), SYSTEM)
    assert last_event_seq(catalog) == last + 1


def test_other_accounts_and_applications_are_left_out(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    done(catalog, bot, 1)
    assert not events_after(catalog, 0, 100, account_id="nobody")
    assert not events_after(catalog, 0, 100, app_id="f" * 32)
    assert len(events_after(catalog, 0, 100, app_id=bot.id)) == 3
