"""A store that is not the instance's, or not there: each operation says so, and changes neither it nor the catalog."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit.command import Run
from kit.world import FakeClock

from holdfast.catalog.backups.found import newest_of_account
from holdfast.catalog.database.tables import backups, facts, packs
from holdfast.catalog.records import SYSTEM, Account, App, Backup, State
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance, InstanceError, create_instance, open_instance
from holdfast.service.integrity.prove import request_prove, run_prove
from holdfast.service.integrity.read_back import read_back
from holdfast.service.integrity.verify import check_account
from holdfast.service.registry.account_record import store_records
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.retention.prune import prune_account
from holdfast.service.retention.retain import retain_app
from holdfast.service.take.run import take_now
from holdfast.service.take.schedule import Schedule, checked_retention, set_schedule
from holdfast.stores.identified import MARK, MARK_IN_USE
from holdfast.stores.port import StoreError, StoreUnreachable
from holdfast.units import DAY_NS


@dataclass
class Scene:
    """An instance with three backups of which retention would let two go, and its store away or another."""

    home: Path
    instance: Instance
    clock: FakeClock
    account: Account
    app: App

    @property
    def store(self) -> Path:
        return self.home / "store"

    def newest(self) -> Backup:
        found = newest_of_account(self.instance.catalog, self.account.id)
        assert found is not None
        return found

    def rows(self) -> list[object]:
        """All that must not change: packs, backups, facts."""
        with self.instance.catalog.read() as connection:
            kept = connection.execute(packs.select().order_by(packs.c.seq)).all()
            taken = connection.execute(
                backups.select().where(backups.c.state != State.FAILED).order_by(backups.c.id)
            ).all()
            known = connection.execute(facts.select().order_by(facts.c.name)).all()
        return [*kept, *taken, *[fact for fact in known if not fact[0].startswith(("prune", "read"))]]


def tree(top: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(top)): path.read_bytes() if path.is_file() else None
        for path in sorted(top.rglob("*"))
        if path.name != "unfinished"
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    if request.param == "postgresql":
        monkeypatch.setenv("HOLDFAST_CATALOG_URL", request.getfixturevalue("postgresql")())
    clock = FakeClock()
    instance = create_instance(tmp_path / "home", time_zone="Europe/Berlin", clock=clock)
    account = add_account(instance, "ana@example.com", "Silver", SYSTEM).account
    root = tmp_path / "app"
    root.mkdir()
    app = add_app(instance, account.id, "bot", root, SYSTEM)
    for number in range(3):
        (root / f"file-{number}").write_bytes(os.urandom(50_000))
        assert take_now(instance, app.id, SYSTEM, origin="scheduled").state is State.SUCCESSFUL
        clock.ns += DAY_NS
    app = set_schedule(instance, app, Schedule("@daily", checked_retention({"keep_last": 1}), ()), SYSTEM)
    yield Scene(tmp_path / "home", instance, clock, account, app)
    instance.close()


def away(scene: Scene) -> Path:
    elsewhere = scene.home.parent / "away"
    scene.store.rename(elsewhere)
    return elsewhere


def back(scene: Scene, elsewhere: Path) -> None:
    if scene.store.exists():
        shutil.rmtree(scene.store)
    elsewhere.rename(scene.store)


def missing(scene: Scene) -> Callable[[], None]:
    elsewhere = away(scene)
    return lambda: back(scene, elsewhere)


def empty(scene: Scene) -> Callable[[], None]:
    elsewhere = away(scene)
    scene.store.mkdir()
    return lambda: back(scene, elsewhere)


def below_the_mount(scene: Scene) -> Callable[[], None]:
    """The folder as `init` left it, before the disk was mounted over it."""
    elsewhere = away(scene)
    scene.store.mkdir()
    shutil.copy(elsewhere / MARK, scene.store / MARK)
    return lambda: back(scene, elsewhere)


def half_mounted(scene: Scene) -> Callable[[], None]:
    """`vaults` is a disk of its own that is not mounted."""
    elsewhere = scene.home.parent / "away"
    (scene.store / "vaults").rename(elsewhere)
    (scene.store / "vaults").mkdir()

    def undo() -> None:
        (scene.store / "vaults").rmdir()
        elsewhere.rename(scene.store / "vaults")

    return undo


def foreign(scene: Scene) -> Callable[[], None]:
    elsewhere = away(scene)
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("HOLDFAST_CATALOG_URL", raising=False)
        other = create_instance(scene.home.parent / "other")
    add_account(other, "bo@example.com", "Silver", SYSTEM)
    other.close()
    shutil.copytree(scene.home.parent / "other" / "store", scene.store)
    return lambda: back(scene, elsewhere)


def older_copy(scene: Scene) -> Callable[[], None]:
    """A copy from before the last backup."""
    elsewhere = away(scene)
    shutil.copytree(elsewhere, scene.store)
    (scene.store / "vaults" / scene.account.id / "backups" / scene.newest().id).unlink()
    with scene.instance.catalog.read() as connection:
        ids = connection.execute(packs.select().order_by(packs.c.seq.desc()).limit(2)).all()
    for row in ids:
        for path in (scene.store / "vaults" / scene.account.id / "packs").rglob(row.pack_id.hex()):
            path.unlink()
    return lambda: back(scene, elsewhere)


STATES = {
    "missing": missing,
    "empty": empty,
    "below the mount": below_the_mount,
    "half mounted": half_mounted,
    "foreign": foreign,
    "older copy": older_copy,
}


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_believed_written_or_deleted(scene: Scene, state: str) -> None:
    undo = STATES[state](scene)
    before, held = scene.rows(), tree(scene.store) if scene.store.exists() else {}
    scene.clock.ns += DAY_NS

    if state != "older copy":
        with pytest.raises(StoreUnreachable):
            scene.instance.confirm_store()
    taken = take_now(scene.instance, scene.app.id, SYSTEM, origin="scheduled")
    assert (taken.state, taken.error_code) == (State.FAILED, "STORE_UNREACHABLE")
    for operation in (check_account, prune_account):
        with pytest.raises(StoreUnreachable):
            operation(scene.instance, scene.account, SYSTEM)
    assert retain_app(scene.instance, scene.app, SYSTEM).gone == []
    read_back(scene.instance)
    job = run_prove(scene.instance, request_prove(scene.instance, scene.newest(), SYSTEM).id)
    assert job.error_code == "STORE_UNREACHABLE"
    if state != "older copy":
        with pytest.raises(StoreError):
            store_records(scene.instance)
        with pytest.raises(StoreError):
            add_account(scene.instance, "new@example.com", "Silver", SYSTEM)

    assert (tree(scene.store) if scene.store.exists() else {}) == held
    assert scene.rows() == before

    undo()  # by itself it is well again
    taken = take_now(scene.instance, scene.app.id, SYSTEM, origin="scheduled")
    assert taken.state is State.SUCCESSFUL, taken.error_message
    assert check_account(scene.instance, scene.account, SYSTEM).is_clean
    assert len(retain_app(scene.instance, scene.app, SYSTEM).gone) == 3
    prune_account(scene.instance, scene.account, SYSTEM, grace_ns=0)
    assert check_account(scene.instance, scene.account, SYSTEM, share=1).is_clean


@pytest.mark.parametrize("state", [s for s in STATES if s != "older copy"])
def test_commands_say_it(scene: Scene, state: str, run: Run) -> None:
    STATES[state](scene)
    assert "STORE_UNREACHABLE" in run("doctor", "--json", code=1).stdout
    for name in ("check", "prune"):
        assert json.loads(run(name, "--json", code=1).stderr)["code"] == "STORE_UNREACHABLE", name
    rebuilt = json.loads(run("rebuild", "--json", code=1).stderr)["code"]
    assert rebuilt == ("INSTANCE" if state == "foreign" else "STORE_UNREACHABLE")
    created = run("backup", "create", "bot", "--json", code=1)
    assert json.loads(created.stderr)["code"] == "STORE_UNREACHABLE"


def test_an_instance_from_before_the_mark_gets_it(scene: Scene) -> None:
    (scene.store / MARK).unlink()
    (scene.store / MARK_IN_USE).unlink()
    with scene.instance.catalog.write() as connection:
        connection.execute(facts.delete().where(facts.c.name.like("store%")))
    undo = empty(scene)
    again = open_instance(scene.home, clock=scene.clock)
    with pytest.raises(StoreUnreachable, match="opens no vault"):
        again.confirm_store()
    assert not any(scene.store.iterdir())
    undo()
    again.confirm_store()  # without another start
    assert (scene.store / MARK).read_bytes() == (scene.store / MARK_IN_USE).read_bytes()
    again.close()
    third = open_instance(scene.home, clock=scene.clock)
    third.confirm_store()
    third.close()


def test_init_makes_the_mark_alone(tmp_path: Path) -> None:
    create_instance(tmp_path / "home").close()
    assert [path.name for path in (tmp_path / "home" / "store").iterdir()] == [MARK]


def test_a_damaged_mark_of_two_is_no_end(scene: Scene) -> None:
    (scene.store / MARK_IN_USE).write_bytes(b"holdfast stoXe")
    scene.instance.confirm_store()
    (scene.store / MARK).write_bytes(b"holdfast stoXe")
    with pytest.raises(StoreError, match="damaged"):
        scene.instance.confirm_store()


def test_a_mark_of_a_newer_format_is_refused(scene: Scene) -> None:
    (scene.store / MARK_IN_USE).write_bytes(b"holdfast store 2 " + b"a" * 32 + b" 2026-01-01T00:00:00Z\n")
    with pytest.raises(StoreUnreachable, match="newer Holdfast"):
        scene.instance.confirm_store()


def test_a_second_home_on_the_catalog_is_refused(
    postgresql: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_CATALOG_URL", postgresql())
    monkeypatch.setenv("HOLDFAST_MASTER_KEY", "5a" * 32)
    create_instance(tmp_path / "one").close()
    with pytest.raises(InstanceError, match="belongs to another store"):
        create_instance(tmp_path / "two")
    assert not (tmp_path / "two" / "store").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount")
def test_a_store_that_can_only_be_read(scene: Scene) -> None:
    """Reading goes on; what would write says that the store can't be written."""
    store = str(scene.store)
    if subprocess.run(["mount", "--bind", store, store], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", store], check=True)
        before, held = scene.rows(), tree(scene.store)
        scene.instance.confirm_store()
        taken = take_now(scene.instance, scene.app.id, SYSTEM, origin="scheduled")
        assert (taken.state, taken.error_code) == (State.FAILED, "STORE_UNREACHABLE")
        assert check_account(scene.instance, scene.account, SYSTEM, share=1).is_clean
        assert run_prove(scene.instance, request_prove(scene.instance, scene.newest(), SYSTEM).id).error_code is None
        with pytest.raises((StoreError, ServiceError)):
            retain_app(scene.instance, scene.app, SYSTEM)
        assert tree(scene.store) == held
        assert [row for row in scene.rows() if row in before] != []
    finally:
        subprocess.run(["umount", store], check=True)
    assert retain_app(scene.instance, scene.app, SYSTEM).gone
