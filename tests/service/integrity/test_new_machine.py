"""An instance on a new machine: all of it comes back from the store and the sheet, or nothing is written."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.links import key_of
from kit.lost_machine import Lost, all_below, gone, lost
from kit.trees import tree_of
from kit.world import World

from holdfast.catalog.accounts.apps import list_apps as app_rows
from holdfast.catalog.database.tables import apps
from holdfast.catalog.records import SYSTEM, Actor
from holdfast.service.access.download import find_download
from holdfast.service.doctor.diagnose import diagnose
from holdfast.service.errors import Conflict
from holdfast.service.instance import home as homes
from holdfast.service.instance.home import KEY_VARIABLE, Instance, InstanceError, create_instance, open_instance
from holdfast.service.instance.recovery_sheet import key_exported_at, read_sheet, recovery_sheet
from holdfast.service.integrity import new_machine
from holdfast.service.integrity.new_machine import BroughtBack, Settings, init_from_store
from holdfast.service.people.callers import caller_of_key
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app, list_apps
from holdfast.service.registry.backups import list_backups
from holdfast.stores.port import StoreError

__all__ = ["lost"]


def test_all_of_it_comes_back(lost: Lost) -> None:
    before = all_below(lost.store)
    old = lost.world
    done = lost.bring_back()
    assert all_below(lost.store) == before  # nothing is written to the store, the mark least of all
    assert (lost.home / "store").readlink() == lost.store
    assert (done.node, done.other_nodes, done.time_zone) == ("main", [], "Europe/Berlin")
    assert [(account.backups, account.problems) for account in done.accounts] == [(2, [])]
    with closing(open_instance(lost.home, clock=old.clock)) as instance:
        assert caller_of_key(instance, old.api_key, "127.0.0.1").account.id == old.account.id
        assert list_apps(instance) == [old.app]
        for backup in list_backups(instance, old.app.id):
            found = find_download(instance, backup.account_id, backup.name, key_of(instance, backup), "zip")
            assert found is not None
            assert sum(len(piece) for piece in found.stream(0, found.length)) == found.length
        assert key_exported_at(instance) is not None
        again = World(instance, old.clock, old.account, old.api_key, old.app, old.root)
        assert again.take().stored_bytes < 5_000  # the next backup builds on the last one
    assert not [line for line in diagnose(lost.home) if line.level == "problem"]


def test_missing_folders_are_named_with_their_newest_backup(lost: Lost) -> None:
    tree = tree_of(lost.world.root)
    assert tree
    shutil.rmtree(lost.world.root)
    (missing,) = lost.bring_back().missing_folders
    assert (missing.app, missing.path, missing.backup) == ("bot", str(lost.world.root), "second")


def cut(lost: Lost) -> None:
    read_sheet(f"Holdfast recovery sheet\nMaster key {lost.sheet.key.hex()[:40]}", "the sheet")


def without_the_key(lost: Lost) -> None:
    read_sheet("Holdfast recovery sheet\n\nInstance   http://127.0.0.1:8420 (/home)\n", "the sheet")


def a_digit_wrong(lost: Lost) -> None:
    digits = lost.sheet.key.hex()
    wrong = ("0" if digits[0] != "0" else "1") + digits[1:]
    read_sheet(f"Key id {lost.sheet.key.fingerprint}\nMaster key {wrong}\n", "the sheet")


def of_another_instance(lost: Lost) -> None:
    lost.bring_back(sheet=read_sheet(os.urandom(32).hex(), "the sheet"))


def not_a_store(lost: Lost) -> None:
    (lost.store.parent / "other" / "vaults").mkdir(parents=True)
    lost.bring_back(lost.store.parent / "other")


def nothing_there(lost: Lost) -> None:
    lost.bring_back(lost.store.parent / "unmounted")


def half_copied(lost: Lost) -> None:
    (lost.store / "STORE").unlink()
    lost.bring_back()


def of_two_stores(lost: Lost) -> None:
    mark = (lost.store / "STORE").read_text().split()
    (lost.store / "STORE").write_text(" ".join([*mark[:3], "0" * 32, mark[4]]) + "\n")
    lost.bring_back()


def a_damaged_mark(lost: Lost) -> None:
    (lost.store / "STORE").write_text("?")
    lost.bring_back()


def without_vaults(lost: Lost) -> None:
    shutil.rmtree(lost.store / "records")
    for vault in (lost.store / "vaults").glob("*/account"):
        vault.unlink()
    lost.bring_back()


def a_whole_home(lost: Lost) -> None:
    (lost.store.parent / "around").mkdir()
    lost.store.rename(lost.store.parent / "around" / "store")
    lost.bring_back(lost.store.parent / "around")


def in_another_home(lost: Lost) -> None:
    around = lost.store.parent / "around"
    around.mkdir()
    (around / "FORMAT").write_text("holdfast home 1\n")
    lost.store.rename(around / "store")
    lost.bring_back(around / "store")


def a_full_home(lost: Lost) -> None:
    lost.home.mkdir()
    (lost.home / "notes.txt").write_text("mine")
    lost.bring_back()


def a_home_with_another_key(lost: Lost) -> None:
    lost.home.mkdir()
    (lost.home / "master.key").write_text(os.urandom(32).hex())
    lost.bring_back()


def a_home_with_another_store(lost: Lost) -> None:
    (lost.home / "store").mkdir(parents=True)
    lost.bring_back()


def a_home_in_the_store(lost: Lost) -> None:
    lost.bring_back(home=lost.store / "home")


def other_settings(lost: Lost) -> None:
    lost.home.mkdir()
    (lost.home / "holdfast.toml").write_text('base_url = "https://a.example"\n')
    lost.bring_back(settings=Settings(base_url="https://b.example"))


@pytest.mark.parametrize(
    ("attempt", "sentence"),
    [
        (cut, "40 of 64 digits"),
        (without_the_key, "is not a recovery sheet, or is cut off"),
        (a_digit_wrong, "does not fit its key id"),
        (of_another_instance, "does not open the store"),
        (not_a_store, "not a whole store: the file STORE is missing"),
        (nothing_there, "is not a folder; mount"),
        (half_copied, "the file STORE is missing"),
        (of_two_stores, "files of two stores"),
        (a_damaged_mark, "mark STORE of the store is damaged"),
        (without_vaults, "has no backups of anybody"),
        (a_whole_home, "is a home, and its store is"),
        (in_another_home, "is the store of the instance in"),
        (a_full_home, "is not empty"),
        (a_home_with_another_key, "has another key than the sheet; remove it"),
        (a_home_with_another_store, "is there already, and is not"),
        (a_home_in_the_store, "must not lie in the store"),
        (other_settings, "has another base_url"),
    ],
)
def test_what_is_refused_changes_nothing(lost: Lost, attempt: Callable[[Lost], None], sentence: str) -> None:
    with pytest.raises((InstanceError, StoreError), match=sentence):
        attempt(lost)
    assert not lost.before or all_below(lost.home.parent) == lost.before


def test_a_store_that_a_living_home_uses_is_refused(lost: Lost) -> None:
    lost.bring_back()
    with (lost.home / "run" / "serve.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InstanceError, match="is in use by the instance in"):
            lost.bring_back(home=lost.home.with_name("another"))
    assert not lost.home.with_name("another").exists()
    lost.bring_back(home=lost.home.with_name("another"))  # once that one is stopped


def test_of_two_at_once_one_goes_on_and_the_other_writes_nothing(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    another, refused = lost.home.with_name("another"), []
    real = new_machine._finished

    def meanwhile(*arguments: Any) -> BroughtBack:
        done = real(*arguments)
        before = all_below(lost.home.parent)
        with pytest.raises(
            InstanceError, match="Another `holdfast init --from-store` is bringing an instance back"
        ) as no:
            init_from_store(another, lost.store, lost.sheet, Settings(), SYSTEM, clock=lost.world.clock)
        refused.append(str(no.value))
        assert all_below(lost.home.parent) == before
        return done

    monkeypatch.setattr(new_machine, "_finished", meanwhile)
    assert [account.backups for account in lost.bring_back().accounts] == [2]
    assert len(refused) == 1
    assert not another.exists()


def test_with_a_catalog_on_postgresql(lost: Lost, postgresql: Callable[[], str]) -> None:
    another, setting = lost.home.with_name("another"), f'catalog_url = "{postgresql()}"\n'

    def brought_back(home: Path, config: str, fresh: int) -> None:
        home.mkdir(exist_ok=True)
        (home / "holdfast.toml").write_text(config)
        assert [(one.backups, one.problems) for one in lost.bring_back(home=home).accounts] == [(fresh, [])]
        with closing(open_instance(home, clock=lost.world.clock)) as instance:
            assert caller_of_key(instance, lost.world.api_key, "").account.id == lost.world.account.id
            assert {backup.name for backup in list_backups(instance, lost.world.app.id)} == {"first", "second"}
        assert not [line for line in diagnose(home) if line.level == "problem"]

    brought_back(lost.home, setting, fresh=2)
    with pytest.raises(Conflict, match=r"Another home .* runs as the node 'main' on this catalog; set another `node`"):
        brought_back(another, setting, fresh=0)  # within a minute, as it may live
    brought_back(another, setting + 'node = "n2"\n', fresh=0)  # it finds the catalog of the first


def test_a_home_that_is_there_is_left_alone(lost: Lost) -> None:
    lost.bring_back()
    before = all_below(lost.home)
    with pytest.raises(InstanceError, match="already"):
        lost.bring_back()
    assert all_below(lost.home) == before


STEPS = ("write_durably", "sync_folder", "open_instance", "rebuild", "write_format")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_killed_at_any_step_and_done_again(
    lost: Lost, monkeypatch: pytest.MonkeyPatch, step: str, is_after: bool
) -> None:
    real = getattr(new_machine, step)

    def killed(*arguments: object, **options: object) -> object:
        if is_after:
            real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(new_machine, step, killed)
        lost.bring_back()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    monkeypatch.undo()
    if (step, is_after) == ("write_format", True):
        open_instance(lost.home).close()  # it was done
        return
    with pytest.raises(InstanceError, match="No Holdfast instance"):
        open_instance(lost.home)
    done = lost.bring_back()
    assert [account.problems for account in done.accounts] == [[]]
    with closing(open_instance(lost.home)) as instance:
        assert {backup.name for backup in list_backups(instance, lost.world.app.id)} == {"first", "second"}
    assert not [line for line in diagnose(lost.home) if line.level == "problem"]


def test_one_that_was_cut_off_is_not_made_a_new_instance(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(instance: Instance, by: Actor, on_account: object) -> None:
        raise StoreError("The disk is failing.")

    with monkeypatch.context() as patched:
        patched.setattr(new_machine, "rebuild", broken)
        with pytest.raises(StoreError):
            lost.bring_back()
    with pytest.raises(InstanceError, match="--from-store"):
        create_instance(lost.home)
    (lost.home / "catalog.sqlite").write_bytes(b"\xff" * 5000)  # it was cut off badly
    lost.bring_back()
    assert list(lost.home.glob("damaged-catalog-*"))


def test_the_store_may_lie_in_the_new_home(lost: Lost) -> None:
    lost.home.mkdir()
    lost.store.rename(lost.home / "store")
    with pytest.raises(InstanceError, match=f"--from-store {lost.home}/store --key SHEET"):
        create_instance(lost.home)
    lost.bring_back(lost.home / "store")
    assert not (lost.home / "store").is_symlink()


def test_an_old_configuration_is_used(lost: Lost) -> None:
    lost.home.mkdir()
    text = 'base_url = "https://api.example.org"\ntime_zone = "Asia/Tokyo"\nnode = "n7"\n'
    (lost.home / "holdfast.toml").write_text(text)
    done = lost.bring_back(settings=Settings(base_url="https://api.example.org"))
    assert (lost.home / "holdfast.toml").read_text() == text
    assert (done.base_url, done.time_zone, done.node) == ("https://api.example.org", "Asia/Tokyo", "n7")
    assert list(done.other_nodes) == ["main"]


def test_a_key_from_the_environment_is_not_written_down(lost: Lost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, lost.sheet.key.hex())
    lost.bring_back(sheet=replace(lost.sheet, where=KEY_VARIABLE, is_on_paper=False))
    assert not (lost.home / "master.key").exists()
    with closing(open_instance(lost.home)) as instance:
        assert key_exported_at(instance) is None
    monkeypatch.setenv(KEY_VARIABLE, os.urandom(32).hex())
    with pytest.raises(InstanceError, match="another key than the sheet; unset it"):
        lost.bring_back(home=lost.home.with_name("another"))


def on_nodes(world: World, tmp_path: Path, *nodes: str) -> None:
    """Give each node an application, as if each had been added there."""
    for number, node in enumerate(nodes):
        root = tmp_path / f"app-{node}"
        root.mkdir()
        app = world.app if number == 0 else add_app(world.instance, world.account.id, f"app-{node}", root, SYSTEM)
        change_node(world.instance, app.id, node)
    store_record(world.instance, world.account.id)


def change_node(instance: Instance, app_id: str, node: str) -> None:
    with instance.catalog.write() as connection:
        connection.execute(apps.update().where(apps.c.id == app_id).values(node=node))


def test_the_name_of_the_only_node_is_taken_over(world: World, tmp_path: Path) -> None:
    world.take("first")
    on_nodes(world, tmp_path, "n2")
    lost = gone(world, tmp_path, read_sheet(recovery_sheet(world.instance), "the sheet"))
    done = lost.bring_back()
    assert (done.node, done.other_nodes) == ("n2", [])
    with closing(open_instance(lost.home, clock=world.clock)) as instance:
        assert World(instance, world.clock, world.account, world.api_key, world.app, world.root).take().node == "n2"


def test_of_several_nodes_the_operator_chooses(world: World, tmp_path: Path) -> None:
    world.take("first")
    on_nodes(world, tmp_path, "n2", "n3")
    lost = gone(world, tmp_path, read_sheet(recovery_sheet(world.instance), "the sheet"))
    done = lost.bring_back()
    assert (done.node, done.other_nodes, done.missing_folders) == ("main", ["n2", "n3"], [])


def test_a_damaged_record_does_not_make_the_key_wrong(world: World, tmp_path: Path) -> None:
    add_account(world.instance, "b@example.com", "Bronze", SYSTEM)
    world.take("first")
    for path in world.instance.home.glob("store/*/*/account"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    lost = gone(world, tmp_path, read_sheet(recovery_sheet(world.instance), "the sheet"))
    assert [account.problems for account in lost.bring_back().accounts] == [[], []]  # each from its copy


def test_a_store_from_before_the_mark(lost: Lost) -> None:
    (lost.store / "STORE").unlink()
    (lost.store / "vaults" / "STORE").unlink()
    lost.bring_back()
    assert (lost.store / "STORE").exists()
    with closing(open_instance(lost.home)) as instance:
        instance.confirm_store()
        assert msgspec.to_builtins(app_rows(instance.catalog, None))[0]["name"] == "bot"
    assert homes.has_vaults(lost.home)
