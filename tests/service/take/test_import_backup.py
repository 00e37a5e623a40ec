"""Import as a deed: an archive becomes a backup, or nothing of it stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from kit.archives import member, tar_of, zip_member, zip_of
from kit.links import key_of
from kit.sized import sized
from kit.world import World
from msgspec import to_builtins

from holdfast.catalog.records import SYSTEM, Backup, State
from holdfast.service.access.download import Download
from holdfast.service.errors import Conflict, Invalid, NotFound, TooLarge, Unavailable
from holdfast.service.instance.home import open_instance
from holdfast.service.instance.import_scratch import contents_path, scratch_folder, sweep_imports
from holdfast.service.registry.apps import shown_app
from holdfast.service.registry.backups import full_object, list_backups
from holdfast.service.take.failing import recover_backups
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control, Progress

GOOD = tar_of(member("d/a", b"hello" * 2000), member("b", os.urandom(70_000)), mode="w:gz")


def upload(world: World, data: bytes, name: str | None = None) -> Backup:
    with Upload(world.instance, world.app.id, SYSTEM, name) as started:
        for at in range(0, len(data), 10_000):
            started.write(data[at : at + 10_000])
        return started.queue()


def leftovers(world: World) -> list[str]:
    return [path.name for path in world.instance.run.iterdir() if path.name.startswith("import-")]


def with_limit(world: World, size: int) -> None:
    world.instance.config = msgspec.structs.replace(world.instance.config, import_bytes_max=size)


def test_an_archive_becomes_a_backup(world: World) -> None:
    queued = upload(world, GOOD, "from elsewhere")
    assert (queued.state, queued.origin, queued.name) == (State.QUEUED, "imported", "from elsewhere")
    done = run_backup(world.instance, queued.id)
    assert (done.state, done.files, done.content_bytes) == (State.SUCCESSFUL, 2, 80_000)
    assert to_builtins(full_object(world.instance, done))["origin"] == "imported"
    assert leftovers(world) == []


def test_a_download_imported_again_is_the_same_and_adds_nearly_nothing(world: World) -> None:
    first = world.take("first")
    data = b"".join(Download(world.instance, first, "tar.gz").stream(0, first.tar_bytes))
    again = run_backup(world.instance, upload(world, data, "again").id)
    assert key_of(world.instance, again) == key_of(world.instance, first)
    assert (again.zip_bytes, again.digest) == (first.zip_bytes, first.digest)
    assert again.stored_bytes < 2000


def test_the_zip_too(world: World) -> None:
    first = world.take("first")
    data = b"".join(Download(world.instance, first, "zip").stream(0, first.zip_bytes))
    again = run_backup(world.instance, upload(world, data, "again").id)
    assert (again.files, again.content_bytes, again.zip_bytes) == (first.files, first.content_bytes, first.zip_bytes)
    assert again.stored_bytes < 2000


def test_an_import_is_not_what_the_next_backup_goes_on_from(world: World) -> None:
    world.clock.ns = time.time_ns() + 10_000_000_000  # so that files do not count as changing just now
    world.take("first")
    good_at = to_builtins(shown_app(world.instance, world.app))["last_good_backup_at"]
    world.clock.ns += 3_600_000_000_000
    run_backup(world.instance, upload(world, GOOD).id)
    assert to_builtins(shown_app(world.instance, world.app))["last_good_backup_at"] == good_at
    seen: list[Progress] = []
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM, name="next")
    assert run_backup(world.instance, asked.id, control=Control(report=seen.append)).stored_bytes < 2000
    assert seen[0].bytes > 0  # files were taken over before any was read


@pytest.mark.parametrize("data", [b"", b"hello", b"PK\3\4 no zip", zip_of(zip_member("../x", b"x"))])
def test_what_is_told_at_once_makes_no_backup(world: World, data: bytes) -> None:
    with pytest.raises(Invalid) as refusal:
        upload(world, data)
    assert refusal.value.code == "INVALID_ARCHIVE"
    assert list_backups(world.instance, world.app.id) == []
    assert leftovers(world) == []


def test_what_only_unpacking_tells_fails_with_the_reason(world: World) -> None:
    done = run_backup(world.instance, upload(world, tar_of(member("a", b"x"), member("/etc/x", b"x"))).id)
    assert (done.state, done.error_code) == (State.FAILED, "INVALID_ARCHIVE")
    assert done.error_message == "The archive's member /etc/x has an absolute path; nothing was imported."
    assert leftovers(world) == []
    assert world.take("next").state is State.SUCCESSFUL


def test_too_large_as_it_is_uploaded_or_unpacked(world: World) -> None:
    with_limit(world, 50_000)
    with pytest.raises(TooLarge, match="50,000 bytes"):
        upload(world, os.urandom(50_001))
    with pytest.raises(TooLarge, match="unpacked archive is larger"):
        upload(world, zip_of(zip_member("zeros", bytes(50_001))))
    done = run_backup(world.instance, upload(world, tar_of(member("zeros", bytes(50_001)), mode="w:gz")).id)
    assert (done.state, done.error_code) == (State.FAILED, "ARCHIVE_TOO_LARGE")
    assert leftovers(world) == []


def test_the_plans_storage_is_a_limit(world: World) -> None:
    plan = msgspec.structs.replace(world.instance.config.plans["Silver"], storage_bytes=1000)
    world.instance.config = msgspec.structs.replace(world.instance.config, plans={"Silver": plan})
    with pytest.raises(TooLarge, match="1,000 bytes"):
        upload(world, GOOD)


def test_refused_before_a_byte_is_sent(world: World) -> None:
    with pytest.raises(NotFound):
        Upload(world.instance, "0" * 32, SYSTEM)
    with pytest.raises(Invalid, match="slash"):
        Upload(world.instance, world.app.id, SYSTEM, "a/b")
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    with pytest.raises(Conflict, match="already running"):
        Upload(world.instance, world.app.id, SYSTEM)
    run_backup(world.instance, asked.id)
    assert leftovers(world) == []


def test_a_backup_that_began_meanwhile_and_a_name_that_is_taken(world: World) -> None:
    world.take("mine")
    with pytest.raises(Invalid, match="choose another name"):
        upload(world, GOOD, "mine")
    with Upload(world.instance, world.app.id, SYSTEM) as started:
        started.write(GOOD)
        request_backup(world.instance, world.app.id, SYSTEM)
        with pytest.raises(Conflict):
            started.queue()
    assert leftovers(world) == []


def test_a_full_disk_is_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with Upload(world.instance, world.app.id, SYSTEM) as started:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(Unavailable, match="no room"):
            started.write(b"x")
        monkeypatch.undo()
    assert leftovers(world) == []


def test_cancel_while_it_unpacks(world: World) -> None:
    done = run_backup(world.instance, upload(world, GOOD).id, control=Control(lambda: True))
    assert (done.state, done.error_code) == (State.FAILED, "CANCELLED")
    assert leftovers(world) == []


def test_contents_that_got_lost_are_no_backup(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = upload(world, GOOD)

    def lose(progress: Progress) -> None:
        shutil.rmtree(contents_path(world.instance, queued.id), ignore_errors=True)

    done = run_backup(world.instance, queued.id, control=Control(report=lose))
    assert (done.state, done.error_code) == (State.FAILED, "SCRATCH_FAILED")


def test_an_upload_under_way_is_left_alone(world: World) -> None:
    with Upload(world.instance, world.app.id, SYSTEM) as started:
        started.write(GOOD)
        assert sweep_imports(world.instance) == 0
        queued = started.queue()
    assert sweep_imports(world.instance) == 0
    assert scratch_folder(world.instance, queued.id).is_dir()
    assert run_backup(world.instance, queued.id).state is State.SUCCESSFUL


KILLED = """
import os, sys
from pathlib import Path
from holdfast.service.take.import_backup import Upload
from holdfast.service.instance.home import open_instance
from holdfast.catalog.records import SYSTEM
from holdfast.service.take.run import run_backup

home, app_id, archive, step, nth = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5])
instance = open_instance(home)
real, count = getattr(os, step), 0

def die(*args, **kwargs):
    global count
    count += 1
    if count == nth:
        os.kill(os.getpid(), 9)
    return real(*args, **kwargs)

setattr(os, step, die)
with Upload(instance, app_id, SYSTEM) as upload:
    upload.write(archive.read_bytes())
    backup = upload.queue()
print("queued", flush=True)
run_backup(instance, backup.id)
"""


@pytest.mark.parametrize(
    ("step", "stride"), [("fsync", sized(1, short=3)), ("mkdir", sized(80, short=120)), ("open", sized(50, short=100))]
)
def test_killed_anywhere_nothing_stays_and_what_was_acknowledged_runs(
    world: World, step: str, stride: int, tmp_path: Path
) -> None:
    (tmp_path / "archive").write_bytes(GOOD)
    kills, finished, nth = 0, 0, 1 - stride
    while True:
        nth += stride
        run = subprocess.run(
            [sys.executable, "-c", KILLED, world.instance.home, world.app.id, tmp_path / "archive", step, str(nth)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        instance = open_instance(world.instance.home)
        try:
            if run.returncode == 0:
                break
            assert run.returncode == -signal.SIGKILL, run.stderr
            kills += 1
            failed = recover_backups(instance)
            waiting = [b for b in list_backups(instance, world.app.id) if b.state is State.QUEUED]
            assert {b.error_code for b in failed} <= {"INTERRUPTED"}
            assert sorted(leftovers(world)) == [f"import-{b.id}" for b in waiting]
            kept = [b for b in list_backups(instance, world.app.id) if b.state is not State.FAILED]
            assert "queued" not in run.stdout or failed or len(kept) == finished + 1
            finished = len(kept)
            for backup in waiting:
                assert run_backup(instance, backup.id).state is State.SUCCESSFUL
        finally:
            instance.close()
    assert kills >= 3
    assert leftovers(world) == []
    assert list_backups(world.instance, world.app.id)[-1].state is State.SUCCESSFUL
