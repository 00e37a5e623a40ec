"""No restore reaches the instance's own folders, however its target is written; a restore is undone by its job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from kit.world import World

from holdfast.catalog.records import SYSTEM, Backup, JobState
from holdfast.service.errors import Conflict
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted, preview_restore
from holdfast.service.restore.undo import undo_of


def tree(top: Path) -> dict[str, bytes | None]:
    kept = (path for path in sorted(top.rglob("*")) if not path.name.startswith("catalog"))
    return {str(path.relative_to(top)): path.read_bytes() if path.is_file() else None for path in kept}


def refused(world: World, backup: Backup, to: Path) -> None:
    for ask in (preview_restore, partial(request_restore, by=SYSTEM)):
        with pytest.raises(Conflict) as caught:
            ask(world.instance, backup, world.app, Wanted(to=str(to)))
        assert caught.value.code == "TARGET_IN_INSTANCE"
        assert str(world.instance.home) not in caught.value.message


TARGETS: dict[str, Callable[[Path], Path]] = {
    "the home": lambda home: home,
    "the store": lambda home: home / "store",
    "a vault": lambda home: home / "store" / "vaults",
    "the locks": lambda home: home / "run",
    "a folder that is to be made in the home": lambda home: home / "new" / "deep",
    "the folder above": lambda home: home.parent,
    "the root": lambda home: Path("/"),
    "dots": lambda home: home.parent / "app" / ".." / "home",
    "a link": lambda home: home.parent / "link-to-home",
    "a link to a folder inside": lambda home: home.parent / "link-to-store" / "vaults",
}


@pytest.mark.parametrize("target", TARGETS)
def test_own_folders_are_no_target(world: World, target: str) -> None:
    home = world.instance.home
    (home.parent / "link-to-home").symlink_to(home)
    (home.parent / "link-to-store").symlink_to(home / "store")
    backup = world.take()
    before = tree(home)
    refused(world, backup, TARGETS[target](home))
    assert tree(home) == before


def test_a_store_that_is_a_link_is_protected_where_it_lies(world: World) -> None:
    backup = world.take()
    elsewhere = world.instance.home.parent / "disk" / "elsewhere"
    elsewhere.parent.mkdir()
    (world.instance.home / "store").rename(elsewhere)
    (world.instance.home / "store").symlink_to(elsewhere)
    refused(world, backup, elsewhere)
    refused(world, backup, elsewhere.parent)


def test_an_application_whose_folder_holds_the_home(world: World) -> None:
    """The folder of an application may have come to hold the home after it was added."""
    backup = world.take()
    world.instance.home.rename(world.root / "home")
    (world.instance.home).symlink_to(world.root / "home")
    for ask in (preview_restore, partial(request_restore, by=SYSTEM)):
        with pytest.raises(Conflict, match="home of the instance"):
            ask(world.instance, backup, world.app, Wanted())


@contextmanager
def mounted(source: Path, at: Path) -> Iterator[None]:
    at.mkdir(parents=True)
    if os.geteuid() != 0 or subprocess.run(["mount", "--bind", source, at], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def test_a_bind_mount_is_seen_through(world: World, tmp_path: Path) -> None:
    backup = world.take()
    home = world.instance.home
    for number, source in enumerate((home, home / "store" / "vaults", home.parent)):
        at = tmp_path / "elsewhere" / f"mount-{number}"
        with mounted(source, at):
            for to in (at, at.parent, *([at / "new"] if number < 2 else [at / "home" / "new"])):
                refused(world, backup, to)
        at.rmdir()


def test_other_folders_are_targets(world: World, tmp_path: Path) -> None:
    backup = world.take()
    for to in (tmp_path / "beside", tmp_path / "home-2", tmp_path / "deep" / "er"):
        job = run_restore(
            world.instance, request_restore(world.instance, backup, world.app, Wanted(to=str(to)), SYSTEM).id
        )
        assert job.state is JobState.SUCCESSFUL, job.error_message
        assert (to / "a.txt").read_text() == "hello\n"


def test_a_restore_is_undone_by_its_job(world: World) -> None:
    backup = world.take()
    (world.root / "a.txt").write_text("newer\n")
    (world.root / "made-later").write_text("x")
    done = run_restore(world.instance, request_restore(world.instance, backup, world.app, Wanted(), SYSTEM).id)
    assert (world.root / "a.txt").read_text() == "hello\n"
    safety, app, wanted = undo_of(world.instance, done)
    undone = run_restore(world.instance, request_restore(world.instance, safety, app, wanted, SYSTEM).id)
    assert undone.state is JobState.SUCCESSFUL
    assert (world.root / "a.txt").read_text() == "newer\n"
    assert (world.root / "made-later").exists()
    again = undo_of(world.instance, undone)  # an undo is a restore, so it can be undone
    run_restore(world.instance, request_restore(world.instance, *again, by=SYSTEM).id)
    assert not (world.root / "made-later").exists()


def test_what_cannot_be_undone_is_said(world: World, tmp_path: Path) -> None:
    backup = world.take()
    beside = run_restore(
        world.instance,
        request_restore(world.instance, backup, world.app, Wanted(to=str(tmp_path / "beside")), SYSTEM).id,
    )
    with pytest.raises(Conflict, match="no safety backup") as caught:
        undo_of(world.instance, beside)
    assert caught.value.code == "JOB_NOT_UNDOABLE"
    queued = request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    with pytest.raises(Conflict, match="still runs"):
        undo_of(world.instance, queued)
