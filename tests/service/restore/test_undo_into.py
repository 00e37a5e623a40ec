"""The undo of a restore into a new folder: that folder goes, and never anything that did not come from the backup."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import pytest
from kit.trees import fill, staging_left, tree_of
from kit.world import World

from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.records import SYSTEM, Job, JobState
from holdfast.native import library as native
from holdfast.service.errors import Conflict, NotFound
from holdfast.service.jobs.lifecycle import get_job
from holdfast.service.registry.trash import delete_backup
from holdfast.service.restore import new_folder
from holdfast.service.restore.files import Restored, recover_restores, request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.restore.undo import request_undo


def restored(world: World, **wanted: object) -> Job:
    """A restore of a new backup into the new folder `sub/old`."""
    request = msgspec.convert({"into": "sub/old", **wanted}, Wanted)
    job = request_restore(world.instance, world.take(), world.app, request, SYSTEM)
    done = run_restore(world.instance, job.id)
    assert done.state is JobState.SUCCESSFUL, done.error_message
    return done


def undo(world: World, job: Job) -> Job:
    return run_restore(world.instance, request_undo(world.instance, job, SYSTEM).id)


@pytest.mark.parametrize("paths", [[], ["sub/b.bin", "deep"]])
def test_the_folder_goes_and_nothing_else(world: World, paths: list[str]) -> None:
    fill(world.root)
    before = tree_of(world.root)
    job = restored(world, paths=paths)
    made = len(list((world.root / "sub" / "old").rglob("*")))
    assert made > 2
    assert tree_of(world.root) != before
    (world.root / "sub" / "old" / "sub" / "b.bin").unlink()  # what its owner deletes is nothing to keep
    done = undo(world, job)
    assert done.state is JobState.SUCCESSFUL, done.error_message
    assert msgspec.json.decode(done.result or "", type=Restored).removed == made - 1
    (world.root / "sub").touch()
    assert tree_of(world.root).keys() == before.keys()
    assert staging_left(world) == []
    with pytest.raises(Conflict, match="not there any more") as refused:
        request_undo(world.instance, job, SYSTEM)
    assert refused.value.code == "JOB_NOT_UNDOABLE"


def rewritten_with_its_times(path: Path) -> None:
    found = path.stat()
    path.write_bytes(b"HELLO\n")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replaced(path: Path, replace: Callable[[Path], object]) -> None:
    path.unlink()
    replace(path)


WRITTEN: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a new file": ("new.txt", lambda old: (old / "new.txt").write_text("mine")),
    "a new file in a folder of the backup": ("sub/new", lambda old: (old / "sub" / "new").touch()),
    "a new folder": ("new", lambda old: (old / "new").mkdir()),
    "a pipe": ("pipe", lambda old: os.mkfifo(old / "pipe")),
    "other content with the same size and times": ("a.txt", lambda old: rewritten_with_its_times(old / "a.txt")),
    "a link in the place of a file": ("a.txt", lambda old: replaced(old / "a.txt", lambda p: p.symlink_to("sub"))),
    "a link that points elsewhere": ("link", lambda old: replaced(old / "link", lambda p: p.symlink_to("/etc"))),
    "a folder in the place of a file": ("a.txt", lambda old: replaced(old / "a.txt", Path.mkdir)),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_what_was_written_since_keeps_it(world: World, what: str) -> None:
    named, write = WRITTEN[what]
    job = restored(world)
    write(world.root / "sub" / "old")
    before = tree_of(world.root)
    failed = undo(world, job)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "JOB_NOT_UNDOABLE")
    assert f"changed since: {named}. It stays as it is" in (failed.error_message or "")
    assert tree_of(world.root) == before
    assert staging_left(world) == []


def test_what_is_written_between_the_comparison_and_the_rename_keeps_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = restored(world)
    late = world.root / "sub" / "old" / "sub" / "b.bin"
    compared = new_folder._require_nothing_new

    def written_late(*arguments: object) -> None:
        compared(*arguments)  # type: ignore[arg-type]
        with late.open("r+b") as file:
            file.write(b"late")

    monkeypatch.setattr(new_folder, "_require_nothing_new", written_late)
    failed = undo(world, job)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "JOB_NOT_UNDOABLE")
    assert late.read_bytes()[:4] == b"late"
    assert staging_left(world) == []


def test_another_folder_of_its_name_stays(world: World) -> None:
    job = restored(world)
    folder = world.root / "sub" / "old"
    folder.rename(world.root / "sub" / "mine")
    folder.symlink_to("mine")
    with pytest.raises(Conflict, match="not there any more"):
        request_undo(world.instance, job, SYSTEM)
    replaced(folder, Path.mkdir)
    with pytest.raises(Conflict, match="not there any more"):
        request_undo(world.instance, job, SYSTEM)
    assert (world.root / "sub" / "mine" / "a.txt").exists()


def test_without_its_backup_nobody_can_tell_what_is_new(world: World) -> None:
    job = restored(world)
    made = backup_by_id(world.instance.catalog, job.backup_id)
    assert made is not None
    delete_backup(world.instance, made, SYSTEM)
    with pytest.raises(NotFound, match="was deleted"):
        request_undo(world.instance, job, SYSTEM)


@pytest.mark.parametrize("is_undo", [False, True])
def test_a_kill_leaves_the_folder_whole_or_none(world: World, monkeypatch: pytest.MonkeyPatch, is_undo: bool) -> None:
    """Before and after each effect of the swap, of the restore into a new folder and of its undo."""
    backup = world.take()
    made = restored(world) if is_undo else None
    old = tree_of(world.root)
    ends = set()
    for at in range(100):
        if made is not None:
            job = request_undo(world.instance, made, SYSTEM)
        else:
            job = request_restore(world.instance, backup, world.app, Wanted(into="sub/old"), SYSTEM)
        child = os.fork()
        if not child:
            die_at(monkeypatch, at)
            run_restore(world.instance, job.id)
            os._exit(0)
        if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 9:
            break
        recover_restores(world.instance)
        ended = get_job(world.instance, job.id)
        now = {path: one for path, one in tree_of(world.root).items() if path != b"sub"}  # its time alone
        is_there = any(path.startswith(b"sub/old") for path in now)
        ends.add(ended.state)
        assert staging_left(world) == []
        if ended.state is JobState.SUCCESSFUL:
            assert is_there is not is_undo
            break
        assert now == {path: one for path, one in old.items() if path != b"sub"}
    assert at > 4
    assert ends == {JobState.FAILED, JobState.SUCCESSFUL}


def die_at(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Let this process die at effect number `at` of a swap: before it, if that is even, else after it."""
    count = 0

    def counted(operation: Callable[..., object], *arguments: object, **options: object) -> object:
        nonlocal count
        if count == at:
            os._exit(9)
        result = operation(*arguments, **options)
        if count + 1 == at:
            os._exit(9)
        count += 2
        return result

    for module, name in ((os, "rename"), (native, "rename_new")):
        monkeypatch.setattr(module, name, partial(counted, getattr(module, name)))
