"""`make stress`: databases are held and copied through their views while everything happens to them that can.

Two writers with transactions over six counters and a table of blobs, some rolled back; a keeper that makes checkpoints
of all kinds and VACUUM; any of the three may be killed at any moment. A copy is good if integrity_check finds nothing,
the counters are equal, the rows are as many as counted, and no counter went back. Reading is slowed, so that all of it
happens during a copy.
"""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.copying import Copying
from holdfast.sources.sqlite.outcomes import Held, Refused
from holdfast.sources.sqlite.shared_time import SharedTime
from holdfast.sources.sqlite.view import NoView, View, ViewReader, make_view
from holdfast.vault.control import NEVER

TABLES = 6
ROWS = 3000
STEP_BYTES = 65_536
PAGE_SIZES = (512, 1024, 4096, 16_384, 65_536)
OWNER = (os.geteuid(), os.getegid())

WRITER = """
import os, random, sqlite3, sys, time
path, mode, chance = sys.argv[1], sys.argv[2], random.Random(int(sys.argv[3]))
def opened():
    c = sqlite3.connect(path, timeout=60, isolation_level=None)
    c.execute("PRAGMA journal_mode=" + mode)
    c.execute("PRAGMA synchronous=%s" % chance.choice(["OFF", "NORMAL", "FULL"]))
    c.execute("PRAGMA cache_size=%d" % chance.choice([10, 50, 2000]))
    c.execute("PRAGMA wal_autocheckpoint=%d" % chance.choice([20, 1000, 1000000]))
    return c
c = opened()
while True:
    try:
        c.execute("BEGIN IMMEDIATE")
        for t in range(6):
            c.execute("UPDATE k%d SET n = n + 1" % t)
        top = c.execute("SELECT max(id) FROM m").fetchone()[0] or 1
        for _ in range(chance.randrange(1, 30)):
            row = chance.randrange(10, 3000), chance.randint(1, top)
            c.execute("UPDATE m SET b = randomblob(?) WHERE id = ?", row)
        for _ in range(chance.randrange(6)):
            c.execute("INSERT INTO m (b) VALUES (randomblob(?))", (chance.randrange(10, 9000),))
            c.execute("UPDATE total SET rows = rows + 1")
        if chance.random() < .05:
            gone = c.execute("DELETE FROM m WHERE id > ?", (top - 20,)).rowcount
            c.execute("UPDATE total SET rows = rows - ?", (gone,))
        c.execute("ROLLBACK" if chance.random() < .15 else "COMMIT")
        os.write(1, b"x")
        if chance.random() < .02:
            c.close()
            time.sleep(chance.random() * .05)
            c = opened()
    except sqlite3.OperationalError:
        if c.in_transaction:
            c.execute("ROLLBACK")
"""
KEEPER = """
import random, sqlite3, sys, time
path, mode, chance = sys.argv[1], sys.argv[2], random.Random(int(sys.argv[3]))
while True:
    c = sqlite3.connect(path, timeout=5, isolation_level=None)
    c.execute("PRAGMA journal_mode=" + mode)
    try:
        for _ in range(10):
            time.sleep(chance.random() * .1)
            if mode == "wal":
                kind = chance.choice(["PASSIVE", "FULL", "RESTART", "TRUNCATE"])
                c.execute("PRAGMA wal_checkpoint(%s)" % kind).fetchall()
        c.execute("VACUUM")
    except sqlite3.OperationalError:
        pass
    c.close()
"""


@dataclass
class Count:
    """What happened in one run."""

    good: int = 0
    with_frames: int = 0
    not_held: int = 0
    void: int = 0
    killed: int = 0


class Torn(Exception):
    """A copy is of no one moment."""


def make(path: Path, mode: str, page_size: int, vacuum: int) -> None:
    """A database with the tables of the writers."""
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        for pragma in (f"page_size={page_size}", f"auto_vacuum={vacuum}", f"journal_mode={mode}"):
            made.execute(f"PRAGMA {pragma}")
        made.execute("BEGIN")
        for table in range(TABLES):
            made.execute(f"CREATE TABLE k{table} (n INTEGER)")
            made.execute(f"INSERT INTO k{table} VALUES (0)")
        made.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, b BLOB)")
        made.execute("CREATE TABLE total (rows INTEGER)")
        made.execute("CREATE INDEX mb ON m (substr(b, 1, 8))")
        made.executemany(
            "INSERT INTO m (b) VALUES (randomblob(?))", ((random.randrange(10, 3000),) for _ in range(ROWS))
        )
        made.execute(f"INSERT INTO total VALUES ({ROWS})")
        made.execute("COMMIT")


def check(copy: Path, before: int) -> int:
    """Return the counter of a copy. Raises Torn."""
    with closing(sqlite3.connect(f"file:{copy}?immutable=1", uri=True)) as opened:
        found = opened.execute("PRAGMA integrity_check").fetchall()
        counters = [opened.execute(f"SELECT n FROM k{table}").fetchone()[0] for table in range(TABLES)]
        rows = opened.execute("SELECT count(*), (SELECT rows FROM total) FROM m").fetchone()
    if found != [("ok",)] or len(set(counters)) != 1 or rows[0] != rows[1] or counters[0] < before:
        raise Torn(f"{found[:3]}, counters {counters} after {before}, rows {rows}")
    return int(counters[0])


class Crowd:
    """Two writers and a keeper, each of which may be killed and begun again."""

    def __init__(self, path: Path, mode: str, log: int) -> None:
        self._path, self._mode, self._log = path, mode, log
        self._seed = 0
        self._processes = [self._start(program) for program in (WRITER, WRITER, KEEPER)]

    def _start(self, program: str) -> subprocess.Popen[bytes]:
        self._seed += 1
        command = [sys.executable, "-I", "-S", "-c", program, str(self._path), self._mode, str(self._seed)]
        return subprocess.Popen(command, stdout=self._log, stderr=subprocess.DEVNULL)

    def kill_one(self) -> None:
        """Kill one of them, wherever it is, and start another in its place."""
        at = random.randrange(3)
        self._processes[at].kill()
        self._processes[at].wait()
        self._processes[at] = self._start(KEEPER if at == 2 else WRITER)

    def end(self) -> None:
        """Kill all."""
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def opened(folder: Path) -> Iterator[tuple[DirectoryReader, Copying]]:
    """A reader and a holder of databases in `folder/app`."""
    reader = DirectoryReader(folder / "app")
    root = reader.open_folder(b"")
    try:
        with Copying(root, folder / "scratch", time=SharedTime(30), control=NEVER) as copying:
            yield reader, copying
    finally:
        os.close(root)
        reader.close()


def read(view: View, copy: Path, pause: float) -> None:
    """Copy a view, step by step with a pause between."""
    reader = ViewReader(view)
    try:
        with copy.open("wb") as file:
            buffer = memoryview(bytearray(STEP_BYTES))
            at = 0
            while got := reader.read_into(buffer, at):
                file.write(buffer[:got])
                at += got
                time.sleep(pause)
    finally:
        reader.close()


def hold_and_read(
    reader: DirectoryReader, copying: Copying, copy: Path, is_wal: bool, pause: float, count: Count
) -> bool:
    """Copy the database through its view; return True if the copy counts."""
    held: Held | Refused = copying.hold(b"x", 0, OWNER, is_wal=is_wal)
    if isinstance(held, Refused):
        count.not_held += 1
        return False
    try:
        view = make_view(reader.open, b"x", held.page_size, held.pages, held.files, is_wal=held.is_wal)
    except NoView:
        copying.release(held)
        count.not_held += 1
        return False
    read(view, copy, pause)
    is_whole = view.is_still_whole()
    view.close()
    if not copying.release(held) or not is_whole:
        count.void += 1
        return False
    count.with_frames += bool(view.map)
    return True


def stress(mode: str, copies: int, seconds: float, say: Callable[[str], None]) -> Count:
    """Make `copies` good copies, or as many as there are in the time. Raises Torn."""
    count = Count()
    with TemporaryDirectory(prefix="holdfast-stress-", dir="/dev/shm") as folder:
        here = Path(folder)
        (here / "app").mkdir()
        page_size = random.choice(PAGE_SIZES)
        make(here / "app" / "x", mode, page_size, random.choice([0, 1, 2]))
        with (here / "log").open("wb+") as log:
            crowd = Crowd(here / "app" / "x", mode, log.fileno())
            began, before = time.monotonic(), -1
            try:
                while count.good < copies and time.monotonic() - began < seconds:
                    time.sleep(random.random() * 0.1)
                    if random.random() < 0.25:
                        crowd.kill_one()
                        count.killed += 1
                    with opened(here) as (reader, copying):
                        pause = random.choice([0, 0, 0.001, 0.005]) if mode == "wal" else random.choice([0, 0.0005])
                        if hold_and_read(reader, copying, here / "copy", mode == "wal", pause, count):
                            before = check(here / "copy", before)
                            count.good += 1
            finally:
                crowd.end()
            took = time.monotonic() - began
            rate = os.fstat(log.fileno()).st_size / took
    say(
        f"{mode}, pages of {page_size}: {count.good} copies good, {count.with_frames} with frames over the file, "
        f"{count.not_held} not held, {count.void} void, {count.killed} killed; {rate:.0f} transactions a second, "
        f"counter {before}, {took:.0f} s"
    )
    return count


def main() -> None:
    """Run every mode: `COPIES` each, at most `SECONDS` long."""
    copies, seconds = int(sys.argv[1]), float(sys.argv[2])
    for mode in ("wal", "wal", "delete", "truncate", "persist"):
        if not stress(mode, copies, seconds, print).good:
            sys.exit(f"No copy of a database in mode {mode} was made.")


if __name__ == "__main__":
    main()
