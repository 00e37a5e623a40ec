"""Restore: the tree comes back as it was, whatever is in the way; what fails changes nothing."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import tarfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.trees import fill, mess_up, staging_left, tree_of
from kit.world import World

from holdfast.catalog.records import SYSTEM, Backup, Job, JobState
from holdfast.restorer.staging import Staging, reopened
from holdfast.schemas.jobs import ChangedPath
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import list_backups
from holdfast.service.restore.files import Restored, request_restore, run_restore
from holdfast.service.restore.plan import Wanted, preview_restore
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control


def restore(world: World, backup: Backup, wanted: Wanted | None = None) -> Job:
    job = request_restore(world.instance, backup, world.app, wanted or Wanted(), SYSTEM)
    return run_restore(world.instance, job.id)


def result_of(job: Job) -> Restored:
    assert job.state is JobState.SUCCESSFUL, (job.error_code, job.error_message)
    return msgspec.json.decode(job.result or "", type=Restored)


@pytest.fixture
def full(world: World) -> World:
    fill(world.root)
    return world


def test_everything_comes_back_into_an_empty_folder(full: World, tmp_path: Path) -> None:
    before = tree_of(full.root)
    backup = full.take()
    done = result_of(restore(full, backup, Wanted(to=str(tmp_path / "new" / "place"), mode="overlay")))
    assert tree_of(tmp_path / "new" / "place") == before
    assert (tmp_path / "new" / "place" / "sparse").stat().st_blocks * 512 < 1_000_000
    assert done.added == len(before)
    assert done.warnings == ()
    assert not list((tmp_path / "new").glob(".holdfast*"))


def test_a_removed_application_comes_back_whole(full: World) -> None:
    before = tree_of(full.root)
    backup = full.take()
    subprocess.run(["rm", "-rf", str(full.root)], check=True)
    restore(full, backup)
    assert tree_of(full.root) == before
    assert staging_left(full) == []


def test_a_changed_tree_is_as_it_was_and_the_restore_can_be_undone(full: World) -> None:
    before = tree_of(full.root)
    backup = full.take()
    mess_up(full.root)
    messed = tree_of(full.root)
    done = result_of(restore(full, backup))
    assert tree_of(full.root) == before
    assert done.removed == 4
    safety = next(b for b in list_backups(full.instance, full.app.id) if b.id == done.safety_backup_id)
    assert (safety.origin, safety.name.startswith("Safety backup at ")) == ("safety", True)
    result_of(restore(full, safety))
    assert tree_of(full.root) == messed
    assert staging_left(full) == []


def test_only_what_differs_is_written(full: World) -> None:
    backup = full.take()
    inodes = {path: os.lstat(full.root / path).st_ino for path in ("big", "deep/f100", "sparse")}
    (full.root / "deep" / "f050").write_text("changed")
    os.utime(full.root / "big")
    done = result_of(restore(full, backup))
    # Files with several names are always made anew: one of them could be somebody else's.
    assert (done.written_files, done.written_bytes) == (3, 50 * 37 + 200 * 37 + 9_000_000)
    assert os.lstat(full.root / "sparse").st_ino == inodes["sparse"]
    assert os.lstat(full.root / "deep" / "f100").st_ino == inodes["deep/f100"]
    assert result_of(restore(full, backup)).written_files == 2


def test_overlay_leaves_what_the_backup_does_not_have(full: World) -> None:
    before = tree_of(full.root)
    backup = full.take()
    mess_up(full.root)
    result_of(restore(full, backup, Wanted(mode="overlay")))
    after = tree_of(full.root)
    assert set(after) - set(before) == {b"new folder", b"new folder/new", b"new folder/new/file"}
    assert {path: after[path] for path in before} == before


def test_chosen_paths_only(full: World) -> None:
    before = tree_of(full.root)
    backup = full.take()
    mess_up(full.root)
    messed = tree_of(full.root)
    result_of(restore(full, backup, Wanted(paths=("deep", "inline"))))
    after = tree_of(full.root)
    for path in set(before) | set(messed):
        chosen = path == b"inline" or path == b"deep" or path.startswith(b"deep/")
        expected = (before if chosen else messed).get(path)
        if path == b"deep/er/link":
            continue
        assert after.get(path) == expected, path
    assert os.lstat(full.root / "deep" / "er" / "link").st_ino == os.lstat(full.root / "deep" / "f200").st_ino


def test_one_file_into_a_folder_that_is_gone(full: World) -> None:
    backup = full.take()
    subprocess.run(["rm", "-rf", str(full.root / "deep")], check=True)
    result_of(restore(full, backup, Wanted(paths=("deep/er/up",))))
    assert os.listdir(full.root / "deep") == ["er"]
    assert os.readlink(full.root / "deep" / "er" / "up") == "../../.."
    job = request_restore(full.instance, backup, full.app, Wanted(paths=("no/such",)), SYSTEM)
    failed = run_restore(full.instance, job.id)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "PATH_NOT_FOUND")


def test_a_preview_changes_nothing_and_says_what_will(full: World) -> None:
    backup = full.take()
    mess_up(full.root)
    messed = tree_of(full.root)
    preview = preview_restore(full.instance, backup, full.app, Wanted()).changes
    assert tree_of(full.root) == messed
    assert {p.path for p in preview.paths_removed} >= {"new folder", "new folder/new", "new folder/new/file"}
    assert ChangedPath("deep/f002", "file", 74) in preview.paths_added
    assert "inline" in {p.path for p in preview.paths_changed}
    done = result_of(restore(full, backup))
    assert (done.added, done.changed, done.removed) == (preview.added, preview.changed, preview.removed)
    with pytest.raises(NotFound):
        preview_restore(full.instance, backup, full.app, Wanted(paths=("nowhere",)))


def test_another_application_as_the_target(full: World, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "own file").write_text("own")
    other = add_app(full.instance, full.account.id, "other", tmp_path / "other", SYSTEM)
    backup = full.take()
    job = request_restore(full.instance, backup, other, Wanted(), SYSTEM)
    done = result_of(run_restore(full.instance, job.id))
    assert tree_of(tmp_path / "other") == tree_of(full.root)
    safety = next(b for b in list_backups(full.instance, other.id))
    assert safety.id == done.safety_backup_id
    assert safety.files == 1


def test_a_link_planted_in_the_target_leads_nowhere(full: World, tmp_path: Path) -> None:
    backup = full.take()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f001").write_text("not yours")
    subprocess.run(["rm", "-rf", str(full.root / "deep")], check=True)
    (full.root / "deep").symlink_to(outside)
    (full.root / "inline").unlink()
    (full.root / "inline").symlink_to(outside / "f001")
    before = tree_of(outside)
    result_of(restore(full, backup))
    assert tree_of(outside) == before
    assert not (full.root / "deep").is_symlink()


def test_a_race_against_links_writes_nothing_outside(world: World, tmp_path: Path) -> None:
    """The application swaps a folder against a link to a folder outside, all the time, while it is restored."""
    outside = tmp_path / "outside"
    outside.mkdir()
    for folder in (world.root / "raced", outside):
        folder.mkdir(exist_ok=True)
        for n in range(20):
            (folder / f"f{n}").write_text(f"{folder.name} {n}")
    backup = world.take()
    before = tree_of(outside)
    stop = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not stop.is_set():
            shutil.rmtree(world.root / "aside", ignore_errors=True)
            with suppress(OSError):
                os.rename(world.root / "raced", world.root / "aside")
                os.symlink(outside, world.root / "raced")
                swaps += 1
                os.unlink(world.root / "raced")
                os.rename(world.root / "aside", world.root / "raced")

    tenant = threading.Thread(target=swap)
    tenant.start()
    try:
        for n in range(40):
            with suppress(OSError):  # something to restore, taken away without following the link ourselves
                fd = os.open(world.root / "raced", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                os.unlink(f"f{n % 20}", dir_fd=fd)
                os.close(fd)
            restore(world, backup, Wanted(mode="overlay", safety_backup=False))
            assert tree_of(outside) == before
    finally:
        stop.set()
        tenant.join()
    assert swaps > 20


def test_of_a_folder_that_is_gone_there_is_nothing_to_keep(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup, before = world.take(), tree_of(world.root)
    world.root.rename(tmp_path / "away")
    assert result_of(restore(world, backup, Wanted())).safety_backup_id is None
    assert tree_of(world.root) == before
    assert [one.id for one in list_backups(world.instance, world.app.id)] == [backup.id]
    world.root.rename(tmp_path / "away too")
    write = Staging.write

    def late(self: Staging, *rest: Any) -> None:
        write(self, *rest)
        (world.root / "late").write_text("of the application")  # it has started meanwhile

    monkeypatch.setattr(Staging, "write", late)
    assert result_of(restore(world, backup, Wanted())).safety_backup_id is not None
    world.root.rename(tmp_path / "away at last")
    world.root.mkdir()
    assert result_of(restore(world, backup, Wanted())).safety_backup_id is not None, "one that is there is kept"


def test_a_hard_link_to_a_file_outside_keeps_that_file(full: World, tmp_path: Path) -> None:
    backup = full.take()
    outside = tmp_path / "outside"
    outside.write_bytes((full.root / "inline").read_bytes())
    outside.chmod(0o640)
    before = (outside.stat().st_mode, outside.stat().st_uid, outside.stat().st_mtime_ns, outside.read_bytes())
    (full.root / "inline").unlink()
    os.link(outside, full.root / "inline")
    result_of(restore(full, backup))
    assert (outside.stat().st_mode, outside.stat().st_uid, outside.stat().st_mtime_ns, outside.read_bytes()) == before
    assert outside.stat().st_nlink == 1


def test_a_staging_that_somebody_else_put_there_is_not_used(full: World, tmp_path: Path) -> None:
    """Who owns the folder around the application may put anything in the place of our staging."""
    staging = Staging(tmp_path / ".holdfast-restore-x", owners=False)
    os.rename(staging.folder, tmp_path / "moved away")
    for other in ("link", "folder"):
        if other == "link":
            staging.folder.symlink_to(tmp_path / "moved away")
        else:
            staging.folder.mkdir(mode=0o700)
        with pytest.raises(OSError, match=r"folder|directory"), reopened(staging.folder, staging.identity):
            pass
        staging.folder.unlink() if other == "link" else staging.folder.rmdir()
    with reopened(tmp_path / "moved away", staging.identity):
        pass
    staging.close()


def test_nothing_beside_the_target_can_make_us_rename(full: World) -> None:
    """A journal that a tenant wrote, where ours used to be looked for, is nobody's."""
    backup = full.take()
    job = request_restore(full.instance, backup, full.app, Wanted(), SYSTEM)
    staging = full.root.parent / f".holdfast-restore-{job.id}"
    staging.mkdir()
    (staging / "journal").write_bytes(b"anything")
    ended = run_restore(full.instance, job.id)
    assert (ended.state, ended.error_code) == (JobState.FAILED, "TARGET_ERROR")
    assert not list(full.instance.run.glob("restore-*"))


def test_a_damaged_backup_changes_nothing(full: World) -> None:
    backup = full.take()
    mess_up(full.root)
    messed = tree_of(full.root)
    packs = sorted(
        (full.instance.home / "store" / "vaults" / full.account.id / "packs").rglob("*"), key=lambda p: p.stat().st_size
    )
    data = bytearray(packs[-1].read_bytes())
    for at in range(1000, len(data) - 100_000, 5000):
        data[at] ^= 1
    packs[-1].write_bytes(data)
    failed = restore(full, backup)
    assert (failed.state, failed.error_code) == (JobState.FAILED, "BACKUP_DAMAGED")
    assert tree_of(full.root) == messed
    assert staging_left(full) == []
    assert len(list_backups(full.instance, full.app.id)) == 1  # not even a safety backup was taken


def test_cancelled_midway_nothing_changed(full: World) -> None:
    backup = full.take()
    mess_up(full.root)
    messed = tree_of(full.root)
    job = request_restore(full.instance, backup, full.app, Wanted(), SYSTEM)
    ended = run_restore(full.instance, job.id, control=Control(lambda: True))
    assert (ended.state, ended.error_code) == (JobState.CANCELLED, "CANCELLED")
    assert tree_of(full.root) == messed
    assert staging_left(full) == []


def test_the_home_inside_the_application_is_never_touched(world: World, tmp_path: Path) -> None:
    """Such an application is backed up without the home, and restored to another folder only."""
    whole = add_app(world.instance, world.account.id, "whole", tmp_path, SYSTEM)
    asked, _ = request_backup(world.instance, whole.id, SYSTEM)
    backup = run_backup(world.instance, asked.id)
    (tmp_path / "stray").write_text("stays")
    with pytest.raises(Conflict) as refused:
        request_restore(world.instance, backup, whole, Wanted(), SYSTEM)
    assert refused.value.code == "TARGET_IN_INSTANCE"
    assert (tmp_path / "stray").exists()
    assert (tmp_path / "home" / "FORMAT").exists()
    assert world.take().state == "successful"


def test_backups_and_restores_of_one_application_exclude_each_other(world: World) -> None:
    backup = world.take()
    job = request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    with pytest.raises(Conflict) as refused:
        request_backup(world.instance, world.app.id, SYSTEM)
    assert refused.value.code == "RESTORE_IN_PROGRESS"
    with pytest.raises(Conflict) as refused:
        request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    assert refused.value.code == "RESTORE_IN_PROGRESS"
    result_of(run_restore(world.instance, job.id))
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    with pytest.raises(Conflict) as refused:
        request_restore(world.instance, backup, world.app, Wanted(), SYSTEM)
    assert refused.value.code == "BACKUP_IN_PROGRESS"
    assert asked.state == "queued"


@pytest.mark.parametrize("path", ["..", "a/../b", "a//b", "./a", "/"])
def test_paths_that_are_none(world: World, path: str) -> None:
    backup = world.take()
    with pytest.raises(Invalid):
        preview_restore(world.instance, backup, world.app, Wanted(paths=(path,)))


def test_a_name_that_is_not_utf8_is_restored_as_it_is_shown(full: World) -> None:
    backup = full.take()
    name = os.fsencode(full.root) + b"/not utf-8 \xff\xfe"
    os.unlink(name)
    assert preview_restore(full.instance, backup, full.app, Wanted()).changes.paths_added[0].path == "not utf-8 %FF%FE"
    result_of(restore(full, backup, Wanted(paths=("not utf-8 %FF%FE",))))
    assert Path(os.fsdecode(name)).read_bytes() == b"bytes"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could give such rights")
def test_an_uploaded_archive_gives_nobody_rights(world: World) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("shell")
        member.size, member.mode, member.uid, member.gid = 4, 0o6755, 0, 0
        member.pax_headers = {"SCHILY.xattr.user.note": "mine", "SCHILY.xattr.trusted.cap": "yes"}
        tar.addfile(member, io.BytesIO(b"evil"))
    os.chown(world.root, 1234, 2345)
    with Upload(world.instance, world.app.id, SYSTEM, None) as upload:
        upload.write(archive.getvalue())
        backup = run_backup(world.instance, upload.queue().id)
    result_of(restore(world, backup, Wanted(mode="overlay", safety_backup=False)))
    found = os.lstat(world.root / "shell")
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o755)
    assert os.listxattr(world.root / "shell") == ["user.note"]
