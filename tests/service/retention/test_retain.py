"""Retention applied, prune that follows by itself, and the store held against the catalog."""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest
from kit.world import World

from holdfast.catalog.accounts.apps import app_by_id, change_settings
from holdfast.catalog.backups.changes.gone import mark_deleting
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.packs import prune as pruning
from holdfast.catalog.packs.storage import Storage, storage_of
from holdfast.catalog.records import SYSTEM, TRASH_NS, App, Backup, Retention, State
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.integrity.reconcile import reconcile_account
from holdfast.service.policy.retention import Reason, decide
from holdfast.service.registry.accounts import usage
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import list_backups, marked, set_lock
from holdfast.service.registry.trash import delete_backup, empty_due
from holdfast.service.retention import retain as retain_module
from holdfast.service.retention.prune import IMPATIENT_NS, SETTLE_NS, prune_account, prune_due
from holdfast.service.retention.retain import plan_retention, retain_after, retain_app, retain_due
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.stores.port import StoreError, StoreUnreachable
from holdfast.units import DAY_NS, HOUR_NS
from holdfast.vault.control import Control, ControlOf
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.maintenance.prune import GRACE_NS
from holdfast.vault.pack.copy import packs_in


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

    def delete_and_stop(instance: Instance, backup: Backup) -> Backup:
        nonlocal is_stopping
        found = marked(instance, backup)
        is_stopping = True  # SIGTERM comes while it deletes the first one
        return found

    monkeypatch.setattr(retain_module, "marked", delete_and_stop)
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
        delete_backup(world.instance, second, SYSTEM, is_final=True)
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
    delete_backup(world.instance, first, SYSTEM)
    world.clock.ns += TRASH_NS
    store_type = type(world.instance.store)
    delete = store_type.delete

    def refuse(self: object, name: str) -> None:
        raise StoreError("The disk is away.")

    monkeypatch.setattr(store_type, "delete", refuse)
    empty_due(world.instance)
    assert world.again(first).state is State.DELETING
    assert ids(world) == [second.id]
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
    assert retain_app(world.instance, world.app, SYSTEM).gone == []  # the trash is not counted
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
    delete_backup(world.instance, first, SYSTEM, is_final=True)
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
    delete_backup(world.instance, first, SYSTEM, is_final=True)
    request_backup(world.instance, world.app.id, SYSTEM)
    world.clock.ns += SETTLE_NS
    assert prune_due(world.instance) == []
    world.clock.ns += IMPATIENT_NS
    assert len(prune_due(world.instance)) == 1


def test_a_prune_that_somebody_makes_already_is_left_alone(world: World) -> None:
    delete_backup(world.instance, scheduled(world), SYSTEM, is_final=True)
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
    delete_backup(world.instance, gone, SYSTEM, is_final=True)
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
    delete_backup(world.instance, scheduled(world), SYSTEM, is_final=True)
    world.clock.ns += SETTLE_NS
    assert prune_due(world.instance, ControlOf(lambda: True)) == []


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

    def counted(catalog: Catalog, account_id: str, now_ns: int) -> Storage:
        asked.append(account_id)
        return storage_of(catalog, account_id, now_ns)

    monkeypatch.setattr(retain_module, "storage_of", counted)
    retain_due(world.instance)
    assert asked == [world.account.id]
