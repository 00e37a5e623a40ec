"""The store is read back in turns; what that finds and proves stands with the backups."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from kit.world import World

from holdfast.catalog.backups.read_back import all_read_at, claim_lease, due_packs
from holdfast.catalog.events.log import events_after
from holdfast.catalog.records import SYSTEM, Backup, Event, EventKind, State
from holdfast.service.integrity import read_back as module
from holdfast.service.integrity.read_back import read_back
from holdfast.service.integrity.retake import retake
from holdfast.service.integrity.verify import check_account
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.writer import PackKind

SECOND = 1_000_000_000
DAY = 24 * 3600 * SECOND


def packs(world: World, kind: PackKind | None = None) -> list[Path]:
    live = world.instance.vault(world.account.id)._ledger.live_packs()
    base = world.instance.home / "store" / "vaults" / world.account.id / "packs"
    return [base / p.hex()[:2] / p.hex() for p, k, _ in live if kind in (None, k)]


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def failures(world: World) -> list[Event]:
    return [e for e in events_after(world.instance.catalog, 0, 1000) if e.kind is EventKind.VERIFY_FAILED]


def set_config(world: World, **changes: object) -> None:
    world.instance.config = msgspec.structs.replace(world.instance.config, **changes)


def grow(world: World, name: str) -> Backup:
    """Another backup with content, and so packs, of its own."""
    (world.root / name).write_bytes(os.urandom(300_000))
    world.clock.ns += SECOND
    return world.take()


@pytest.fixture
def small_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """An instance that reads one data pack a turn."""
    set_config(world, read_back_bytes_per_second=20_000)
    return world


def test_every_pack_is_read_once_in_the_time(small_runs: World) -> None:
    world = small_runs
    backups = [grow(world, f"{n}.bin") for n in range(3)]
    count = len(packs(world))
    read, leases = 0, 0
    while more := read_back(world.instance):
        assert all(world.again(b).verified_at is None for b in backups) or read + more == count
        world.clock.ns += 10 * SECOND
        read, leases = read + more, leases + 1
    assert (read, leases > 2) == (count, True)
    since = all_read_at(world.instance.catalog, world.account.id)
    assert since is not None
    assert since < world.clock.ns - 10 * SECOND
    assert [world.again(b).verified_at for b in backups] == [since] * 3
    world.clock.ns += 29 * DAY
    assert read_back(world.instance) == 0
    world.clock.ns += 2 * DAY
    assert read_back(world.instance) > 0


def test_a_new_pack_is_not_proved_by_being_written(world: World) -> None:
    first = world.take()
    world.clock.ns += SECOND
    assert read_back(world.instance) == len(packs(world))
    verified = world.again(first).verified_at
    assert verified == world.clock.ns
    second = grow(world, "new.bin")
    assert all_read_at(world.instance.catalog, world.account.id) is None
    assert world.again(second).verified_at is None
    read_back(world.instance)
    # Its older packs were read before it was made: nobody can say yet that all of it was read back.
    assert world.again(second).verified_at is None
    assert world.again(first).verified_at == verified
    world.clock.ns += 31 * DAY
    read_back(world.instance)
    assert world.again(second).verified_at == world.again(first).verified_at == world.clock.ns


def test_damage_is_found_said_once_and_healed(small_runs: World) -> None:
    world = small_runs
    first, second = grow(world, "one.bin"), grow(world, "two.bin")
    damage(packs(world, PackKind.DATA)[0])
    world.clock.ns += SECOND
    while read_back(world.instance):
        world.clock.ns += 10 * SECOND
    assert [w.code for w in world.again(first).damage] == ["DAMAGED"] * len(world.again(first).damage)
    assert world.again(second).damage
    assert world.again(first).verified_at is None
    (event,) = failures(world)
    assert (event.app_id, event.backup_id, event.data["code"]) == (world.app.id, second.id, "DAMAGED")
    assert [b["id"] for b in event.data["backups"]] == [second.id, first.id]
    assert event.data["backups_count"] == 2
    (asked,) = retake(world.instance)
    assert asked.origin == "scheduled"
    assert retake(world.instance) == []
    run_backup(world.instance, asked.id)
    assert world.again(first).damage == world.again(second).damage == ()
    world.clock.ns += SECOND
    while read_back(world.instance):
        world.clock.ns += 10 * SECOND
    assert retake(world.instance) == []
    assert len(failures(world)) == 1


def test_a_fresh_backup_that_fails_is_not_asked_for_again(world: World) -> None:
    world.take()
    damage(packs(world, PackKind.DATA)[0])
    world.clock.ns += SECOND
    read_back(world.instance)
    world.root.rename(world.root.with_name("away"))
    (asked,) = retake(world.instance)
    assert run_backup(world.instance, asked.id).state is State.FAILED
    world.clock.ns += DAY
    assert retake(world.instance) == []
    damage(packs(world, PackKind.MANIFEST)[0])
    world.clock.ns += 40 * DAY
    read_back(world.instance)
    assert len(failures(world)) == 2
    assert len(retake(world.instance)) == 1


def test_a_check_by_hand_says_it_too(world: World) -> None:
    backup = world.take()
    world.clock.ns += SECOND
    assert check_account(world.instance, world.account, SYSTEM, share=1).is_clean
    assert read_back(world.instance) == 0  # all was read just now
    damage(packs(world, PackKind.DATA)[0])
    check_account(world.instance, world.account, SYSTEM, share=1)
    check_account(world.instance, world.account, SYSTEM, share=1)
    (event,) = failures(world)
    assert event.data["files"] == ["sub/b.bin"]
    assert event.data["message"] == world.again(backup).damage[0].message


def test_the_hour_has_its_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HOUR_BYTES_MIN", 1000)
    for n in range(3):
        grow(world, f"{n}.bin")
    set_config(world, read_back_days=1)
    world.clock.ns += SECOND
    first = read_back(world.instance)
    assert 0 < first < len(packs(world))
    world.clock.ns += 10 * SECOND
    assert read_back(world.instance) == 0
    world.clock.ns += 3600 * SECOND
    assert read_back(world.instance) > 0
    set_config(world, read_back_days=0)
    world.clock.ns += 3600 * SECOND
    assert read_back(world.instance) == 0


def test_one_node_reads_at_a_time(world: World) -> None:
    catalog, now = world.instance.catalog, world.clock.ns

    def claim(node: str, at: int) -> bool:
        return claim_lease(catalog, node, at, 100, 1000, lambda total: total) is not None

    assert claim("a", now)
    assert claim("a", now + 1)
    assert not claim("b", now + 50)
    assert claim("b", now + 102)
    assert not claim("a", now + 103)


def test_new_and_old_packs_take_turns(world: World) -> None:
    grow(world, "old.bin")
    world.clock.ns += SECOND
    read_back(world.instance)
    old = set(packs(world))
    world.clock.ns += 31 * DAY
    grow(world, "new.bin")
    due = due_packs(world.instance.catalog, world.clock.ns - 30 * DAY, 100)
    names = [(pack.pack_id.hex() in {p.name for p in old}) for pack in due]
    assert names[:4] == [False, True, False, True]


def test_it_stops_when_told_and_loses_nothing(world: World) -> None:
    world.take()
    world.clock.ns += SECOND
    read_back(world.instance, Control(lambda: True))
    assert all_read_at(world.instance.catalog, world.account.id) is None
    assert read_back(world.instance) == len(packs(world))


def test_a_lost_root_is_no_verified_backup(world: World) -> None:
    backup = world.take()
    world.instance.vault_store(world.account.id).delete(root_name(backup.id))
    world.clock.ns += SECOND
    read_back(world.instance)
    assert world.again(backup).verified_at is None
    assert world.again(backup).damage
