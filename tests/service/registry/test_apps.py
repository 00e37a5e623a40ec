"""Applications: where their data may be, what a backup leaves out, and what goes with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kit.world import World
from msgspec import to_builtins

from holdfast.catalog.jobs.schedules import due_times
from holdfast.catalog.records import SYSTEM, Actor, App, Backup, State
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry import apps, backups
from holdfast.service.registry.accounts import add_account
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.service.take.schedule import Schedule, recompute, set_schedule, tick
from holdfast.stores.port import StoreError


def add(world: World, path: Path, name: str = "x") -> App:
    return apps.add_app(world.instance, world.account.id, name, path, SYSTEM)


def test_the_path_is_kept_without_links(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "linked").symlink_to(world.root)
    assert add(world, tmp_path / "linked").path == str(world.root.resolve())
    monkeypatch.chdir(world.root)
    assert add(world, Path("sub"), "relative").path == str(world.root.resolve() / "sub")


@pytest.mark.parametrize("path", ["nowhere", "loop", "file", "file/below", "nul\0", os.fsdecode(b"\xff")])
def test_a_path_that_cannot_be(world: World, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    with pytest.raises(Invalid) as caught:
        add(world, tmp_path / path)
    assert (caught.value.code, caught.value.field) == ("INVALID_PATH", "path")
    assert caught.value.message.encode()
    assert caught.value.message.endswith(".")


def test_the_home_itself_is_refused_also_through_a_link(world: World, tmp_path: Path) -> None:
    (tmp_path / "sly").symlink_to(world.instance.home / "store")
    for path in (world.instance.home, world.instance.home / "run", tmp_path / "sly"):
        with pytest.raises(Invalid, match="belongs to Holdfast itself") as caught:
            add(world, path)
        assert caught.value.code == "INVALID_PATH"


def test_a_folder_that_holds_the_home_leaves_it_out(world: World, tmp_path: Path) -> None:
    home = os.fsencode(world.instance.home.resolve().relative_to(tmp_path.resolve()))
    assert apps.excluded_paths(world.instance, add(world, tmp_path)) == (home,)
    assert apps.excluded_paths(world.instance, add(world, tmp_path.parent, "above")) == (
        os.fsencode(tmp_path.name) + b"/" + home,
    )
    assert apps.excluded_paths(world.instance, world.app) == ()


@pytest.mark.parametrize("name", ["", " ", ".", "..", "a/b", "a\nb", "\x7f", "\x85", "\ud800", "x" * 192])
def test_a_name_that_cannot_be(world: World, name: str) -> None:
    with pytest.raises(Invalid) as caught:
        add(world, world.root, name)
    assert caught.value.code == "INVALID_NAME"


def test_an_app_needs_an_account(world: World) -> None:
    with pytest.raises(NotFound) as caught:
        apps.add_app(world.instance, "nobody", "x", world.root, SYSTEM)
    assert caught.value.code == "ACCOUNT_NOT_FOUND"


def test_lists_and_owners(world: World) -> None:
    other = add_account(world.instance, "ben@example.com", "Silver", SYSTEM).account
    theirs = apps.add_app(world.instance, other.id, "theirs", world.root, SYSTEM)
    mine = add(world, world.root, "second")
    assert apps.list_apps(world.instance, other.id) == [theirs]
    assert {a.id for a in apps.list_apps(world.instance)} == {world.app.id, mine.id, theirs.id}
    assert apps.get_app(world.instance, other.id, theirs.id) == theirs
    for account, app_id in ((world.account.id, theirs.id), (other.id, "0" * 32), (other.id, "theirs")):
        with pytest.raises(NotFound) as caught:
            apps.get_app(world.instance, account, app_id)
        assert (caught.value.code, caught.value.message) == ("APP_NOT_FOUND", "No such application exists.")


def test_the_view(world: World) -> None:
    empty = to_builtins(apps.shown_app(world.instance, world.app))
    assert empty == {
        "id": world.app.id,
        "name": "bot",
        "created_at": "2024-12-07T22:07:11+01:00",
        "last_good_backup_at": None,
        "next_backup_at": None,
        "overdue_since": None,
        "storage": 0,
    }
    good = world.take()
    world.root.rename(world.root.with_name("moved"))
    world.clock.ns += 60_000_000_000
    assert world.take().state is State.FAILED
    full = to_builtins(apps.shown_app(world.instance, world.app))
    assert full == empty | {"last_good_backup_at": "2024-12-07T22:07:11+01:00", "storage": good.stored_bytes}


def test_an_app_in_use_stays_whole(world: World) -> None:
    done = world.take("one")
    waiting, _ = request_backup(world.instance, world.app.id, SYSTEM)
    with pytest.raises(Conflict) as caught:
        apps.remove_app(world.instance, world.app, SYSTEM)
    assert caught.value.code == "BACKUP_IN_PROGRESS"
    run_backup(world.instance, waiting.id)
    locked = backups.set_lock(world.instance, done, SYSTEM, locked_until=world.clock.ns + 1)
    with pytest.raises(Conflict, match="'one' is locked") as caught:
        apps.remove_app(world.instance, world.app, SYSTEM)
    assert caught.value.code == "BACKUP_LOCKED"
    assert len(backups.list_backups(world.instance, world.app.id)) == 2
    world.clock.ns += 1
    assert locked.locked_until == world.clock.ns
    assert apps.remove_app(world.instance, world.app, SYSTEM) == 2
    with pytest.raises(NotFound):
        apps.find_app(world.instance, "bot")
    with pytest.raises(NotFound):
        request_backup(world.instance, world.app.id, SYSTEM)
    assert add(world, world.root, "bot").id != world.app.id, "the name is free again"


def test_a_backup_that_comes_between_keeps_the_app(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.take()
    delete_now = backups.delete_now

    def deleted_while_another_starts(instance: Instance, backup: Backup, by: Actor) -> None:
        delete_now(instance, backup, by)
        request_backup(instance, world.app.id, SYSTEM, name="late")

    monkeypatch.setattr(apps, "delete_now", deleted_while_another_starts)
    with pytest.raises(Conflict, match="started meanwhile"):
        apps.remove_app(world.instance, world.app, SYSTEM)
    assert apps.find_app(world.instance, "bot") == world.app
    assert [b.name for b in backups.list_backups(world.instance, world.app.id)] == ["late"]


def test_one_deletion_that_cannot_be_does_not_hold_up_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [world.take(name) for name in ("one", "two")]

    def unusable(account_id: str) -> None:
        raise StoreError("The disk reported an error.")

    monkeypatch.setattr(world.instance, "vault_store", unusable)
    for backup in made:
        with pytest.raises(StoreError):
            backups.delete_backup(world.instance, backup, SYSTEM)
    assert backups.resume_deletions(world.instance) == 0
    monkeypatch.undo()
    assert backups.resume_deletions(world.instance) == 2
    assert backups.resume_deletions(world.instance) == 0
    assert backups.list_backups(world.instance, world.app.id) == []


def test_locks_set_at_once_do_not_undo_each_other(world: World) -> None:
    stale = world.take()
    until = world.clock.ns + 10
    backups.set_lock(world.instance, stale, SYSTEM, locked_until=until)
    both = backups.set_lock(world.instance, stale, SYSTEM, is_locked=True)
    assert (both.is_locked, both.locked_until) == (True, until)
    with pytest.raises(Conflict, match="longer, not shorter"):
        backups.set_lock(world.instance, stale, SYSTEM, locked_until=until - 1)
    assert backups.set_lock(world.instance, stale, SYSTEM, locked_until=until).locked_until == until


def test_an_application_that_is_restored_stays(world: World) -> None:
    backup = world.take()
    request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    with pytest.raises(Conflict) as refused:
        apps.remove_app(world.instance, world.app, SYSTEM)
    assert refused.value.code == "RESTORE_IN_PROGRESS"
    assert [b.id for b in backups.list_backups(world.instance, world.app.id)] == [backup.id]


def test_its_schedule_does_not_come_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.take("one")
    world.take("two")
    set_schedule(world.instance, world.app, Schedule(cron="* * * * *"), SYSTEM)
    world.clock.ns += 120 * 1_000_000_000
    delete_now = backups.delete_now

    def deleted_while_it_is_due(instance: Instance, backup: Backup, by: Actor) -> None:
        delete_now(instance, backup, by)
        assert tick(instance) == []

    monkeypatch.setattr(apps, "delete_now", deleted_while_it_is_due)
    assert apps.remove_app(world.instance, world.app, SYSTEM) == 2
    assert apps.list_apps(world.instance) == []


def test_a_removal_that_was_cut_off_has_its_schedule_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.take()
    set_schedule(world.instance, world.app, Schedule(cron="* * * * *"), SYSTEM)
    due = due_times(world.instance.catalog, world.app.id)

    def unusable(account_id: str) -> None:
        raise StoreError("The disk reported an error.")

    monkeypatch.setattr(world.instance, "vault_store", unusable)
    with pytest.raises(StoreError):
        apps.remove_app(world.instance, world.app, SYSTEM)
    monkeypatch.undo()
    assert recompute(world.instance, None) == 1
    assert due_times(world.instance.catalog, world.app.id) == due
