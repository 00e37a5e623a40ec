"""The trash: what is deleted can be brought back for a day, and is gone after it."""

from __future__ import annotations

import pytest
from kit.world import World

from holdfast.catalog.records import SYSTEM, TRASH_NS, State
from holdfast.service.errors import Conflict, NotFound
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.registry.backups import find_backup, full_object, list_account_backups, list_backups, list_rows
from holdfast.service.registry.trash import (
    delete_backup,
    empty_due,
    empty_trash,
    find_to_delete,
    find_trashed,
    list_trash,
    resume_deletions,
    trash_of,
    undelete,
)
from holdfast.service.retention.prune import prune_account
from holdfast.vault.maintenance.mark import backup_ids


def is_readable(world: World, backup_id: str) -> bool:
    return world.instance.vault(world.account.id).missing_of(backup_id) is None


def test_a_deleted_backup_is_in_no_list_and_comes_back_as_it_was(world: World) -> None:
    made = world.take("kept")
    before = full_object(world.instance, made)
    done = delete_backup(world.instance, made, SYSTEM)
    assert done.gone_at == world.clock.ns + TRASH_NS
    assert done.freed_bytes > 0
    assert list_backups(world.instance, world.app.id) == list_account_backups(world.instance, world.account.id) == []
    assert list_rows(world.instance, world.app.id) == []
    with pytest.raises(NotFound):
        find_backup(world.instance, world.app.id, made.id)
    (trashed,) = list_trash(world.instance, world.app.id)
    shown = full_object(world.instance, trashed)
    assert (shown.state, shown.key, shown.url, shown.is_successful) == ("successful", "", None, True)
    assert shown.deleted_at is not None
    assert shown.gone_at is not None
    prune_account(world.instance, world.account, SYSTEM, grace_ns=0)
    back = undelete(world.instance, find_trashed(world.instance, world.app.id, "kept"), SYSTEM)
    assert full_object(world.instance, back) == before
    assert is_readable(world, made.id)
    with pytest.raises(Conflict, match="not in the trash"):
        find_trashed(world.instance, world.app.id, "kept")


def test_it_is_gone_after_its_time_and_only_then(world: World) -> None:
    made = world.take()
    delete_backup(world.instance, made, SYSTEM)
    world.clock.ns += TRASH_NS - 1
    empty_due(world.instance)
    assert world.again(made).state is State.TRASHED
    world.clock.ns += 1
    empty_due(world.instance)
    assert backup_ids(world.instance.vault_store(world.account.id)) == []
    with pytest.raises(NotFound):
        find_to_delete(world.instance, world.app.id, made.id, is_final=True)
    with pytest.raises(NotFound):
        undelete(world.instance, made, SYSTEM)  # it comes too late
    assert list(world.instance.vault_store(world.account.id).list("marks/")) == []


def test_the_name_of_one_in_the_trash_stays_taken(world: World) -> None:
    delete_backup(world.instance, world.take("mine"), SYSTEM)
    with pytest.raises(Exception, match="in the trash is named 'mine'"):
        world.take("mine")


def test_what_the_trash_holds_counts_in_no_limit(world: World) -> None:
    (world.root / "big").write_bytes(bytes(range(256)) * 4000)
    made = world.take()
    done = delete_backup(world.instance, made, SYSTEM)
    held = trash_of(world.instance, world.account)
    assert held.backups == 1
    assert 0 < held.bytes <= done.freed_bytes
    assert empty_trash(world.instance, world.account, SYSTEM) == 1
    empty_due(world.instance)
    assert trash_of(world.instance, world.account) == (0, 0)


def test_a_rebuild_brings_it_back_into_the_trash(world: World) -> None:
    one, two = world.take("one"), world.take("two")
    delete_backup(world.instance, one, SYSTEM)
    delete_backup(world.instance, two, SYSTEM)
    undelete(world.instance, world.again(two), SYSTEM)
    with world.instance.catalog.write() as connection:
        connection.exec_driver_sql("DELETE FROM backups")
    rebuild(world.instance, SYSTEM)
    assert [b.id for b in list_backups(world.instance, world.app.id)] == [two.id]
    (trashed,) = list_trash(world.instance, world.app.id)
    assert (trashed.id, trashed.deleted_at) == (one.id, world.clock.ns)
    assert resume_deletions(world.instance) == 0
