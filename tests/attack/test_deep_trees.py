"""A tree that is deeper than Python's stack: a restore ends, leaves it alone or takes it away, and hinders nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kit.hostile import deep_tree, remove_deep
from kit.world import World

from holdfast.catalog.jobs.rows import start_job
from holdfast.catalog.records import SYSTEM, JobState
from holdfast.restorer import STAGING_PREFIX
from holdfast.restorer.removal import remove_tree
from holdfast.service.registry.apps import add_app
from holdfast.service.restore import files
from holdfast.service.restore.files import recover_restores, request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.run import take_now
from holdfast.sources.reader import make_root

DEPTH = 4000


def test_a_tree_of_any_depth_is_removed_and_no_link_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    tree = tmp_path / "tree"
    deep_tree(tree, DEPTH, 3, name_bytes=4)
    deep_tree(tree / "lifted-0", 3, 1, name_bytes=4)
    (tree / "link").symlink_to(outside)
    (tree / "0000" / "link").symlink_to(outside)
    remove_tree(tree)
    assert not os.path.lexists(tree)
    tree.symlink_to(outside)
    remove_tree(tree)
    assert not os.path.lexists(tree)
    assert (outside / "kept").read_text() == "kept"
    remove_tree(tree)


def test_what_is_too_deep_for_a_backup_stays_in_a_mirror_with_a_warning(world: World) -> None:
    backup = world.take()
    deep_tree(world.root / "deep", DEPTH, 1, name_bytes=4)
    (world.root / "deep" / "beside").write_text("goes")
    (world.root / "goes").write_text("goes")
    job = request_restore(world.instance, backup, world.app, Wanted(safety_backup=False), SYSTEM)
    done = run_restore(world.instance, job.id)
    assert done.state is JobState.SUCCESSFUL, done.error_message
    assert "TOO_DEEP" in (done.result or "")
    assert (world.root / "deep" / "0000" / "0001").is_dir()
    assert not (world.root / "goes").exists()
    assert not (world.root / "deep" / "beside").exists()
    remove_deep(world.root / "deep")


def test_a_deep_tree_where_the_backup_has_a_file_is_named(world: World) -> None:
    backup = world.take()
    (world.root / "a.txt").unlink()
    deep_tree(world.root / "a.txt", DEPTH, 1, name_bytes=4)
    job = request_restore(world.instance, backup, world.app, Wanted(safety_backup=False), SYSTEM)
    done = run_restore(world.instance, job.id)
    assert (done.state, done.error_code) == (JobState.FAILED, "TARGET_IN_THE_WAY")
    assert "nested too deeply" in (done.error_detail or "")
    remove_deep(world.root / "a.txt")


def test_one_tenants_leftover_hinders_nobodys_recovery(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("old")
    other = add_app(world.instance, world.account.id, "theirs", theirs, SYSTEM)
    backups = [(world.app, world.take()), (other, take_now(world.instance, other.id, SYSTEM))]
    (world.root / "a.txt").write_text("newer than the backup")
    (theirs / "file").write_text("newer than the backup")

    class Killed(BaseException):
        pass

    def killed(*arguments: object, **options: object) -> None:
        raise Killed

    jobs = []
    for app, backup in backups:
        job = request_restore(world.instance, backup, app, Wanted(safety_backup=False), SYSTEM)
        jobs.append(job)
        with monkeypatch.context() as patched:
            # Cut off amid the swap, and nothing of the process runs any more.
            patched.setattr("holdfast.restorer.swap.Swap._fix", killed)
            patched.setattr("holdfast.restorer.swap.roll_back", killed)
            patched.setattr(files, "remove_staging", killed)
            patched.setattr("holdfast.service.jobs.lifecycle.finish", killed)
            with pytest.raises(Killed):
                run_restore(world.instance, job.id)
    (staging,) = world.root.parent.glob(f"{STAGING_PREFIX}{jobs[0].id}")
    deep_tree(staging / "old" / "deep", DEPTH, 1, name_bytes=4)
    recover_restores(world.instance)
    assert (theirs / "file").read_text() == "newer than the backup"
    assert (world.root / "a.txt").read_text() == "newer than the backup"
    assert not list(world.root.parent.glob(f"{STAGING_PREFIX}*"))
    for app, backup in backups:
        again = run_restore(world.instance, request_restore(world.instance, backup, app, Wanted(), SYSTEM).id)
        assert again.state is JobState.SUCCESSFUL, again.error_message


def test_a_recovery_that_fails_hinders_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = world.take()
    job = request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    assert start_job(world.instance.catalog, job.id, world.clock.now_ns())
    monkeypatch.setattr(files, "staging_folder", lambda *arguments: 1 / 0)
    recover_restores(world.instance)  # as often as one likes
    monkeypatch.undo()
    recover_restores(world.instance)
    assert run_restore(world.instance, job.id).error_code == "INTERRUPTED"


def test_a_restore_makes_no_folder_through_a_link(world: World, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (world.root / "b" / "c").mkdir(parents=True)
    below = add_app(world.instance, world.account.id, "below", world.root / "b" / "c", SYSTEM)
    backup = take_now(world.instance, below.id, SYSTEM)
    remove_deep(world.root)
    world.root.symlink_to(elsewhere)
    failed = run_restore(world.instance, request_restore(world.instance, backup, below, Wanted(), SYSTEM).id)
    assert not list(elsewhere.iterdir())
    assert (failed.state, failed.error_code) == (JobState.FAILED, "TARGET_ERROR")
    assert "contains a link" in (failed.error_detail or "")
    for path in (world.root / "b" / "c", world.root / "b", world.root):
        with pytest.raises(OSError, match=r"link|No such file"):
            make_root(path)
    (tmp_path / "real").mkdir()
    make_root(tmp_path / "real" / "new")
    assert (tmp_path / "real" / "new").is_dir()
    with pytest.raises(FileNotFoundError):
        make_root(tmp_path / "real" / "missing" / "new")
