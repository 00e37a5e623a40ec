"""The catalog comes back from the store and the master key alone; what was deleted does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.links import key_of
from kit.trees import fill, tree_of
from kit.world import World
from msgspec import to_builtins

from holdfast.catalog.events.days import day_of, read_days
from holdfast.catalog.records import SYSTEM, Day, State
from holdfast.service.access.download import find_download
from holdfast.service.errors import AccessDenied
from holdfast.service.instance.home import Instance, InstanceError, open_instance
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.people.callers import caller_of_key
from holdfast.service.policy import limits
from holdfast.service.registry import backups as operations
from holdfast.service.registry import trash
from holdfast.service.registry.accounts import add_account, list_accounts, set_plan
from holdfast.service.registry.apps import add_app, list_apps, remove_app
from holdfast.service.registry.backups import find_backup, full_object, list_backups
from holdfast.service.registry.keys import rotate_key
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.retention.prune import prune_account, unknown_backups
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.stores.port import StoreUnreachable
from holdfast.units import DAY_NS
from holdfast.vault.errors import DamagedError

CATALOG = "catalog.sqlite"


def lose_catalog(world: World) -> None:
    world.instance.close()
    for path in world.instance.home.glob(f"{CATALOG}*"):
        path.unlink()


@pytest.fixture
def reopened(world: World) -> Iterator[list[Instance]]:
    """Instances to be closed at the end."""
    opened: list[Instance] = []
    yield opened
    for instance in opened:
        instance.close()


def reopen(world: World, opened: list[Instance]) -> Instance:
    opened.append(open_instance(world.instance.home, clock=world.clock, new_catalog=True))
    return opened[-1]


def test_everything_is_as_it_was(world: World, reopened: list[Instance], tmp_path: Path) -> None:
    fill(world.root)
    trees = []
    for n in range(3):
        (world.root / "step").write_bytes(os.urandom(1000 * n))
        trees.append(tree_of(world.root))
        world.clock.ns += 3_600_000_000_000
        world.take()
    second = list_backups(world.instance, world.app.id)[1]
    operations.rename(world.instance, second, "the second one", SYSTEM)
    operations.set_lock(world.instance, second, SYSTEM, True, world.clock.ns + 10**15)
    operations.set_note(world.instance, second, "before the update", SYSTEM)
    other = add_account(world.instance, "b@example.com", "Bronze", SYSTEM)
    set_plan(world.instance, other.account.id, "Titanium", SYSTEM)
    newest_key = rotate_key(world.instance, other.account, SYSTEM).api_key
    before = [to_builtins(full_object(world.instance, b)) for b in list_backups(world.instance, world.app.id)]
    lose_catalog(world)
    instance = reopen(world, reopened)
    done = rebuild(instance, SYSTEM)
    assert [d.problems for d in done] == [[], []]
    after = [to_builtins(full_object(instance, b)) for b in list_backups(instance, world.app.id)]
    assert after == before
    assert {a.email: a.plan for a in list_accounts(instance)} == {
        "ana@example.com": "Silver",
        "b@example.com": "Titanium",
    }
    assert caller_of_key(instance, world.api_key, "").account.id == world.account.id
    assert caller_of_key(instance, newest_key, "").account.id == other.account.id
    with pytest.raises(AccessDenied):
        caller_of_key(instance, other.api_key, "")
    assert list_apps(instance) == [world.app]
    for backup, tree in zip(list_backups(instance, world.app.id), trees, strict=True):
        found = find_download(instance, backup.account_id, backup.name, key_of(instance, backup), "zip")
        assert found is not None
        assert sum(len(piece) for piece in found.stream(0, found.length)) == found.length
        target = tmp_path / f"to-{backup.id}"
        job = request_restore(instance, backup, world.app, Wanted(to=str(target), mode="overlay"), SYSTEM)
        run_restore(instance, job.id)
        assert tree_of(target) == tree
    world_again = World(instance, world.clock, world.account, world.api_key, world.app, world.root)
    assert world_again.take().stored_bytes < 5_000  # nothing had to be stored again


def test_each_backup_keeps_the_layout_of_its_zip(
    world: World, reopened: list[Instance], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("holdfast.vault.vault.ZIP_LAYOUT", 1)
        world.take("before")
    world.clock.ns += 1_000_000_000
    world.take("after")
    before = list_backups(world.instance, world.app.id)
    assert [backup.zip_layout for backup in before] == [1, 2]
    lose_catalog(world)
    instance = reopen(world, reopened)
    assert rebuild(instance, SYSTEM)[0].backups == 2
    assert {b.name: b.zip_layout for b in list_backups(instance, world.app.id)} == {"before": 1, "after": 2}


def test_the_operators_backups_are_still_not_counted(world: World, reopened: list[Instance]) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM, name="the customer's", is_limited=True)
    run_backup(world.instance, asked.id)
    world.clock.ns += 1_000_000_000
    world.take("the operator's")
    assert limits.shown_usage(world.instance, world.account, 1).backups_today == 1
    lose_catalog(world)
    instance = reopen(world, reopened)
    rebuild(instance, SYSTEM)
    assert [b.is_operators for b in list_backups(instance, world.app.id)] == [False, True]
    assert limits.shown_usage(instance, world.account, 1).backups_today == 1


def test_references_come_back(world: World, reopened: list[Instance]) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM, reference="deploy-1")
    run_backup(world.instance, asked.id)
    lose_catalog(world)
    instance = reopen(world, reopened)
    rebuild(instance, SYSTEM)
    assert find_backup(instance, world.app.id, "ref:deploy-1").id == asked.id


def test_deleted_backups_do_not_rise_again(world: World, reopened: list[Instance]) -> None:
    first = world.take()
    world.take()
    trash.delete_backup(world.instance, first, SYSTEM, is_final=True)
    lose_catalog(world)
    instance = reopen(world, reopened)
    assert rebuild(instance, SYSTEM)[0].backups == 1
    assert first.id not in [b.id for b in list_backups(instance, world.app.id)]


def test_the_days_are_those_of_the_backups_that_are_there(world: World, reopened: list[Instance]) -> None:
    for size in (10, 2000, 3000, 4000):
        (world.root / "data").write_bytes(os.urandom(size))
        world.take()
        world.clock.ns += DAY_NS // 2
    trash.delete_backup(world.instance, list_backups(world.instance, world.app.id)[0], SYSTEM)
    world.clock.ns += DAY_NS

    def days_in(instance: Instance) -> list[Day]:
        return read_days(instance.catalog, [world.app.id], "2000-01-01", "2100-01-01")[world.app.id]

    before = days_in(world.instance)
    lose_catalog(world)
    instance = reopen(world, reopened)
    for _ in range(2):
        rebuild(instance, SYSTEM)
        *days, today = days_in(instance)
        assert days == before, "the same twice counts nothing twice"
        assert (today.day, today.good) == (day_of(world.clock.ns, instance.zone), 0)
        assert today.stored_bytes == sum(
            b.stored_bytes for b in list_backups(instance, world.app.id) if b.deleted_at is None
        )


def test_a_catalog_that_is_older_than_the_store(world: World, reopened: list[Instance], tmp_path: Path) -> None:
    gone = world.take("gone later")
    kept = world.take("kept")
    world.instance.close()
    shutil.copy(world.instance.home / CATALOG, tmp_path / CATALOG)
    again = reopen(world, reopened)
    later = World(again, world.clock, world.account, world.api_key, world.app, world.root)
    (world.root / "new").write_bytes(os.urandom(10_000))
    trash.delete_backup(again, gone, SYSTEM, is_final=True)
    newest = later.take("taken later")
    operations.rename(again, kept, "renamed later", SYSTEM)
    prune_account(again, world.account, SYSTEM, grace_ns=0)
    (tmp_path / "second").mkdir()
    second = add_app(again, world.account.id, "second", tmp_path / "second", SYSTEM)
    again.close()
    reopened.clear()
    for path in world.instance.home.glob(f"{CATALOG}*"):
        path.unlink()
    shutil.copy(tmp_path / CATALOG, world.instance.home / CATALOG)
    instance = reopen(world, reopened)
    assert unknown_backups(instance, world.account) == [newest.id]
    with pytest.raises(DamagedError, match="holdfast rebuild"):  # what it does not know it must not take for dead
        prune_account(instance, world.account, SYSTEM, grace_ns=0)
    done = rebuild(instance, SYSTEM)[0]
    assert (done.backups, done.dropped_backups, done.apps, done.problems) == (1, 1, 1, [])
    assert sorted(b.name for b in list_backups(instance, world.app.id)) == ["renamed later", "taken later"]
    assert second.id in [app.id for app in list_apps(instance)]
    for backup in list_backups(instance, world.app.id):
        assert instance.vault(world.account.id).missing_of(backup.id) is None


def test_what_cannot_come_back_is_said(world: World, reopened: list[Instance]) -> None:
    world.take()
    world.clock.ns += 1_000_000_000
    (world.root / "more").write_bytes(os.urandom(300_000))
    world.take()
    lose_catalog(world)
    packs = sorted((world.instance.home / "store" / "vaults" / world.account.id / "packs").rglob("*/*"))
    largest = max(packs, key=lambda p: p.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-5])
    instance = reopen(world, reopened)
    done = rebuild(instance, SYSTEM)[0]
    assert any("has no valid footer" in problem for problem in done.problems)
    assert any("not all of it is there" in problem for problem in done.problems)
    assert [bool(b.damage) for b in list_backups(instance, world.app.id)] == [False, True]


def test_a_removed_application_stays_removed(world: World, reopened: list[Instance], tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = add_app(world.instance, world.account.id, "second", tmp_path / "second", SYSTEM)
    world.take()
    remove_app(world.instance, second, SYSTEM)
    lose_catalog(world)
    instance = reopen(world, reopened)
    rebuild(instance, SYSTEM)
    assert [app.id for app in list_apps(instance)] == [world.app.id]


def test_twice_changes_nothing(world: World) -> None:
    world.take()
    before = list_backups(world.instance, world.app.id)
    for _ in range(2):
        done = rebuild(world.instance, SYSTEM)[0]
        assert (done.backups, done.packs, done.apps, done.dropped_backups) == (0, 0, 0, 0)
    assert list_backups(world.instance, world.app.id) == before
    assert before[0].state is State.SUCCESSFUL


def test_another_master_key_touches_nothing(world: World) -> None:
    world.take()
    lose_catalog(world)
    (world.instance.home / "master.key").write_text("00" * 32)
    with pytest.raises(InstanceError, match="recovery sheet"):
        open_instance(world.instance.home, new_catalog=True)
    assert not (world.instance.home / CATALOG).exists()


def test_a_store_that_is_not_there_is_said(world: World) -> None:
    (world.instance.home / "store" / "vaults").rename(world.instance.home / "elsewhere")
    with pytest.raises(StoreUnreachable, match="mount its disk"):
        rebuild(world.instance, SYSTEM)
