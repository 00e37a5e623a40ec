"""Databases that a tenant made up, and a tenant who stands in the way of their copies: each costs little.

The copier is a process of its own; what it uses is looked at in /proc.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from holdfast.native.library import LIBRARY
from holdfast.sources.sqlite.copier import CHECK_SECONDS
from holdfast.sources.sqlite.copying import Copying
from holdfast.sources.sqlite.opening import ADDRESS_BYTES_MAX, HEAP_BYTES_MAX
from holdfast.sources.sqlite.outcomes import Copied, Refused
from holdfast.sources.sqlite.room import Room
from holdfast.sources.sqlite.shared_time import SECONDS, SLOW_MAX, SharedTime
from holdfast.vault.control import NEVER

OWNER = (os.geteuid(), os.getegid())
MIB = 1024 * 1024


@contextmanager
def copying(tmp_path: Path, shared: SharedTime | None = None) -> Iterator[Copying]:
    """Copies from `tmp_path/app` to `tmp_path/scratch`."""
    with ExitStack() as stack:
        root = os.open(tmp_path / "app", os.O_RDONLY | os.O_DIRECTORY)
        stack.callback(os.close, root)
        made = Copying(
            root,
            tmp_path / "scratch",
            time=shared or SharedTime(0),
            control=NEVER,
            room=Room(tmp_path),
        )
        yield stack.enter_context(made)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    return tmp_path / "app"


def database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as made:
        for statement in statements or ("CREATE TABLE t (a)",):
            made.execute(statement)
    return path


def computing(path: Path, expression: str, rows: int) -> Path:
    """A small database with a column whose value SQLite computes for each row that it checks."""
    return database(
        path,
        "CREATE TABLE t (a, b AS (hex(a)) NOT NULL)",
        f"INSERT INTO t WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n",
        "PRAGMA writable_schema=ON",
        f"UPDATE sqlite_schema SET sql = replace(sql, 'hex(a)', '{expression}')",
    )


def pids(of: Copying) -> list[int]:
    return [copier._process.pid for copier in of._copiers.values()]


def peak_bytes(pid: int) -> int:
    """The most memory that a process had at once."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


@pytest.mark.parametrize("expression", ["hex(zeroblob(4e8))", "hex(zeroblob(33e6))", "a || hex(zeroblob(33e6))"])
def test_a_value_of_gigabytes_is_not_computed(app: Path, tmp_path: Path, expression: str) -> None:
    computing(app / "x", expression, 20)
    with copying(tmp_path) as made:
        assert isinstance(made.copy(b"x", 16384, OWNER), Copied)
        (verdict,) = made.verdicts()
        assert verdict.problem is None
        assert peak_bytes(pids(made)[0]) < HEAP_BYTES_MAX + 150 * MIB


def test_a_check_without_end_is_broken_off(app: Path, tmp_path: Path) -> None:
    computing(app / "x", "instr(a || hex(zeroblob(3e6)), 1)", 4000)
    began = time.monotonic()
    with copying(tmp_path) as made:
        assert isinstance(made.copy(b"x", 16384, OWNER), Copied)
        (verdict,) = made.verdicts()
    assert verdict.note == "it could not be checked whole: interrupted"
    assert time.monotonic() - began < CHECK_SECONDS * 3


def test_the_kernel_limits_a_copier(app: Path, tmp_path: Path) -> None:
    database(app / "x")
    with copying(tmp_path) as made:
        made.copy(b"x", 8192, OWNER)
        limits = Path(f"/proc/{pids(made)[0]}/limits").read_text()
    assert re.search(rf"Max address space +{ADDRESS_BYTES_MAX} ", limits)
    assert not re.search(r"Max cpu time +unlimited", limits)


def test_a_copier_that_is_stopped_ends_with_its_starter(app: Path, tmp_path: Path) -> None:
    database(app / "x")
    program = (
        "import os, signal, time\nfrom pathlib import Path\n"
        "from holdfast.sources.sqlite.copying import Copying\n"
        "from holdfast.sources.sqlite.room import Room\n"
        "from holdfast.sources.sqlite.shared_time import SharedTime\n"
        "from holdfast.vault.control import NEVER\n"
        f"here = Path({str(tmp_path)!r})\n"
        "root = os.open(here / 'app', os.O_RDONLY)\n"
        "made = Copying(root, here / 'scratch', time=SharedTime(0), control=NEVER, room=Room(here))\n"
        "made.copy(b'x', 8192, (os.geteuid(), os.getegid()))\n"
        "pid = [c._process.pid for c in made._copiers.values()][0]\n"
        "os.kill(pid, signal.SIGSTOP)\n"
        "print(pid, flush=True)\n"
        "time.sleep(100)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        copier = int(parent.stdout.readline())
        parent.kill()
    until = time.monotonic() + 10
    while Path(f"/proc/{copier}/stat").exists() and "Z" not in Path(f"/proc/{copier}/stat").read_text().split()[2]:
        assert time.monotonic() < until, "it is still there"
        time.sleep(0.01)


def test_a_sparse_database_costs_the_room_that_it_has(app: Path, tmp_path: Path) -> None:
    path = database(app / "x", "CREATE TABLE t (a)", "INSERT INTO t VALUES ('here')")
    pages = 128 * MIB // 4096
    with path.open("r+b") as file:
        file.truncate(128 * MIB)
        file.seek(28)
        file.write(pages.to_bytes(4, "big"))  # the size in the header: all of it belongs to the database
    with copying(tmp_path) as made:
        allocated = path.stat().st_blocks * 512
        assert isinstance(made.copy(b"x", allocated, OWNER), Copied)
        copy = made.copy_path(b"x", OWNER)
        assert copy.stat().st_size == 128 * MIB
        assert copy.stat().st_blocks * 512 < 2 * MIB
        is_same = copy.read_bytes()[4096:] == path.read_bytes()[4096:]  # the header counts changes
        assert is_same


def test_the_reserve_is_kept_while_a_copy_is_written(app: Path, tmp_path: Path) -> None:
    """A disk of its own, made up: what other tests write to the real one would decide how far the copy comes."""
    database(app / "x", "CREATE TABLE t (a)", *["INSERT INTO t VALUES (randomblob(1000000))"] * 64)
    (tmp_path / "scratch").mkdir()
    program = (
        "import os, time\nfrom types import SimpleNamespace\nfrom holdfast.sources.sqlite import copier\n"
        f"root, copies = (os.open(path, os.O_RDONLY) for path in ({str(app)!r}, {str(tmp_path / 'scratch')!r}))\n"
        "def disk(folder):\n"
        "    used = sum(os.stat(name, dir_fd=folder).st_size for name in os.listdir(folder))\n"
        f"    return SimpleNamespace(f_bavail={32 * MIB} - used, f_frsize=1)\n"
        "os.fstatvfs = disk\n"
        f"made = copier.Copier(copier.register({str(LIBRARY)!r}), root, copies)\n"
        "try:\n"
        f"    limits = copier.Limits(copies, time.monotonic() + 60, {16 * MIB})\n"
        "    made.copy(b'x', 'copy', limits, 0, is_wal=False)\n"
        "except copier.Refused as refusal:\n"
        "    print(refusal.kind, refusal.why, sep=': ')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "no_room: only the reserve was left\n"
    assert 8 * MIB < (tmp_path / "scratch" / "copy").stat().st_size < 32 * MIB


def test_two_copies_are_not_promised_the_same_room(tmp_path: Path) -> None:
    """Two objects, as two processes have."""
    one, two = (Room(tmp_path, reserve_bytes=100, free=lambda folder: 1000) for _ in range(2))
    with one.promised(600) as first, two.promised(600) as second, two.promised(300) as third:
        assert (first, second, third) == (True, False, True)
    with two.promised(900) as again:
        assert again
    with two.promised(901) as too_much:
        assert not too_much


def test_what_a_dead_process_was_promised_is_free(tmp_path: Path) -> None:
    (tmp_path / "0123.promise").write_text("900")
    with Room(tmp_path, reserve_bytes=0, free=lambda folder: 1000).promised(1000) as promised:
        assert promised
    assert [path.name for path in tmp_path.iterdir()] == ["databases.lock"]


def test_many_locked_databases_are_not_all_waited_for(app: Path, tmp_path: Path) -> None:
    count = 12
    with ExitStack() as stack:
        for number in range(count):
            held = stack.enter_context(
                closing(sqlite3.connect(database(app / str(number)), isolation_level=None, check_same_thread=False))
            )
            held.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with copying(tmp_path, SharedTime(1)) as made:
            outcomes = [made.copy(str(number).encode(), 8192, OWNER) for number in range(count)]
    assert [outcome.kind for outcome in outcomes if isinstance(outcome, Refused)] == ["busy"] * count
    assert time.monotonic() - began < count - 2


def test_a_copier_that_is_stopped_costs_two_databases_time(app: Path, tmp_path: Path) -> None:
    """Its owner may stop it, as it has their identity; the clock here runs when it is asked."""
    ticks = iter(range(0, 10**9, 40))

    def clock() -> float:
        return float(next(ticks))

    for number in range(6):
        database(app / str(number))
    shared = SharedTime(0)
    root = os.open(app, os.O_RDONLY)
    outcomes = []
    with Copying(root, tmp_path / "scratch", time=shared, control=NEVER, room=Room(tmp_path), clock=clock) as made:
        for number in range(6):
            copier = made._copier(OWNER)
            os.kill(copier._process.pid, signal.SIGSTOP)
            outcomes.append(made.copy(str(number).encode(), 8192, OWNER))
    os.close(root)
    assert [o.kind for o in outcomes if isinstance(o, Refused)] == ["unreadable"] * SLOW_MAX + ["busy"] * 4


def test_all_databases_have_one_time() -> None:
    now = [0.0]
    shared = SharedTime(30, clock=lambda: now[0])
    shared.grow(400 * MIB)
    assert shared.seconds_left == SECONDS + 100
    for _ in range(7):
        with shared.spending():
            now[0] += 50
            assert shared.wait_seconds == 30
        now[0] += 1000  # files are read
    assert shared.seconds_left == SECONDS + 100 - 350
    with shared.spending():
        now[0] += 340
        assert shared.seconds_left == shared.wait_seconds == 10
        now[0] += 100
        assert shared.seconds_left == shared.wait_seconds == 0
