"""Retention applied, prune that follows by itself, and the store held against the catalog."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from kit.world import World

from holdfast.catalog.accounts.apps import app_by_id, change_settings
from holdfast.catalog.backups.rows import backup_by_id, fail_backup, mark_deleting
from holdfast.catalog.packs import prune as pruning
from holdfast.catalog.records import SYSTEM, App, Backup, Retention, State
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.integrity.reconcile import AGE_NS, reconcile_account, reconcile_due
from holdfast.service.policy.retention import Reason, decide
from holdfast.service.registry.accounts import usage
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import delete_backup, delete_now, list_backups, set_lock
from holdfast.service.retention import retain as retain_module
from holdfast.service.retention.prune import IMPATIENT_NS, SETTLE_NS, prune_account, prune_due
from holdfast.service.retention.retain import plan_retention, retain_after, retain_app, retain_due
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.stores.port import StoreError, StoreUnreachable
from holdfast.units import DAY_NS, HOUR_NS
from holdfast.vault.control import Control, ControlOf
from holdfast.vault.errors import DamagedError
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.maintenance.prune import GRACE_NS
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.copy import packs_in
from holdfast.vault.pack.writer import pack_name


def scheduled(world: World, app: App | None = None, origin: str = "scheduled") -> Backup:
    """One backup more, an hour later, with something new in it."""
    world.clock.ns += HOUR_NS
    (world.root / "fresh").write_bytes(os.urandom(100_000))
    backup, _ = request_backup(world.instance, (app or world.app).id, SYSTEM, origin=origin)
    done = run_backup(world.instance, backup.id)
    assert done.state is State.SUCCESSFUL, done.error_message
    return done


def with_rules(world: World, **rules: Any) -> App:
    change_settings(
        world.instance.catalog,
        world.app.id,
        lambda settings: msgspec.structs.replace(settings, retention=Retention(**rules)),
        0,
        SYSTEM,
        "x.set",
    )
    app = app_by_id(world.instance.catalog, world.app.id)
    assert app is not None
    return app


def with_plan(world: World, **limits: int) -> None:
    config = world.instance.config
    plan = msgspec.structs.replace(config.plans["Silver"], **limits)
    world.instance.config = msgspec.structs.replace(config, plans={**config.plans, "Silver": plan})


def ids(world: World, app: App | None = None) -> list[str]:
    return [b.id for b in list_backups(world.instance, (app or world.app).id)]


def test_old_ones_go_and_what_is_shown_before_is_what_happens(world: World) -> None:
    backups = [scheduled(world) for _ in range(4)]
    by_hand = world.take("mine")
    set_lock(world.instance, backups[0], SYSTEM, is_locked=True)
    app = with_rules(world, keep_last=2)
    shown = {v.backup.id: v.goes_by for v in plan_retention(world.instance, app)}
    assert set(ids(world)) == {*(b.id for b in backups), by_hand.id}
    done = retain_app(world.instance, app, SYSTEM)
    assert {v.backup.id: v.goes_by for v in done.verdicts} == shown
    assert done.gone == [i for i, why in shown.items() if why] == [backups[1].id]
    assert set(ids(world)) == {backups[0].id, backups[2].id, backups[3].id, by_hand.id}
    assert retain_app(world.instance, app, SYSTEM).gone == []


def test_a_server_that_stops_waits_for_no_deletion_and_the_next_one_makes_up_for_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = with_rules(world, keep_last=1)
    made = [scheduled(world) for _ in range(4)]
    is_stopping = False

    def delete_and_stop(instance: Instance, backup: Backup) -> None:
        nonlocal is_stopping
        delete_now(instance, backup, SYSTEM)
        is_stopping = True  # SIGTERM comes while it deletes the first one

    monkeypatch.setattr(retain_module, "delete_now", delete_and_stop)
    retain_after(world.instance, app.id, Control(lambda: is_stopping))
    assert ids(world) == [backup.id for backup in made[1:]]
    monkeypatch.undo()
    retain_after(world.instance, app.id)
    assert ids(world) == [made[-1].id]


def test_one_that_is_locked_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = scheduled(world), scheduled(world)
    app = with_rules(world, keep_last=1)

    def decide_then_lock(*args: Any) -> object:
        verdicts = decide(*args)
        set_lock(world.instance, first, SYSTEM, is_locked=True)
        return verdicts

    monkeypatch.setattr(retain_module, "decide", decide_then_lock)
    done = retain_app(world.instance, app, SYSTEM)
    assert done.verdicts[0].goes_by is Reason.RULES
    assert done.gone == []
    assert first.id in ids(world)


def test_a_newest_one_that_is_deleted_meanwhile_keeps_the_older(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = scheduled(world), scheduled(world)
    app = with_rules(world, keep_last=1)

    def decide_then_delete(*args: Any) -> object:
        verdicts = decide(*args)
        delete_backup(world.instance, second, SYSTEM)
        return verdicts

    monkeypatch.setattr(retain_module, "decide", decide_then_delete)
    assert retain_app(world.instance, app, SYSTEM).gone == []
    assert ids(world) == [first.id]


def test_the_round_finishes_deletions_and_keeps_the_plans_days(world: World) -> None:
    first, second, third = (scheduled(world) for _ in range(3))
    assert mark_deleting(world.instance.catalog, first.id, world.clock.ns, SYSTEM)
    retain_due(world.instance)
    assert ids(world) == [second.id, third.id]
    with_plan(world, keep_days_max=30)
    world.clock.ns += 40 * DAY_NS
    retain_due(world.instance)
    assert ids(world) == [third.id]


def test_a_store_that_refuses_leaves_a_deletion_for_the_next_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = scheduled(world), scheduled(world)
    with_rules(world, keep_last=1)
    store_type = type(world.instance.store)
    delete = store_type.delete

    def refuse(self: object, name: str) -> None:
        raise StoreError("The disk is away.")

    monkeypatch.setattr(store_type, "delete", refuse)
    retain_due(world.instance)
    assert [b.state for b in list_backups(world.instance, world.app.id)] == [State.DELETING, State.SUCCESSFUL]
    monkeypatch.setattr(store_type, "delete", delete)
    retain_due(world.instance)
    assert ids(world) == [second.id]
    assert first.id not in backup_ids(world.instance.vault_store(world.account.id))


def test_the_cap_on_storage_lets_the_oldest_of_the_account_go_and_then_measures(world: World) -> None:
    other = add_app(world.instance, world.account.id, "other", world.root, SYSTEM)
    first = scheduled(world, other)
    backups = [scheduled(world) for _ in range(4)]
    last = scheduled(world, other)
    with_plan(world, storage_bytes=usage(world.instance, world.account)[1] - 90_000)
    done = retain_app(world.instance, world.app, SYSTEM)
    assert done.gone == [first.id]
    assert (
        retain_app(world.instance, world.app, SYSTEM).gone == []
    )  # nothing more until a prune has shown what it gained
    world.clock.ns += SETTLE_NS
    prune_due(world.instance)
    assert retain_app(world.instance, world.app, SYSTEM).gone == []
    with_plan(world, storage_bytes=usage(world.instance, world.account)[1] - 90_000)
    assert retain_app(world.instance, world.app, SYSTEM).gone == [backups[0].id]
    assert ids(world) == [b.id for b in backups[1:]]
    with_plan(world, storage_bytes=1)
    for _ in range(4):
        world.clock.ns += SETTLE_NS
        prune_due(world.instance)
        retain_app(world.instance, world.app, SYSTEM)
    assert (ids(world), ids(world, other)) == ([backups[-1].id], [last.id])


# -- prune by itself ------------------------------------------------------------------------------------------------


def stored(world: World) -> int:
    return sum(size for _, size in packs_in(world.instance.vault_store(world.account.id)))


def test_prune_follows_a_deletion_and_deletes_when_the_grace_is_over(world: World) -> None:
    first, _ = scheduled(world), scheduled(world)
    delete_backup(world.instance, first, SYSTEM)
    before = stored(world)
    assert prune_due(world.instance) == []  # more deletions may come
    world.clock.ns += SETTLE_NS
    (done,) = prune_due(world.instance)
    assert done.freed_bytes > 90_000
    assert stored(world) >= before
    world.clock.ns += GRACE_NS - 1
    assert prune_due(world.instance) == []
    world.clock.ns += SETTLE_NS + 1
    (done,) = prune_due(world.instance)
    assert done.deleted_bytes > 90_000
    assert stored(world) < before - 90_000
    world.clock.ns += 100 * GRACE_NS
    assert prune_due(world.instance) == []


def test_prune_waits_for_a_backup_that_is_made_but_not_for_ever(world: World) -> None:
    first, _ = scheduled(world), scheduled(world)
    delete_backup(world.instance, first, SYSTEM)
    request_backup(world.instance, world.app.id, SYSTEM)
    world.clock.ns += SETTLE_NS
    assert prune_due(world.instance) == []
    world.clock.ns += IMPATIENT_NS
    assert len(prune_due(world.instance)) == 1


def test_a_prune_that_somebody_makes_already_is_left_alone(world: World) -> None:
    delete_backup(world.instance, scheduled(world), SYSTEM)
    world.clock.ns += SETTLE_NS
    with held(world.instance, f"prune-{world.account.id}"):
        assert prune_due(world.instance) == []
    now = world.clock.ns
    assert pruning.claim_prune(world.instance.catalog, world.account.id, "elsewhere", now, now + 9)
    assert prune_due(world.instance) == []
    with pytest.raises(Conflict):
        prune_account(world.instance, world.account, SYSTEM)
    pruning.end_claim(world.instance.catalog, world.account.id)
    assert len(prune_due(world.instance)) == 1


def test_a_store_whose_disk_is_not_mounted_loses_nothing(world: World) -> None:
    """All roots are gone: a prune that believed that would throw away everything."""
    gone, kept = scheduled(world), scheduled(world)
    delete_backup(world.instance, gone, SYSTEM)
    world.clock.ns += SETTLE_NS
    vaults = world.instance.home / "store" / "vaults"
    vaults.rename(vaults.with_name("away"))
    assert prune_due(world.instance) == []
    with pytest.raises(StoreUnreachable, match="mount its disk"):
        prune_account(world.instance, world.account, SYSTEM)
    with pytest.raises(StoreUnreachable, match="mount its disk"):
        reconcile_account(world.instance, world.account)
    again = backup_by_id(world.instance.catalog, kept.id)
    assert again is not None
    assert again.damage == ()
    assert not vaults.exists()
    vaults.with_name("away").rename(vaults)
    assert prune_account(world.instance, world.account, SYSTEM).freed_bytes > 90_000


def test_a_turn_keeps_its_time(world: World) -> None:
    delete_backup(world.instance, scheduled(world), SYSTEM)
    world.clock.ns += SETTLE_NS
    assert prune_due(world.instance, ControlOf(lambda: True)) == []


# -- the store and the catalog --------------------------------------------------------------------------------------


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


# -- the cost of a run ----------------------------------------------------------------------------------------------


def test_a_run_asks_once_for_the_storage_of_an_account(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    apps = [world.app]
    for number in range(3):
        folder = world.root.parent / f"app-{number}"
        folder.mkdir()
        apps.append(add_app(world.instance, world.account.id, folder.name, folder, SYSTEM))
    for app in apps:
        for _ in range(2):
            scheduled(world, app)
    asked: list[str] = []

    def counted(instance: Instance, account: Any) -> tuple[int, int]:
        asked.append(account.id)
        return usage(instance, account)

    monkeypatch.setattr(retain_module, "usage", counted)
    retain_due(world.instance)
    assert asked == [world.account.id]
