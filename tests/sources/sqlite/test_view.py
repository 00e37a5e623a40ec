"""A view is one committed state of a database, whatever its application does meanwhile, or there is none.

The rules are those of `native/overlay.c`, which numbers them.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from kit.sqlite_application import Application

from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.copying import Copying
from holdfast.sources.sqlite.outcomes import Held, Refused
from holdfast.sources.sqlite.shared_time import SharedTime
from holdfast.sources.sqlite.view import NoView, View, ViewReader, make_view
from holdfast.vault.control import NEVER

OWNER = (os.geteuid(), os.getegid())
UPDATE = (
    "BEGIN",
    "UPDATE one SET n = n + 1",
    "UPDATE m SET b = zeroblob(900 + n)",
    "UPDATE two SET n = n + 1",
    "COMMIT",
)


class Taker:
    """The side that reads: it holds `app/x` by a copier, and makes views of it."""

    def __init__(self, folder: Path) -> None:
        self.app = folder / "app"
        self.path = self.app / "x"
        self.reader = DirectoryReader(self.app)
        self._root = self.reader.open_folder(b"")
        self.copying = Copying(self._root, folder / "scratch", time=SharedTime(0), control=NEVER)

    def hold(self, path: bytes = b"x", *, is_wal: bool = True) -> Held:
        held = self.copying.hold(path, 0, OWNER, is_wal=is_wal)
        assert isinstance(held, Held), held
        return held

    def view(self, held: Held, **changed: int) -> View:
        pages = changed.get("pages", held.pages)
        return make_view(self.reader.open, b"x", held.page_size, pages, held.files, is_wal=held.is_wal)

    def close(self) -> None:
        self.copying.close()
        os.close(self._root)
        self.reader.close()


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Taker]:
    (tmp_path / "app").mkdir()
    made = Taker(tmp_path)
    yield made
    made.close()


@contextmanager
def application(taker: Taker, mode: str = "wal", page_size: int = 4096, rows: int = 300) -> Iterator[Application]:
    with Application(taker.path) as app:
        app.sql(
            f"PRAGMA page_size={page_size}",
            f"PRAGMA journal_mode={mode}",
            "PRAGMA wal_autocheckpoint=0",
            "CREATE TABLE one (n INTEGER)",
            "CREATE TABLE m (n INTEGER PRIMARY KEY, b BLOB)",
            "CREATE TABLE two (n INTEGER)",
            "INSERT INTO one VALUES (0)",
            "INSERT INTO two VALUES (0)",
            f"INSERT INTO m WITH c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) "
            "SELECT n, zeroblob(900) FROM c",
        )
        yield app


def content(view: View) -> bytes:
    reader = ViewReader(view)
    try:
        buffer = memoryview(bytearray(view.size + 1))
        return bytes(buffer[: reader.read_into(buffer, 0)])
    finally:
        reader.close()


def counters(database: bytes, tmp_path: Path) -> tuple[str, int, int]:
    (tmp_path / "copy").write_bytes(database)
    with closing(sqlite3.connect(f"file:{tmp_path / 'copy'}?immutable=1", uri=True)) as opened:
        ((check,),) = opened.execute("PRAGMA integrity_check").fetchall()
        one, two = opened.execute("SELECT (SELECT n FROM one), (SELECT n FROM two)").fetchone()
    return check, one, two


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_what_is_in_the_log_alone_is_in_the_view(taker: Taker, tmp_path: Path, page_size: int) -> None:
    with application(taker, page_size=page_size) as app:
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)", *UPDATE, *UPDATE)
        held = taker.hold()
        view = taker.view(held)
        assert view.map
        assert counters(content(view), tmp_path) == ("ok", 2, 2)
        app.sql(*UPDATE, "PRAGMA wal_checkpoint(TRUNCATE)")
        assert counters(content(view), tmp_path) == ("ok", 2, 2), "a checkpoint under the hold leaves it as it is"
        assert view.is_still_whole()
        view.close()
        assert taker.copying.release(held)


def test_the_log_is_not_used_when_it_may_be_reset(taker: Taker, tmp_path: Path) -> None:
    """Rule 3: all was checkpointed when the hold began, so the next writer begins the log anew."""
    with application(taker) as app:
        app.sql(*UPDATE, "PRAGMA wal_checkpoint(PASSIVE)")
        held = taker.hold()
        view = taker.view(held)
        assert not view.map
        salts = (taker.app / "x-wal").read_bytes()[16:24]
        app.sql(*UPDATE, *UPDATE, *UPDATE, "PRAGMA wal_checkpoint(PASSIVE)", *UPDATE)
        assert (taker.app / "x-wal").read_bytes()[16:24] != salts, "the log was not reset: the test shows nothing"
        assert counters(content(view), tmp_path) == ("ok", 1, 1)
        view.close()
        # A view that is made only now is of the later state: its frames cannot be checkpointed while the hold lasts.
        later = taker.view(held)
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)", *UPDATE)
        assert later.map
        assert counters(content(later), tmp_path) == ("ok", 5, 5)
        assert later.is_still_whole()
        later.close()
        assert taker.copying.release(held)


@pytest.mark.parametrize("mode", ["delete", "persist", "truncate"])
def test_nobody_writes_a_rollback_database_while_it_is_held(taker: Taker, tmp_path: Path, mode: str) -> None:
    """Also after this process opened and closed the file: the lock is the holder's, and it opens nothing itself."""
    with application(taker, mode) as app:
        held = taker.hold(is_wal=False)
        view = taker.view(held)
        before = taker.path.read_bytes()
        os.link(taker.path, taker.app / "y")
        again = taker.copying.hold(b"y", 0, OWNER, is_wal=False)
        assert isinstance(again, Refused) or taker.copying.release(again)
        app.sql("BEGIN", "UPDATE one SET n = n + 1")
        assert "locked" in app.sql("COMMIT")
        assert content(view) == before
        view.close()
        assert taker.copying.release(held)
        assert app.sql("COMMIT") == "[]"


def _index(taker: Taker) -> bytearray:
    return bytearray((taker.app / "x-shm").read_bytes()[:136])


def _put(path: Path, data: bytes, at: int = 0) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def _summed(index: bytearray) -> bytes:
    """Both copies of an index's header with the right sum."""
    s1 = s2 = 0
    words = struct.unpack("=10I", index[:40])
    for at in range(0, 10, 2):
        s1 = (s1 + words[at] + s2) & 0xFFFFFFFF
        s2 = (s2 + words[at + 1] + s1) & 0xFFFFFFFF
    head = bytes(index[:40]) + struct.pack("=2I", s1, s2)
    return head + head + bytes(index[96:])


@pytest.mark.parametrize("at", [16, 48 + 20, 40])
def test_an_index_that_is_being_written_gives_no_view(taker: Taker, at: int) -> None:
    """Rule 1: the two copies are equal, and their sum is right."""
    with application(taker):
        held = taker.hold()
        index = _index(taker)
        index[at] ^= 1
        _put(taker.app / "x-shm", bytes(index))
        with pytest.raises(NoView):
            taker.view(held)


@pytest.mark.parametrize(
    ("field", "value"),
    [(0, 3008000), (16, 1 << 31), (16, 10**6), (20, 1 << 31), (20, 10**6), (12, 0x01000001)],
    ids=["version", "frames", "frames-not-there", "pages", "pages-not-there", "page-size"],
)
def test_an_index_that_promises_too_much_gives_no_view(taker: Taker, field: int, value: int) -> None:
    """Rules 4 and 5: no more frames than the log has, and no more pages than file and log have."""
    with application(taker):
        held = taker.hold()
        index = _index(taker)
        index[field : field + 4] = struct.pack("=I", value)
        _put(taker.app / "x-shm", _summed(index))
        with pytest.raises(NoView):
            taker.view(held)


def test_frames_of_an_earlier_log_give_no_view(taker: Taker) -> None:
    """Rule 4."""
    with application(taker):
        held = taker.hold()
        taker.view(held).close()
        _put(taker.app / "x-wal", b"\0\1\2\3", 32 + 8)
        with pytest.raises(NoView):
            taker.view(held)


def test_a_log_that_was_reset_voids_what_was_read(taker: Taker) -> None:
    """Rule 6."""
    with application(taker):
        held = taker.hold()
        view = taker.view(held)
        assert view.is_still_whole()
        _put(taker.app / "x-wal", b"\0\1\2\3", 16)
        assert not view.is_still_whole()
        os.truncate(taker.app / "x-wal", 0)
        assert not view.is_still_whole()
        with pytest.raises(OSError, match="could not be read"):
            content(view)
        view.close()


@pytest.mark.parametrize("name", ["x", "x-wal", "x-shm"])
def test_a_file_that_was_replaced_gives_no_view(taker: Taker, name: str) -> None:
    """The lock is on the file that SQLite opened, whatever has its name now."""
    with application(taker):
        held = taker.hold()
        (taker.app / "new").write_bytes((taker.app / name).read_bytes())
        (taker.app / "new").rename(taker.app / name)
        with pytest.raises(NoView, match="replaced"):
            taker.view(held)


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(taker: Taker, tmp_path: Path) -> None:
    with application(taker):
        held = taker.hold()
        view = taker.view(held)
        for name in ("x", "x-wal"):
            (taker.app / "new").write_bytes(b"")
            (taker.app / "new").rename(taker.app / name)
        assert counters(content(view), tmp_path) == ("ok", 0, 0)
        view.close()


def test_more_pages_than_the_file_has_give_no_view(taker: Taker) -> None:
    """The number comes from the tenant's process."""
    with application(taker, "delete"):
        held = taker.hold(is_wal=False)
        assert taker.view(held).pages == held.pages
        with pytest.raises(NoView):
            taker.view(held, pages=held.pages + 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_holder_that_is_ended_voids_what_was_read(taker: Taker, how: signal.Signals) -> None:
    """Its owner may do so: the identity is theirs."""
    with application(taker):
        held = taker.hold()
        (copier,) = taker.copying._copiers.values()
        ticks = iter(range(0, 10**9, 10))
        copier._clock = lambda: float(next(ticks))
        os.kill(copier._process.pid, how)
        assert not taker.copying.release(held)
        assert not taker.copying.release(held)


def test_a_checkpoint_that_died_half_way_is_covered_by_the_log(taker: Taker, tmp_path: Path) -> None:
    """Some pages of the main file are already those of frames that do not count as checkpointed."""
    with application(taker) as app:
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)", *UPDATE)
        held = taker.hold()
        view = taker.view(held)
        whole = content(view)
        (page, frame) = struct.unpack_from("=2I", view.map, 8)
        _put(taker.path, os.urandom(4096), (page - 1) * 4096)
        assert frame >= 0
        assert content(view) == whole
        view.close()


def test_a_view_names_its_holes(taker: Taker) -> None:
    """So a database of a terabyte that its owner made of nothing costs what it holds."""
    size = 64 * 1024 * 1024
    with application(taker, "delete", rows=1):
        os.truncate(taker.path, size)
        held = taker.hold(is_wal=False)
        view = taker.view(held, pages=size // 4096)
        reader = ViewReader(view)
        assert reader.stat.st_size == size
        assert reader.stat.st_blocks * 512 < size // 2
        start, stop = reader.data_run(0, size)
        assert (start, stop < size // 2) == (0, True)
        assert reader.data_run(stop, size) == (size, size)
        reader.close()
        view.close()


def test_pages_behind_the_files_end_are_one_run_with_those_before(taker: Taker) -> None:
    """They are cut at the same places when they have been checkpointed."""
    with application(taker, rows=10) as app:
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        app.sql(
            "INSERT INTO m WITH c(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM c WHERE n < 900) "
            "SELECT n, zeroblob(900) FROM c"
        )
        held = taker.hold()
        view = taker.view(held)
        assert view.size > taker.path.stat().st_size * 2
        reader = ViewReader(view)
        assert reader.data_run(0, view.size) == (0, view.size)
        reader.close()
        view.close()
