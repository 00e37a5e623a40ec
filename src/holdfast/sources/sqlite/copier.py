"""The copier: a program of its own in which SQLite holds databases (`holder.py`), copies them by its backup API, and
checks them.

It is started with the two folders as open descriptors, takes the identity of the databases' owner, and then reads
requests from its standard input, one JSON object a line, and answers on its standard output. What it reads is the
tenant's: a file that breaks SQLite breaks this process, which has the tenant's own rights and no secret. It has bounds
too: a database of a few bytes can have SQLite compute values of gigabytes, for hours.

Only Python's own library is used, and all of it is loaded before the identity is changed: the new one may not be
allowed to read our installation. See `copying.py` for the other side.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import resource
import sqlite3
import sys
import threading
import time
from contextlib import closing
from typing import Any

from holdfast.native.library import LIBRARY
from holdfast.sources.sqlite.holder import Holder
from holdfast.sources.sqlite.opening import (
    DAMAGED,
    MAY_NEED_WRITING,
    TOO_MUCH_MEMORY,
    Refused,
    become,
    bound,
    check_file,
    code_of,
    connect,
    have_cpu_for,
    open_folder,
    refusing,
    register,
    short,
    text_of,
    way_to_open,
)

PAGES_A_STEP = 2000
"""Between steps SQLite lets others in. The source's read transaction stays open, so that a write elsewhere does not
make the copy start again."""

CHECK_SECONDS = 10.0
CHECK_BYTES_PER_SECOND = 4 * 1024 * 1024
"""A check may take the one and what its bytes take at the other, then it is broken off."""

STEPS_PER_CHECK = 500
"""Of SQLite's machine, between two readings of the clock."""

PROBLEMS_SHOWN = 3
_SOUND = ["ok"]
_SOURCE, _COPY, _CHECKED = 0, 1, 2

_answering = threading.Lock()


def answer(**fields: object) -> None:
    """Write one answer."""
    with _answering:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


class Limits:
    """The bounds of one copy, looked at again with each step that is written: others write to the disk too."""

    def __init__(self, copies: int, until: float, reserve_bytes: int) -> None:
        self._copies = copies
        self._until = until
        self._reserve_bytes = reserve_bytes
        have_cpu_for(until - time.monotonic())

    def check(self) -> None:
        """Raise Refused when the time is over, or the disk has no more than the reserve."""
        if time.monotonic() > self._until:
            raise Refused("busy", "the time that the databases of a backup have together was over")
        room = os.fstatvfs(self._copies)
        if room.f_bavail * room.f_frsize < self._reserve_bytes:
            raise Refused("no_room", "only the reserve was left")


class Copier:
    """Copies from below one folder into another."""

    def __init__(self, native: ctypes.CDLL, root: int, copies: int) -> None:
        self._native = native
        self._root = root
        self.folder = copies
        """A descriptor of the folder of the copies."""

    def copy(self, path: bytes, name: str, limits: Limits, wait_seconds: float, *, is_wal: bool) -> int:
        """Copy the database at `path` to the file `name`; return its size. Raises Refused.

        `is_wal`: True if its header says that it has a log.
        """
        *folders, last = path.split(b"/")
        folder = open_folder(self._root, folders)
        try:
            with refusing():
                check_file(folder, last)
                limits.check()
                source = b"/proc/self/fd/%d/" % folder + last
                target = b"/proc/self/fd/%d/" % self.folder + name.encode()
                self._allow(_SOURCE, source)
                self._allow(_COPY, target)
                try:
                    return self._copy(source, target, way_to_open(folder, last, is_wal=is_wal), wait_seconds, limits)
                except sqlite3.Error as error:
                    if code_of(error) not in MAY_NEED_WRITING:
                        raise
                    # What a crash left (a hot journal, a log without its index) has to be put right first, as the
                    # application itself would at its next start.
                    return self._copy(source, target, "rw", wait_seconds, limits)
        finally:
            self._allow(_SOURCE, b"")
            self._allow(_COPY, b"")
            os.close(folder)

    def _copy(self, source: bytes, target: bytes, mode: str, wait_seconds: float, limits: Limits) -> int:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        with (
            closing(connect(source, f"mode={mode}", wait_seconds)) as from_there,
            closing(connect(target, "mode=rw", 0)) as to_here,
        ):
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-8000"):
                to_here.execute(f"PRAGMA {pragma}")
            from_there.execute("BEGIN")
            from_there.execute("PRAGMA schema_version").fetchone()  # the read transaction begins here
            from_there.backup(to_here, pages=PAGES_A_STEP, sleep=0, progress=lambda *_: limits.check())
            from_there.execute("COMMIT")
        return os.stat(target).st_size

    def check(self, name: str, *, deep: bool = False) -> tuple[str | None, str | None]:
        """Check a copy; return as `check_open`."""
        target = b"/proc/self/fd/%d/" % self.folder + name.encode()
        self._allow(_CHECKED, target)
        try:
            # Immutable: only we have it open, and its header may say that it has a log.
            with closing(connect(target, "mode=ro&immutable=1", 0)) as copy:
                return check_open(copy, _allocated(os.stat(target)), deep=deep)
        except sqlite3.Error as error:
            return _finding(error)
        except OSError as error:
            return None, f"it could not be checked ({error.strerror})"
        finally:
            self._allow(_CHECKED, b"")

    def _allow(self, slot: int, name: bytes) -> None:
        if self._native.holdfast_sqlite_allow(slot, name):
            raise Refused("unreadable", "its name is too long for SQLite")


def _allocated(found: os.stat_result) -> int:
    """Bytes on the disk: a database of a terabyte may have no more than one page."""
    return min(found.st_size, found.st_blocks * 512)


def check_open(database: sqlite3.Connection, size: int, *, deep: bool = False) -> tuple[str | None, str | None]:
    """Check a database; return its fault (None: it is sound), and a note for its owner. `size`: bytes on the disk.

    `deep`: that each index has what its table has, too. What only that finds was in the application's own database.
    """
    try:
        seconds = CHECK_SECONDS + size / CHECK_BYTES_PER_SECOND
        have_cpu_for(seconds)
        until = time.monotonic() + seconds
        database.set_progress_handler(lambda: time.monotonic() > until, STEPS_PER_CHECK)
        for pragma in ("cell_size_check=ON", "ignore_check_constraints=ON"):
            database.execute(f"PRAGMA {pragma}")
        deeper = _problems(database, "integrity_check") if deep else []
        rows = deeper if deeper == _SOUND else _problems(database, "quick_check")
    except sqlite3.Error as error:
        return _finding(error)
    except MemoryError:
        return None, _not_whole(TOO_MUCH_MEMORY)
    finally:
        database.set_progress_handler(None, 0)
    if rows == _SOUND:
        return None, None if deeper in ([], _SOUND) else short("; ".join(deeper))
    # Rows about values (a NULL where none may be) are the application's own affair; the others are damage.
    pages = [row for row in rows if " value in " not in row]
    result = short("; ".join(pages or rows))
    return (result, None) if pages else (None, result)


def _finding(error: sqlite3.Error) -> tuple[str | None, str | None]:
    """Return what a check that broke off tells, as `check_open` does."""
    return (text_of(error), None) if code_of(error) in DAMAGED else (None, _not_whole(text_of(error)))


def _not_whole(why: str) -> str:
    return f"it could not be checked whole: {why}"


def _problems(copy: sqlite3.Connection, pragma: str) -> list[str]:
    """Return the first problems; only `ok` when there are none."""
    return [str(row[0]) for row in copy.execute(f"PRAGMA {pragma}({PROBLEMS_SHOWN})")]


class Request:
    """One line of the standard input, whose fields are as `copying.py` wrote them."""

    def __init__(self, line: str) -> None:
        self._fields: dict[str, Any] = json.loads(line)

    def __getattr__(self, name: str) -> Any:
        return self._fields[name]

    @property
    def where(self) -> bytes:
        """Return the database's path; names are bytes, and JSON has none."""
        return bytes.fromhex(self.path)


class Program:
    """Does what is asked: one thing after the other, and checks beside them."""

    def __init__(self, copier: Copier, holder: Holder) -> None:
        self._copier = copier
        self._holder = holder
        self._checks: queue.SimpleQueue[Request] = queue.SimpleQueue()

    def run(self) -> None:
        """Serve requests until the standard input ends; then the process ends, whatever it is doing."""
        requests: queue.SimpleQueue[Request] = queue.SimpleQueue()

        def read_requests() -> None:
            for line in sys.stdin:
                requests.put(Request(line))
            os._exit(0)

        threading.Thread(target=read_requests, daemon=True).start()
        threading.Thread(target=self._check, daemon=True).start()
        while True:
            request = requests.get()
            try:
                self._do(request)
            except Refused as refusal:
                answer(event="refused", number=request.number, kind=refusal.kind, why=refusal.why)

    def _do(self, request: Request) -> None:
        if request.do in ("check", "check held", "end"):
            self._checks.put(request)
        elif request.do == "release":
            answer(event="released", number=request.number, is_still=self._holder.release(request.number))
        elif request.do == "hold":
            facts = self._holder.hold(
                request.number, request.where, request.wait_seconds, request.seconds, is_wal=request.is_wal
            )
            answer(event="held", number=request.number, **facts)
        else:
            limits = Limits(self._copier.folder, time.monotonic() + request.seconds, request.reserve_bytes)
            size = self._copier.copy(request.where, request.name, limits, request.wait_seconds, is_wal=request.is_wal)
            answer(event="copied", number=request.number, size=size)

    def _check(self) -> None:
        while True:
            request = self._checks.get()
            if request.do == "end":
                answer(event="end")
                continue
            if request.do == "check held":
                problem, note = check_open(self._holder.connection(request.number), request.size)
            else:
                problem, note = self._copier.check(request.name, deep=request.deep)
            answer(event="checked", number=request.number, problem=problem, note=note)


def main() -> None:
    """Take the owner's identity, then serve requests."""
    root, copies, uid, gid = map(int, sys.argv[1:5])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    try:
        native = register(str(LIBRARY))
        sqlite3.connect(":memory:").close()  # whatever it loads at first use
        become(uid, gid)
        bound()
    except (OSError, AttributeError, RuntimeError, ValueError, sqlite3.Error) as error:
        answer(event="unusable", why=short(str(error)))
        return
    Program(Copier(native, root, copies), Holder(native, root)).run()


if __name__ == "__main__":
    main()
