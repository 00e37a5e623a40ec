"""Over the plan's storage: what goes frees something, the oldest first, and its owner is told."""

from __future__ import annotations

import os
from typing import Any

import msgspec
from kit.world import World

from holdfast.catalog.accounts.apps import app_by_id, change_settings
from holdfast.catalog.events.log import events_after
from holdfast.catalog.records import SYSTEM, TRASH_NS, App, AppSettings, Backup, Retention, State
from holdfast.service.registry.accounts import usage
from holdfast.service.registry.backups import list_backups, set_lock
from holdfast.service.retention.prune import SETTLE_NS, prune_due
from holdfast.service.retention.retain import retain_app
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.units import HOUR_NS


def take(world: World, origin: str = "scheduled", fresh: int = 100_000, name: str = "fresh") -> Backup:
    """One backup more, an hour later, with so many new bytes in a file."""
    world.clock.ns += HOUR_NS
    if fresh:
        (world.root / name).write_bytes(os.urandom(fresh))
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM, origin=origin)
    done = run_backup(world.instance, backup.id)
    assert done.state is State.SUCCESSFUL, done.error_message
    return done


def current(world: World) -> App:
    app = app_by_id(world.instance.catalog, world.app.id)
    assert app is not None
    return app


def ids(world: World) -> list[str]:
    return [backup.id for backup in list_backups(world.instance, world.app.id)]


def limit(world: World, storage_bytes: int) -> None:
    config = world.instance.config
    plan = msgspec.structs.replace(config.plans["Silver"], storage_bytes=storage_bytes)
    world.instance.config = msgspec.structs.replace(config, plans={**config.plans, "Silver": plan})


def stored(world: World) -> int:
    return usage(world.instance, world.account)[1]


def events_of(world: World, kind: str) -> list[dict[str, Any]]:
    return [event.data for event in events_after(world.instance.catalog, 0, 1000) if event.kind == kind]


def test_a_backup_by_hand_is_not_deleted_for_nothing(world: World) -> None:
    by_hand = take(world, "manual")
    same = take(world, fresh=0)
    (world.root / "more").write_bytes(os.urandom(1000))
    last = take(world, fresh=0)
    limit(world, 1)
    for _ in range(3):
        retain_app(world.instance, current(world), SYSTEM)
        world.clock.ns += SETTLE_NS
        prune_due(world.instance)
    assert by_hand.id in ids(world), "all of its content is in the newest one"
    assert same.id not in ids(world) or same.stored_bytes < 10_000
    assert last.id in ids(world)


def test_what_two_have_in_common_goes_with_both(world: World) -> None:
    first = take(world)
    second = take(world, fresh=0, name="same")
    (world.root / "fresh").unlink()
    last = take(world, fresh=50_000, name="other")
    limit(world, stored(world) - 50_000)
    assert retain_app(world.instance, current(world), SYSTEM).gone == [first.id, second.id]
    world.clock.ns += SETTLE_NS
    prune_due(world.instance)
    assert ids(world) == [last.id]


def test_no_more_goes_than_is_needed(world: World) -> None:
    made = [take(world) for _ in range(4)]
    limit(world, stored(world) - 150_000)
    assert retain_app(world.instance, current(world), SYSTEM).gone == [b.id for b in made[:2]]


def test_a_locked_one_keeps_what_others_have_in_common_with_it(world: World) -> None:
    locked = take(world)
    same = take(world, fresh=0)
    last = take(world)
    set_lock(world.instance, locked, SYSTEM, is_locked=True)
    limit(world, stored(world) - 1)
    assert retain_app(world.instance, current(world), SYSTEM).gone == []
    assert ids(world) == [locked.id, same.id, last.id]


def test_what_goes_by_a_limit_of_the_plan_is_told(world: World) -> None:
    first, _ = take(world), take(world)
    limit(world, stored(world) - 1)
    retain_app(world.instance, current(world), SYSTEM)
    (told,) = events_of(world, "backup.expired")
    assert (told["name"], told["reason"], told["origin"]) == (first.name, "plan_storage", "scheduled")
    assert told["gone_at"] == world.clock.ns + TRASH_NS


def test_what_goes_by_the_rules_is_nothing_to_tell(world: World) -> None:
    def one(settings: AppSettings) -> AppSettings:
        return msgspec.structs.replace(settings, retention=Retention(keep_last=1))

    change_settings(world.instance.catalog, world.app.id, one, 0, SYSTEM, "x.set")
    first, _ = take(world), take(world)
    assert retain_app(world.instance, current(world), SYSTEM).gone == [first.id]
    assert events_of(world, "backup.expired") == []


def test_an_account_is_told_once_that_its_storage_is_nearly_full(world: World) -> None:
    for _ in range(2):
        take(world)
    used = stored(world)
    for share, told in ((0.8, 0), (0.95, 1), (0.95, 1), (0.85, 1), (0.7, 1), (0.95, 2)):
        limit(world, int(used / share))
        assert retain_app(world.instance, current(world), SYSTEM).gone == []
        assert len(events_of(world, "storage.nearly_full")) == told, share
    assert events_of(world, "storage.nearly_full")[0] == {"used": used, "allowed": int(used / 0.95)}
