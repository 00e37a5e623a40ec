"""Reconciling: what the store and the catalog know of each other, once a day."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from kit.refusing import audit_refused
from kit.world import World
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, AuditFilter, Backup, State
from holdfast.service.integrity.reconcile import AGE_NS, reconcile_account, reconcile_due
from holdfast.service.registry.trash import delete_now
from holdfast.service.retention.prune import SETTLE_NS, prune_account, prune_due
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.units import DAY_NS, HOUR_NS
from holdfast.vault.errors import DamagedError
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.maintenance.prune import GRACE_NS
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.copy import packs_in
from holdfast.vault.pack.writer import pack_name


def scheduled(world: World) -> Backup:
    """One backup more, an hour later, with something new in it."""
    world.clock.ns += HOUR_NS
    (world.root / "fresh").write_bytes(os.urandom(100_000))
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM, origin="scheduled")
    return run_backup(world.instance, backup.id)


def failed_with_root(world: World, edit: Callable[[Backup], None] = lambda backup: None) -> Backup:
    """A backup that failed and whose root stayed, as when the store refused to delete it."""
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    fail_backup(world.instance.catalog, backup.id, "STORE_ERROR", "It failed.", world.clock.ns)
    world.instance.vault_store(world.account.id).put(root_name(backup.id), b"left over")
    return backup


def test_roots_of_failed_and_deleted_backups_go_a_day_later(world: World) -> None:
    kept, gone = scheduled(world), scheduled(world)
    store = world.instance.vault_store(world.account.id)
    root = store.get(root_name(gone.id))
    delete_now(world.instance, gone, SYSTEM)
    store.put(root_name(gone.id), root)  # as from an older copy of the store
    failed = failed_with_root(world)
    assert reconcile_account(world.instance, world.account).removed_roots == ()
    world.clock.ns += AGE_NS + 1
    assert set(reconcile_account(world.instance, world.account).removed_roots) == {failed.id, gone.id}
    assert backup_ids(store) == [kept.id]


def test_a_root_goes_with_its_entry_in_the_audit_or_not_at_all(world: World) -> None:
    def found() -> tuple[list[str], list[list[str]]]:
        told = entries(world.instance.catalog, AuditFilter(action="account.reconciled"), 5)
        return backup_ids(world.instance.vault_store(world.account.id)), [one.data["removed_roots"] for one in told]

    failed = failed_with_root(world)
    world.clock.ns += AGE_NS + 1
    with audit_refused(world.instance.catalog), pytest.raises(IntegrityError):
        reconcile_account(world.instance, world.account)
    assert found() == ([failed.id], [])
    reconcile_account(world.instance, world.account)
    assert found() == ([], [[failed.id]])


def test_a_root_that_the_catalog_knows_nothing_of_stays(world: World) -> None:
    """As after the catalog was put back from an older copy: a rebuild brings that backup back."""
    store = world.instance.vault_store(world.account.id)
    store.put(root_name("f" * 32), b"a backup")
    world.clock.ns += 10 * AGE_NS
    assert reconcile_account(world.instance, world.account).unknown_roots == ("f" * 32,)
    assert backup_ids(store) == ["f" * 32]


def test_the_root_of_a_backup_that_is_made_stays(world: World) -> None:
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    store = world.instance.vault_store(world.account.id)
    store.put(root_name(backup.id), b"just written")
    world.clock.ns += 10 * AGE_NS
    found = reconcile_account(world.instance, world.account)
    assert (found.removed_roots, found.unknown_roots) == ((), ())
    assert backup_ids(store) == [backup.id]


def test_a_backup_whose_root_is_gone_says_so_and_nothing_is_pruned(world: World) -> None:
    first, second = scheduled(world), scheduled(world)
    store = world.instance.vault_store(world.account.id)
    root = store.get(root_name(first.id))
    store.delete(root_name(first.id))
    assert reconcile_account(world.instance, world.account).lost_roots == (first.id,)
    found = backup_by_id(world.instance.catalog, first.id)
    assert found is not None
    assert found.state is State.SUCCESSFUL
    assert "root is missing" in found.damage[0].message
    with pytest.raises(DamagedError):
        prune_account(world.instance, world.account, SYSTEM)
    assert reconcile_account(world.instance, world.account).lost_roots == ()  # said once
    store.put(root_name(first.id), root)
    assert backup_by_id(world.instance.catalog, second.id) is not None
    prune_account(world.instance, world.account, SYSTEM)


def test_packs_that_nobody_knows_are_pruned_with_their_grace(world: World) -> None:
    scheduled(world)
    store = world.instance.vault_store(world.account.id)
    stray = pack_name(b"s" * 32)
    store.put(stray, b"left behind by a crash")
    waiting, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert reconcile_account(world.instance, world.account).stray_packs == 0  # they may be that backup's
    run_backup(world.instance, waiting.id)
    reconcile_due(world.instance)
    world.clock.ns += SETTLE_NS
    assert [done.left_behind_packs for done in prune_due(world.instance)] == [1]
    assert store.size(stray)
    world.clock.ns += GRACE_NS + SETTLE_NS
    prune_due(world.instance)
    assert b"s" * 32 not in dict(packs_in(store))


def test_once_a_day_on_one_node(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(
        "holdfast.service.integrity.reconcile.reconcile_account", lambda instance, account: seen.append(account.id)
    )
    reconcile_due(world.instance)
    reconcile_due(world.instance)
    assert seen == [world.account.id]
    world.clock.ns += DAY_NS
    reconcile_due(world.instance)
    assert seen == [world.account.id] * 2
