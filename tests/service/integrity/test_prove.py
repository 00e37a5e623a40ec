"""A backup is proved by a restore that is compared; what does not match is said, and taken afresh."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.archives import member, tar_of
from kit.world import World
from msgspec import to_builtins

from holdfast.catalog.events.log import events_after
from holdfast.catalog.jobs.rows import start_job
from holdfast.catalog.records import SYSTEM, Backup, Event, EventKind, Job, JobState
from holdfast.restorer.swap import Swap
from holdfast.service.errors import Conflict
from holdfast.service.instance.locks import held
from holdfast.service.integrity import trial_restore as module
from holdfast.service.integrity.prove import prove_due, recover_proves, request_prove, run_prove, shown_proofs
from holdfast.service.integrity.retake import retake
from holdfast.service.integrity.trial_restore import Proved, scratch_folder
from holdfast.service.integrity.verify import check_account
from holdfast.service.jobs.lifecycle import get_job
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import delete_backup, full_object
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.run import run_backup
from holdfast.vault.archiver.manifest_writer import Assembly
from holdfast.vault.control import Control
from holdfast.vault.manifest.block import Block
from holdfast.vault.pack.writer import PackKind, pack_name

SECOND = 1_000_000_000
DAY = 24 * 3600 * SECOND


def prove(world: World, backup: Backup) -> Job:
    """Ask for a test restore and run it; whatever comes of it, nothing of it is left."""
    done = run_prove(world.instance, request_prove(world.instance, backup, SYSTEM).id)
    assert leftovers(world) == []
    return done


def result(job: Job) -> Proved:
    assert job.state is JobState.SUCCESSFUL, job.error_message
    return msgspec.json.decode(job.result or "", type=Proved)


def leftovers(world: World) -> list[str]:
    return [path.name for path in world.instance.run.iterdir() if path.name.startswith("prove-")]


def happened(world: World, kind: EventKind) -> list[Event]:
    return [event for event in events_after(world.instance.catalog, 0, 1000) if event.kind is kind]


def set_config(world: World, **changes: object) -> None:
    world.instance.config = msgspec.structs.replace(world.instance.config, **changes)


def after_restore(monkeypatch: pytest.MonkeyPatch, then: Callable[[Path], None]) -> None:
    """Have `then(restored tree)` called between the restore and the comparison."""
    run = Swap.run

    def run_then(self: Swap, *arguments: Any) -> None:
        run(self, *arguments)
        then(self._root)

    monkeypatch.setattr(Swap, "run", run_then)


def long_unchanged(world: World) -> None:
    """Have the clock so far on that backups trust the files' times."""
    world.clock.ns = max(path.lstat().st_ctime_ns for path in world.root.rglob("*")) + DAY


def wrong_crc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have backups enter a wrong CRC-32 for the files that they read."""
    block = Assembly._block

    def wrong(self: Assembly, rows: Any, *arguments: Any) -> Block:
        rows.crc32 = rows.crc32 ^ 1
        return block(self, rows, *arguments)

    monkeypatch.setattr(Assembly, "_block", wrong)


def test_what_comes_back_as_it_was_is_proved(world: World) -> None:
    os.link(world.root / "a.txt", world.root / "sub" / "again.txt")
    os.setxattr(world.root / "a.txt", "user.note", b"kept")
    (world.root / "empty").mkdir(mode=0o711)
    with (world.root / "holes").open("wb") as file:
        file.truncate(5_000_000)
        file.seek(1_000_000)
        file.write(b"island")
    (world.root / "big").write_bytes(os.urandom(6_000_000))
    (world.root / "set-id").write_bytes(b"#!")
    (world.root / "set-id").chmod(0o4755)
    backup = world.take()
    world.clock.ns += SECOND
    done = result(prove(world, backup))
    assert (done.is_whole, done.files, done.databases, done.warnings) == (True, 5, 0, ())
    found = world.again(backup)
    assert found.restore_proved_at == found.verified_at == world.clock.ns
    assert [e.data["state"] for e in happened(world, EventKind.PROVE_FINISHED)] == ["successful"]
    assert shown_proofs(world.instance)[0].restore_proved_at == "2024-12-07T22:07:12+01:00"


def test_an_empty_backup_is_proved(world: World) -> None:
    shutil.rmtree(world.root)
    world.root.mkdir()
    assert result(prove(world, world.take())).files == 0


def test_a_wrong_list_of_files_is_found_and_read_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    long_unchanged(world)
    with monkeypatch.context() as patch:
        wrong_crc(patch)
        first = world.take()
    world.clock.ns += SECOND
    second = world.take()  # trusts the first one, and so is wrong, too
    world.clock.ns += SECOND
    done = prove(world, second)
    assert (done.state, done.error_code) == (JobState.FAILED, "NOT_PROVED")
    assert "does not match what was backed up" in (done.error_detail or "")
    (event,) = happened(world, EventKind.VERIFY_FAILED)
    assert (event.backup_id, event.data["code"]) == (second.id, "NOT_PROVED")
    shown = to_builtins(full_object(world.instance, world.again(second)))
    assert shown["error"]["code"] == "NOT_PROVED"
    assert (shown["state"], shown["restore_proved_at"]) == ("successful", None)
    prove(world, second)
    assert len(happened(world, EventKind.VERIFY_FAILED)) == 1
    (asked,) = retake(world.instance)
    world.clock.ns += SECOND
    fresh = run_backup(world.instance, asked.id)
    assert retake(world.instance) == []
    assert result(prove(world, fresh)).is_whole
    # Only a test restore that matches takes it away; a check reads what is there, and that is as it was written.
    assert check_account(world.instance, world.account, SYSTEM, share=1).is_clean
    assert world.again(second).damage
    assert world.again(second).verified_at is None
    assert world.again(first).damage == ()
    world.clock.ns += SECOND
    (world.root / "a.txt").write_text("other\n")
    assert result(prove(world, world.take())).is_whole


def test_what_is_lost_from_the_store_is_entered_as_by_a_check(world: World) -> None:
    first = world.take()
    world.clock.ns += SECOND
    second = world.take()
    ledger = world.instance.vault(world.account.id)._ledger
    for pack_id, kind, _ in ledger.live_packs():
        if kind == PackKind.DATA:
            world.instance.vault_store(world.account.id).delete(pack_name(pack_id))
    world.clock.ns += SECOND
    done = prove(world, second)
    assert done.error_code == "NOT_PROVED"
    for backup in (first, second):
        assert [(w.path, w.code) for w in world.again(backup).damage] == [("sub/b.bin", "DAMAGED")]
    assert len(happened(world, EventKind.VERIFY_FAILED)) == 1
    (asked,) = retake(world.instance)
    run_backup(world.instance, asked.id)
    assert world.again(first).damage == world.again(second).damage == ()


def test_a_fault_on_the_way_is_none_of_the_backups(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = world.take()
    times = []

    def once(tree: Path) -> None:
        times.append(tree)
        if len(times) == 1:
            change_content(tree)

    after_restore(monkeypatch, once)
    assert result(prove(world, backup)).is_whole
    assert len(times) == 2
    assert happened(world, EventKind.VERIFY_FAILED) == []


def change_content(tree: Path) -> None:
    path = tree / "sub" / "b.bin"
    found = path.stat()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def change_link(tree: Path) -> None:
    found = (tree / "link").lstat()
    (tree / "link").unlink()
    (tree / "link").symlink_to("b.txt")
    os.utime(tree / "link", ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def break_hard_link(tree: Path) -> None:
    path = tree / "sub" / "again.txt"
    shutil.copy2(path, tree / "copy")
    (tree / "copy").rename(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_content, "sub/b.bin has another content"),
        (lambda tree: (tree / "a.txt").chmod(0o600), "a.txt has another mode"),
        (lambda tree: os.utime(tree / "sub", ns=(1, 1)), "sub has another time"),
        (lambda tree: (tree / "sub" / "b.bin").unlink(), "sub/b.bin is missing"),
        (lambda tree: (tree / "more").mkdir(), "more exists, but the backup does not have it"),
        (lambda tree: os.truncate(tree / "sub" / "b.bin", 5), "sub/b.bin has another size"),
        (change_link, "link points elsewhere"),
        (break_hard_link, "sub/again.txt is not a hard link of the same file as in the backup"),
        (lambda tree: os.removexattr(tree / "a.txt", "user.note"), "a.txt has other attributes"),
    ],
)
def test_whatever_is_other_is_found(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None], said: str
) -> None:
    (world.root / "a.txt").chmod(0o644)
    os.setxattr(world.root / "a.txt", "user.note", b"kept")
    os.link(world.root / "a.txt", world.root / "sub" / "again.txt")
    backup = world.take()
    after_restore(monkeypatch, change)
    assert prove(world, backup).error_code == "NOT_PROVED"
    messages = [w.message for w in world.again(backup).damage]
    assert f"In a test restore {said}." in messages
    assert world.again(backup).restore_proved_at is None


def test_nobody_else_reaches_the_scratch_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def look(tree: Path) -> None:
        found = tree.parent.stat()
        seen.append((stat.S_IMODE(found.st_mode), found.st_uid))

    after_restore(monkeypatch, look)
    prove(world, world.take())
    assert seen == [(0o700, os.geteuid())]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could give rights away")
def test_an_imported_backup_gives_no_rights_in_the_scratch_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(world.root, 1234, 1234)
    with Upload(world.instance, world.app.id, SYSTEM, None) as started:
        started.write(tar_of(member("run-me", b"#!", mode=0o6755, uid=0, gid=0)))
        queued = started.queue()
    backup = run_backup(world.instance, queued.id)
    seen = []
    after_restore(monkeypatch, lambda tree: seen.append((tree / "run-me").stat()))
    assert result(prove(world, backup)).is_whole
    assert (stat.S_IMODE(seen[0].st_mode), seen[0].st_uid) == (0o755, 1234)


def test_databases_are_checked_by_sqlite(world: World) -> None:
    for name in ("good.db", "sub/odd.db"):
        with closing(sqlite3.connect(world.root / name)) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("CREATE TABLE t (a, b)")
            database.execute("CREATE INDEX i ON t (a)")
            database.executemany("INSERT INTO t VALUES (?, ?)", [(n, "x" * 100) for n in range(500)])
            database.commit()
    with closing(sqlite3.connect(world.root / "sub" / "odd.db")) as database:
        # An index that lacks what its table has: the application's own trouble, which the backup is true to.
        database.execute("PRAGMA writable_schema=ON")
        database.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t (b)' WHERE name = 'i'")
        database.commit()
    (world.root / "broken.db").write_bytes(b"SQLite format 3\0" + os.urandom(4080))
    backup = world.take()
    assert [w.code for w in backup.warnings] == ["DATABASE_DAMAGED"]
    done = result(prove(world, backup))
    assert done.databases == 2
    assert [(w.path, w.code) for w in done.warnings] == [("sub/odd.db", "DATABASE_NOTE")]
    assert world.again(backup).restore_proved_at is not None


def test_a_database_that_sqlite_cannot_read_is_no_proof(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.root / "broken.db").write_bytes(b"SQLite format 3\0" + os.urandom(4080))
    backup = world.take()
    monkeypatch.setattr(module, "_plain_databases", lambda backup: set())
    done = prove(world, backup)
    assert done.error_code == "NOT_PROVED"
    assert "broken.db is a database that SQLite finds damaged" in (done.error_detail or "")


def test_it_is_cancelled(world: World) -> None:
    backup = world.take()
    done = run_prove(world.instance, request_prove(world.instance, backup, SYSTEM).id, control=Control(lambda: True))
    assert (done.state, done.error_code) == (JobState.CANCELLED, "CANCELLED")
    assert leftovers(world) == []
    assert world.again(backup).damage == ()


def test_one_at_a_time_and_only_of_what_is_there(world: World) -> None:
    backup = world.take()
    request_prove(world.instance, backup, SYSTEM)
    with pytest.raises(Conflict) as error:
        request_prove(world.instance, backup, SYSTEM)
    assert error.value.code == "PROVE_IN_PROGRESS"


def test_without_room_the_backup_is_not_to_blame(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = world.take()
    monkeypatch.setattr(module, "RESERVE_BYTES", 1 << 62)
    world.clock.ns += 3 * DAY
    job = prove_due(world.instance)
    assert job is not None
    done = run_prove(world.instance, job.id)
    assert (done.state, done.error_code) == (JobState.FAILED, "SCRATCH_FULL")
    assert leftovers(world) == []
    assert world.again(backup).damage == ()
    assert happened(world, EventKind.VERIFY_FAILED) == []
    assert prove_due(world.instance) is None
    world.clock.ns += DAY  # sooner than in a week
    assert prove_due(world.instance) is not None


def test_a_folder_elsewhere(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    set_config(world, scratch=str(tmp_path / "scratch"))
    seen: list[Path] = []
    after_restore(monkeypatch, seen.append)
    assert result(prove(world, world.take())).is_whole
    assert seen[0].parent.parent == tmp_path / "scratch"
    assert list((tmp_path / "scratch").iterdir()) == []


def test_of_a_large_backup_some_files_are_brought_back(world: World) -> None:
    for n in range(10):
        (world.root / "sub" / f"{n}.bin").write_bytes(os.urandom(300_000))
    os.link(world.root / "sub" / "1.bin", world.root / "sub" / "1-too.bin")
    backup = world.take()
    set_config(world, prove_bytes_max=1_000_000)
    done = result(prove(world, backup))
    assert not done.is_whole
    assert 0 < done.bytes <= 1_000_000
    assert world.again(backup).restore_proved_at is world.again(backup).verified_at is None
    set_config(world, prove_bytes_max=1)
    (world.root / "a.txt").unlink()
    assert prove(world, world.take()).error_code == "TOO_LARGE"


def test_each_application_has_its_turn_once_a_week(world: World) -> None:
    add_app(world.instance, world.account.id, "without backups", world.root, SYSTEM)
    backup = world.take()
    assert prove_due(world.instance) is None
    world.clock.ns += 2 * DAY
    job = prove_due(world.instance)
    assert job is not None
    assert (job.backup_id, job.kind) == (backup.id, "prove")
    assert prove_due(world.instance) is None
    world.clock.ns += 20 * DAY
    assert prove_due(world.instance) is None  # one is under way
    run_prove(world.instance, job.id)
    second = prove_due(world.instance)
    assert second is not None
    run_prove(world.instance, second.id)
    world.clock.ns += 6 * DAY
    assert prove_due(world.instance) is None
    set_config(world, prove_days=0)
    world.clock.ns += 2 * DAY
    assert prove_due(world.instance) is None
    set_config(world, prove_days=7)
    delete_backup(world.instance, world.again(backup), SYSTEM)
    assert prove_due(world.instance) is None  # nothing to restore: it waits for the next good backup
    world.take()
    assert prove_due(world.instance) is None
    world.clock.ns += 2 * DAY
    assert prove_due(world.instance) is not None


_KILLED = """
import os, sys
from pathlib import Path
from holdfast.service.instance.home import open_instance
from holdfast.service.integrity.prove import run_prove
from holdfast.restorer.swap import Swap
run = Swap.run
def killed(self, *arguments):
    run(self, *arguments)
    os.kill(os.getpid(), 9)
Swap.run = killed
run_prove(open_instance(Path(sys.argv[1])), sys.argv[2])
"""


def test_killed_it_leaves_nothing_behind_after_the_next_start(world: World) -> None:
    backup = world.take()
    job = request_prove(world.instance, backup, SYSTEM)
    dead = subprocess.run([sys.executable, "-c", _KILLED, world.instance.home, job.id], check=False)
    assert dead.returncode == -9
    assert scratch_folder(world.instance, job.id).is_dir()
    recover_proves(world.instance)
    assert leftovers(world) == []
    found = get_job(world.instance, job.id)
    assert (found.state, found.error_code) == (JobState.FAILED, "INTERRUPTED")
    assert prove_due(world.instance) is None
    world.clock.ns += DAY
    assert prove_due(world.instance) is not None


def test_what_runs_is_not_swept_away(world: World) -> None:
    backup = world.take()
    job = request_prove(world.instance, backup, SYSTEM)
    start_job(world.instance.catalog, job.id, world.clock.now_ns())
    scratch_folder(world.instance, job.id).mkdir()
    (world.instance.run / "prove-somebody-elses").mkdir()
    with held(world.instance, f"job-{job.id}"):
        recover_proves(world.instance)
    assert len(leftovers(world)) == 2
    recover_proves(world.instance)
    assert leftovers(world) == ["prove-somebody-elses"]
