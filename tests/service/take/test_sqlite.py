"""SQLite databases in an application's folder: what a backup of it holds while it runs, and what a restore leaves."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.links import key_of
from kit.sized import sized
from kit.world import World

from holdfast.catalog.records import SYSTEM, Backup, JobState, State
from holdfast.service.instance.home import Instance
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.vault.control import Control

WRITER = Path(__file__).parents[2] / "kit" / "sqlite_writer.py"
BACKUPS = sized(50, short=15)


@contextmanager
def writer(path: Path, mode: str, pause: float = 0.005) -> Iterator[subprocess.Popen[str]]:
    """An application that writes to a database, in a process of its own: a lock is a process's."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(path), mode, str(pause)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def sql(path: Path, *statements: str) -> str:
    """Run statements in another process, as an application does; returns the last answer."""
    program = (
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for s in sys.argv[2:]: rows = db.execute(s).fetchall()\n"
        "print(rows)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path), *statements], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def crash_after(path: Path, *statements: str) -> None:
    """Run statements in a process that dies without closing the database."""
    program = (
        "import os, sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "for s in sys.argv[2:]: db.execute(s).fetchall()\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path), *statements], check=True)


def make(path: Path, mode: str = "wal", rows: int = 500) -> None:
    """A closed database with a table of numbers."""
    sql(
        path,
        f"PRAGMA journal_mode={mode}",
        "CREATE TABLE t (n INTEGER PRIMARY KEY, text TEXT)",
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) "
        "INSERT INTO t SELECT n, 'row ' || n FROM c",
    )


def restore(world: World, backup: Backup, to: Path | None = None, **wanted: Any) -> None:
    """Restore, and see that it worked."""
    asked = Wanted(to=None if to is None else str(to), **wanted)
    job = run_restore(world.instance, request_restore(world.instance, backup, world.app, asked, SYSTEM).id)
    assert job.state is JobState.SUCCESSFUL, job.error_message


def content(path: Path) -> tuple[str, int, int]:
    """What integrity_check says, and the two counters."""
    with closing(sqlite3.connect(path)) as database:
        ((check,),) = database.execute("PRAGMA integrity_check").fetchall()
        return (
            check,
            database.execute("SELECT n FROM one").fetchone()[0],
            database.execute("SELECT n FROM two").fetchone()[0],
        )


def read(world: World, backup: Backup, name: str, tmp_path: Path) -> bytes:
    """A file of a backup."""
    restore(world, backup, tmp_path / "read", mode="mirror")
    return (tmp_path / "read" / name).read_bytes()


def codes(backup: Backup) -> dict[str, str]:
    """Warnings: path and code."""
    return {warning.path: warning.code for warning in backup.warnings}


def config(instance: Instance, **values: object) -> None:
    """Change the configuration of an open instance."""
    object.__setattr__(instance, "config", msgspec.structs.replace(instance.config, **values))


def test_no_transaction_is_torn_through_many_backups_of_a_busy_application(world: World, tmp_path: Path) -> None:
    modes = ("wal", "delete", "persist")
    with (
        writer(world.root / "wal.db", "wal") as first,
        writer(world.root / "sub" / "delete.data", "delete") as second,
        writer(world.root / "persist", "persist") as third,
    ):
        names = ("wal.db", "sub/delete.data", "persist")
        seen: dict[str, list[int]] = {name: [] for name in names}
        for number in range(BACKUPS):
            world.clock.ns += 1_000_000_000
            backup = world.take()
            assert backup.state is State.SUCCESSFUL, backup.error_message
            assert codes(backup) == {}
            there = tmp_path / f"restored-{number}"
            restore(world, backup, there)
            assert sorted(p.name for p in there.rglob("*") if p.is_file()) == [
                "a.txt",
                "b.bin",
                "delete.data",
                "link",
                "persist",
                "wal.db",
            ]
            for name in names:
                check, one, two = content(there / name)
                assert (check, one) == ("ok", two), f"{name} of backup {number}"
                seen[name].append(one)
            shutil.rmtree(there)
        for process, name, mode in zip((first, second, third), names, modes, strict=True):
            written, _ = process.communicate("")
            assert seen[name] == sorted(seen[name]), mode
            assert len(set(seen[name])) > BACKUPS // 2, f"the {mode} application hardly wrote between the backups"
            assert int(written) >= seen[name][-1]


def test_what_stands_only_in_the_log_is_in_the_backup(world: World, tmp_path: Path) -> None:
    path = world.root / "bot.sqlite"
    make(path)
    crash_after(path, "PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES (9999, 'in the log')")
    assert (world.root / "bot.sqlite-wal").stat().st_size > 0
    backup = world.take()
    restore(world, backup, tmp_path / "there")
    assert sql(tmp_path / "there" / "bot.sqlite", "SELECT text FROM t WHERE n = 9999") == "[('in the log',)]"
    assert (world.root / "bot.sqlite-wal").stat().st_size > 0, "a backup must not change what it reads"


def test_a_crashed_transaction_is_rolled_back_in_the_copy(world: World, tmp_path: Path) -> None:
    path = world.root / "bot.sqlite"
    make(path, "delete", rows=20_000)
    # A cache of a few pages: half of the transaction is in the file already, the journal says how it was.
    crash_after(path, "PRAGMA cache_size=5", "BEGIN", "UPDATE t SET text = 'torn' || text")
    assert (world.root / "bot.sqlite-journal").exists()
    assert b"torn" in path.read_bytes()
    backup = world.take()
    assert codes(backup) == {}
    restore(world, backup, tmp_path / "there")
    there = tmp_path / "there" / "bot.sqlite"
    assert sql(there, "SELECT count(*) FROM t WHERE text LIKE 'torn%'") == "[(0,)]"
    assert not (tmp_path / "there" / "bot.sqlite-journal").exists()


def test_what_did_not_change_is_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    path = world.root / "bot.sqlite"
    make(path)
    crash_after(path, "PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES (9999, 'in the log')")
    world.clock.ns = path.stat().st_ctime_ns + 3600 * 10**9
    first = world.take()
    copied: list[object] = []
    from holdfast.sources.sqlite.copying import Copying

    copy = Copying.copy

    def counted(self: Copying, path: Any, *rest: Any) -> Any:
        copied.append(path)
        return copy(self, path, *rest)

    monkeypatch.setattr(Copying, "copy", counted)
    again = world.take("again")
    assert copied == []
    assert again.digest == first.digest
    assert key_of(world.instance, again) == key_of(world.instance, first)
    crash_after(path, "PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES (10000, 'also in the log')")
    changed = world.take("changed")
    assert copied == [b"bot.sqlite"]
    assert changed.digest != first.digest


def test_a_folder_with_nothing_but_a_database(world: World) -> None:
    for name in ("a.txt", "link"):
        (world.root / name).unlink()
    shutil.rmtree(world.root / "sub")
    make(world.root / "bot.sqlite")
    assert world.take().files == 1


def test_a_copy_is_the_same_bytes_every_time(world: World) -> None:
    make(world.root / "bot.sqlite")
    first = world.take("one")
    os.utime(world.root / "bot.sqlite")
    mtime = (world.root / "bot.sqlite").stat().st_mtime_ns
    second = world.take("two")
    assert second.stored_bytes < 8000 + first.stored_bytes // 100
    assert mtime
    assert second.zip_bytes == first.zip_bytes


def test_a_database_that_stays_locked_is_taken_from_the_backup_before(world: World, tmp_path: Path) -> None:
    path = world.root / "bot.sqlite"
    make(path, "delete")
    good = world.take("good")
    config(world.instance, sqlite_wait_seconds=0)
    with _exclusive(path):
        later = world.take("later")
    assert later.state is State.SUCCESSFUL
    assert codes(later) == {"bot.sqlite": "DATABASE_NOT_COPIED"}
    assert read(world, later, "bot.sqlite", tmp_path) == read(world, good, "bot.sqlite", tmp_path)
    sql(path, "INSERT INTO t VALUES (9999, 'free again')")
    free = world.take("free")
    assert codes(free) == {}
    assert b"free again" in read(world, free, "bot.sqlite", tmp_path)


def test_a_database_that_stays_locked_and_was_never_backed_up_fails_the_backup(world: World) -> None:
    path = world.root / "bot.sqlite"
    make(path, "delete")
    config(world.instance, sqlite_wait_seconds=0)
    with _exclusive(path):
        failed = world.take()
    assert failed.state is State.FAILED
    assert failed.error_code == "DATABASE_BUSY"
    assert "bot.sqlite" in (failed.error_detail or "")
    assert not list(world.instance.run.glob("copies-*"))
    assert world.take().state is State.SUCCESSFUL


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Another process holds the database for itself alone."""
    program = (
        "import sqlite3, sys\n"
        "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "db.execute('BEGIN EXCLUSIVE')\n"
        "db.execute(\"INSERT INTO t VALUES (5000, 'not yet')\")\n"
        "print('locked', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        yield
    finally:
        process.communicate("")


def test_what_only_looks_like_a_database_is_kept_as_a_plain_file(world: World, tmp_path: Path) -> None:
    encrypted = b"SQLite format 3\x00" + os.urandom(8176)
    (world.root / "encrypted.db").write_bytes(encrypted)
    (world.root / "encrypted.db-wal").write_bytes(b"its log")
    (world.root / "odd.db").write_bytes(encrypted[:5001])
    (world.root / "tiny").write_bytes(encrypted[:20])
    make(world.root / "broken.db", "delete", rows=5000)
    with (world.root / "broken.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(4096 * 4))
    broken = (world.root / "broken.db").read_bytes()
    for name in ("first", "second"):  # the second says so as well
        backup = world.take(name)
        assert backup.state is State.SUCCESSFUL
        assert codes(backup) == {
            "encrypted.db": "DATABASE_DAMAGED",
            "odd.db": "DATABASE_RAW",
            "tiny": "DATABASE_RAW",
            "broken.db": "DATABASE_DAMAGED",
        }
        there = tmp_path / name
        restore(world, backup, there)
        assert (there / "encrypted.db").read_bytes() == encrypted
        assert (there / "encrypted.db-wal").read_bytes() == b"its log"
        assert (there / "odd.db").read_bytes() == encrypted[:5001]
        assert (there / "broken.db").read_bytes() == broken


def test_constraints_that_rows_break_are_no_damage(world: World) -> None:
    path = world.root / "bot.sqlite"
    sql(
        path,
        "CREATE TABLE t (a INTEGER NOT NULL DEFAULT 1)",
        "INSERT INTO t VALUES (1)",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a INTEGER)'",
    )
    sql(path, "INSERT INTO t VALUES (NULL)")
    sql(path, "PRAGMA writable_schema=ON", "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a INTEGER NOT NULL)'")
    backup = world.take()
    assert codes(backup) == {"bot.sqlite": "DATABASE_NOTE"}


def test_a_restore_over_a_running_database_leaves_no_stale_log(world: World) -> None:
    path = world.root / "bot.sqlite"
    make(path)
    good = world.take("good")
    for mode, paths in (("mirror", ()), ("overlay", ()), ("mirror", ("bot.sqlite",))):
        crash_after(
            path, "PRAGMA wal_autocheckpoint=0", "DELETE FROM t", "INSERT INTO t VALUES (1, 'after the backup')"
        )
        assert (world.root / "bot.sqlite-wal").exists()
        world.clock.ns += 1_000_000_000
        restore(world, good, mode=mode, paths=paths)
        assert not (world.root / "bot.sqlite-wal").exists()
        assert not (world.root / "bot.sqlite-shm").exists()
        assert sql(path, "SELECT count(*), min(text) FROM t") == "[(500, 'row 1')]"
        assert sql(path, "PRAGMA integrity_check") == "[('ok',)]"


def test_a_log_without_its_database_is_not_replayed_into_the_restored_one(world: World) -> None:
    path = world.root / "bot.sqlite"
    make(path)
    good = world.take("good")
    crash_after(path, "PRAGMA wal_autocheckpoint=0", "DELETE FROM t WHERE n > 5")
    path.unlink()
    restore(world, good, mode="overlay")
    assert not (world.root / "bot.sqlite-wal").exists()
    assert sql(path, "SELECT count(*) FROM t") == "[(500,)]"


def test_a_restore_leaves_a_database_alone_that_did_not_change(world: World) -> None:
    path = world.root / "bot.sqlite"
    make(path)
    crash_after(path, "PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES (9999, 'in the log')")
    world.clock.ns = path.stat().st_ctime_ns + 3600 * 10**9
    good = world.take("good")
    (world.root / "a.txt").unlink()
    before = path.stat()
    restore(world, good)
    assert (world.root / "a.txt").exists()
    assert path.stat().st_ino == before.st_ino
    assert (world.root / "bot.sqlite-wal").stat().st_size > 0
    assert sql(path, "SELECT text FROM t WHERE n = 9999") == "[('in the log',)]"


def test_a_log_that_is_a_link_leads_nowhere(world: World, tmp_path: Path) -> None:
    """The owner of the folder would have us read another tenant's file as the log of his database."""
    other = tmp_path / "other.db"
    make(other)
    crash_after(other, "PRAGMA wal_autocheckpoint=0", "INSERT INTO t VALUES (9999, 'a secret')")
    path = world.root / "bot.sqlite"
    shutil.copyfile(other, path)
    for end in ("-wal", "-shm"):
        (world.root / f"bot.sqlite{end}").symlink_to(f"{other}{end}")
    failed = world.take()
    assert failed.state is State.FAILED
    assert failed.error_code == "DATABASE_UNREADABLE"
    (world.root / "bot.sqlite-wal").unlink()
    (world.root / "bot.sqlite-shm").unlink()
    assert sql(path, "SELECT count(*) FROM t WHERE n = 9999") == "[(0,)]"
    assert world.take().state is State.SUCCESSFUL


def test_a_journal_cannot_have_another_file_deleted(world: World, tmp_path: Path) -> None:
    """A journal may name a super-journal, which SQLite deletes when it has done with it."""
    path = world.root / "bot.sqlite"
    make(path, "delete", rows=20_000)
    victim = tmp_path / "victim"
    victim.write_bytes(b"nobody's journal")
    crash_after(path, "PRAGMA cache_size=5", "BEGIN", "UPDATE t SET text = 'torn' || text")
    name = os.fsencode(victim)
    checksum = sum(name) & 0xFFFFFFFF
    with (world.root / "bot.sqlite-journal").open("ab") as journal:
        journal.write(b"\x00\x00\x00\x00" + name + len(name).to_bytes(4, "big") + checksum.to_bytes(4, "big"))
        journal.write(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7")
    failed = world.take()
    assert failed.error_code == "DATABASE_UNREADABLE"
    assert victim.read_bytes() == b"nobody's journal"


def test_cancelling_ends_the_copying_and_leaves_nothing(world: World) -> None:
    from holdfast.service.take.request import request_backup
    from holdfast.service.take.run import run_backup

    make(world.root / "bot.sqlite")
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    done = run_backup(world.instance, asked.id, control=Control(lambda: True))
    assert done.error_code == "CANCELLED"
    assert not list(world.instance.run.glob("copies-*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another identity")
def test_sqlite_reads_with_the_rights_of_the_databases_owner(world: World, tmp_path: Path) -> None:
    owner = 4711
    shutil.chown(world.root, owner, owner)
    path = world.root / "bot.sqlite"
    make(path)
    os.chown(path, owner, owner)
    good = world.take("good")
    assert good.state is State.SUCCESSFUL, good.error_message
    assert not (world.root / "bot.sqlite-wal").exists(), "SQLite could clean up behind itself"
    # In a folder that only root may write to, the owner of the file can do nothing either.
    os.chown(world.root, 0, 0)
    world.root.chmod(0o700)
    sql(path, "INSERT INTO t VALUES (9999, 'later')")
    later = world.take("later")
    assert codes(later) == {"bot.sqlite": "DATABASE_NOT_COPIED"}
