"""Downloads of files from before 1970: `jar xf` unpacks them, and what a link gave out before never changes."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from kit.layouts import run
from kit.links import key_of
from kit.trees import tree_of
from kit.world import World

from holdfast.catalog.records import SYSTEM, Backup, JobState
from holdfast.service.access.browse import find_content
from holdfast.service.access.download import Download, find_download
from holdfast.service.registry.apps import add_app
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.run import take_now

SECOND = 10**9
OLD = {
    "before 1970": -157_766_400 * SECOND,
    "a moment before 1970": -1,
    "with a fraction": -157_766_400 * SECOND - 123_456_789,
    "before 1902": -(2**31) * SECOND,
}
"""Times by file name, in nanoseconds since 1970."""
TICKS_TO_1970 = 116_444_736_000_000_000


@pytest.fixture
def old(world: World) -> World:
    """An application with files and a folder from before 1970."""
    for name, ns in OLD.items():
        (world.root / "sub" / name).write_text(name)
        os.utime(world.root / "sub" / name, ns=(ns, ns))
        if os.stat(world.root / "sub" / name).st_mtime_ns != ns:
            pytest.skip("this file system has no times from before 1970")
    os.utime(world.root / "sub", ns=(-SECOND, -SECOND))
    return world


@pytest.fixture
def taken_before(old: World, monkeypatch: pytest.MonkeyPatch) -> Backup:
    """A backup that a version before layout 2 took."""
    with monkeypatch.context() as patched:
        patched.setattr("holdfast.vault.vault.ZIP_LAYOUT", 1)
        return old.take("before")


def zip_of(world: World, backup: Backup) -> bytes:
    """The bytes of the zip, which are as many as the row has."""
    download = Download(world.instance, backup, "zip")
    data = b"".join(download.stream(0, download.length))
    assert len(data) == backup.zip_bytes
    return data


def ticks_of(data: bytes) -> dict[str, int]:
    """The times in the NTFS fields of a zip, by the last name of each path, as the central directory has them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {
            Path(info.filename).name: struct.unpack_from("<Q", info.extra, 12)[0]
            for info in archive.infolist()
            if info.extra[:2] == b"\x0a\x00"
        }


def test_jar_unpacks_it(old: World, tmp_path: Path) -> None:
    (tmp_path / "old.zip").write_bytes(zip_of(old, old.take()))
    (tmp_path / "there").mkdir()
    if shutil.which("jar") is None:
        pytest.skip("jar is not installed")
    run("env", "-C", tmp_path / "there", "jar", "xf", tmp_path / "old.zip")
    assert {name: (tmp_path / "there" / "sub" / name).read_text() for name in OLD} == {name: name for name in OLD}
    assert {(tmp_path / "there" / "sub" / name).stat().st_mtime for name in OLD} == {0}


def test_every_time_before_1970_is_1970_in_the_zip_and_true_in_the_tar_gz(old: World) -> None:
    backup = old.take()
    assert ticks_of(zip_of(old, backup)) == dict.fromkeys([*OLD, "sub"], TICKS_TO_1970)
    whole = b"".join(Download(old.instance, backup, "tar.gz").stream(0, backup.tar_bytes))
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        times = {name: archive.getmember(f"sub/{name}").mtime for name in OLD}
    assert times == pytest.approx({name: ns / SECOND for name, ns in OLD.items()})


def test_a_restore_has_the_true_times(old: World) -> None:
    before, backup = tree_of(old.root), old.take()
    for name in OLD:
        (old.root / "sub" / name).unlink()
    job = run_restore(old.instance, request_restore(old.instance, backup, old.app, Wanted(), SYSTEM).id)
    assert job.state is JobState.SUCCESSFUL, job.error_message
    assert tree_of(old.root) == before


def test_a_backup_of_before_has_the_bytes_and_the_etag_of_before(old: World, taken_before: Backup) -> None:
    new = old.take("after")
    assert (taken_before.digest, taken_before.zip_bytes) == (new.digest, new.zip_bytes)
    assert key_of(old.instance, taken_before) == key_of(old.instance, new)
    true = {name: ns // 100 + TICKS_TO_1970 for name, ns in OLD.items()}
    assert ticks_of(zip_of(old, taken_before)) == {**true, "sub": -(10**7) + TICKS_TO_1970}
    assert zip_of(old, new) != zip_of(old, taken_before)
    digest = (new.digest or b"").hex()[:40]
    etags = [Download(old.instance, backup, "zip").etag for backup in (taken_before, new)]
    assert etags == [f'"{digest}-zip-1"', f'"{digest}-zip-2"']
    assert {Download(old.instance, b, "tar.gz").etag for b in (taken_before, new)} == {f'"{digest}-tar.gz-1"'}


def test_a_folder_as_a_zip_has_the_layout_of_its_backup(old: World, taken_before: Backup) -> None:
    of_before, of_now = (find_content(old.instance, backup, "sub") for backup in (taken_before, old.take("after")))
    assert (of_before.etag[-10:], of_now.etag[-10:]) == ('-folder-1"', '-folder-2"')
    assert of_before.length == of_now.length
    times = ticks_of(b"".join(of_before.stream(0, of_before.length)))
    assert times == {name: ns // 100 + TICKS_TO_1970 for name, ns in OLD.items()}
    assert set(ticks_of(b"".join(of_now.stream(0, of_now.length))).values()) == {TICKS_TO_1970}


def test_a_link_that_two_backups_share_goes_on_giving_the_older_ones_bytes(old: World, taken_before: Backup) -> None:
    """Both have the same name, in two applications, and the same content, so the same key."""
    other = add_app(old.instance, old.account.id, "other", old.root, SYSTEM)
    new = take_now(old.instance, other.id, SYSTEM, name=taken_before.name)
    key = key_of(old.instance, taken_before)
    assert key_of(old.instance, new) == key
    found = find_download(old.instance, old.account.id, taken_before.name, key, "zip")
    assert found is not None
    assert found.backup == taken_before
