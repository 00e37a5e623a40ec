"""The copier: a program of its own that copies databases by SQLite's backup API and checks the copies.

It is started with the two folders as open descriptors, takes the identity of the databases' owner, and then reads
requests from its standard input, one JSON object a line, and answers on its standard output. What it reads is the
tenant's: a file that breaks SQLite breaks this process, which has the tenant's own rights and no secret. It has bounds
too: a database of a few bytes can have SQLite compute values of gigabytes, for hours.

Only Python's own library is used, and all of it is loaded before the identity is changed: the new one may not be
allowed to read our installation. See `copying.py` for the other side.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import json
import math
import os
import queue
import resource
import signal
import sqlite3
import stat
import sys
import threading
import time
from contextlib import closing

PAGES_A_STEP = 2000
"""Between steps SQLite lets others in. The source's read transaction stays open, so that a write elsewhere does not
make the copy start again."""

HEAP_BYTES_MAX = 256 * 1024 * 1024
"""SQLite allocates at most this, over all databases of this process."""

VALUE_BYTES_MAX = 64 * 1024 * 1024
"""A value that SQLite computes has at most this length; the bytes of a copied database are not values."""

ADDRESS_BYTES_MAX = 1024 * 1024 * 1024
"""The whole process, where the limits above do not hold."""

CHECK_SECONDS = 10.0
CHECK_BYTES_PER_SECOND = 4 * 1024 * 1024
"""A check may take the one and what its bytes take at the other, then it is broken off."""

STEPS_PER_CHECK = 500
"""Of SQLite's machine, between two readings of the clock."""

_PR_SET_PDEATHSIG = 1
PROBLEMS_SHOWN = 3
_TOO_MUCH_MEMORY = f"SQLite needed more than {HEAP_BYTES_MAX // 1024**2} MiB for it"
_SOUND = ["ok"]
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
_MAY_NEED_WRITING = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_SEARCH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SOURCE, _COPY, _CHECKED = 0, 1, 2

_answering = threading.Lock()


def answer(**fields: object) -> None:
    """Write one answer."""
    with _answering:
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


class Refused(Exception):
    """The copy failed; `kind` classifies the failure, `why` is the rest of a sentence."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


class _Limits:
    """The bounds of one copy, looked at again with each step that is written: others write to the disk too."""

    def __init__(self, copies: int, until: float, reserve_bytes: int) -> None:
        self._copies = copies
        self._until = until
        self._reserve_bytes = reserve_bytes
        _have_cpu_for(until - time.monotonic())

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
        self._copies = copies

    def copy(self, path: bytes, name: str, wait_seconds: float, seconds: float, reserve_bytes: int) -> int:
        """Copy the database at `path` to the file `name`; return its size. Raises Refused.

        `seconds`: for all of it; `reserve_bytes`: they stay free on the disk of the copies.
        """
        limits = _Limits(self._copies, time.monotonic() + seconds, reserve_bytes)
        *folders, last = path.split(b"/")
        try:
            folder = self._folder(folders)
        except FileNotFoundError:
            raise Refused("gone", "it is gone") from None
        except OSError as error:
            raise Refused("unreadable", f"its folder cannot be opened ({error.strerror})") from None
        try:
            _check_file(folder, last)
            limits.check()
            source = b"/proc/self/fd/%d/" % folder + last
            target = b"/proc/self/fd/%d/" % self._copies + name.encode()
            self._allow(_SOURCE, source)
            self._allow(_COPY, target)
            try:
                mode = "rw" if self._has_no_log(folder, last) else "ro"
                return self._copy(source, target, mode, wait_seconds, limits)
            except sqlite3.Error as error:
                if _code(error) not in _MAY_NEED_WRITING:
                    raise
                # What a crash left (a hot journal, a log without its index) has to be put right first, as the
                # application itself would at its next start.
                return self._copy(source, target, "rw", wait_seconds, limits)
        except sqlite3.Error as error:
            raise _refused(error) from None
        except MemoryError:
            raise Refused("unreadable", _TOO_MUCH_MEMORY) from None
        except OSError as error:
            raise Refused("unreadable", f"it cannot be opened ({error.strerror})") from None
        finally:
            self._allow(_SOURCE, b"")
            self._allow(_COPY, b"")
            os.close(folder)

    def _folder(self, folders: list[bytes]) -> int:
        """Return a descriptor of the folder below the root, reached through no link."""
        at = os.dup(self._root)
        for part in folders:
            try:
                if part in (b"", b".", b".."):
                    raise OSError(22, "its path does not lie below the root")
                below = os.open(part, _SEARCH, dir_fd=at)
            finally:
                os.close(at)
            at = below
        return at

    def _has_no_log(self, folder: int, last: bytes) -> bool:
        """Return True if it is a database in WAL mode that nobody has open.

        SQLite then makes a log and its index; only a connection that may write takes them away again when it closes.
        """
        try:
            os.stat(last + b"-wal", dir_fd=folder, follow_symlinks=False)
        except OSError:
            fd = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                return os.pread(fd, 2, 18) == b"\x02\x02"
            finally:
                os.close(fd)
        return False

    def _copy(self, source: bytes, target: bytes, mode: str, wait_seconds: float, limits: _Limits) -> int:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        with (
            closing(_connect(source, f"mode={mode}", wait_seconds)) as from_there,
            closing(_connect(target, "mode=rw", 0)) as to_here,
        ):
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-8000"):
                to_here.execute(f"PRAGMA {pragma}")
            from_there.execute("BEGIN")
            from_there.execute("PRAGMA schema_version").fetchone()  # the read transaction begins here
            from_there.backup(to_here, pages=PAGES_A_STEP, sleep=0, progress=lambda *_: limits.check())
            from_there.execute("COMMIT")
        return os.stat(target).st_size

    def check(self, name: str, *, deep: bool = False) -> tuple[str | None, str | None]:
        """Check a copy; return its fault (None: it is sound), and a note for its owner.

        `deep`: that each index has what its table has, too. What only that finds was in the application's own database.
        """
        target = b"/proc/self/fd/%d/" % self._copies + name.encode()
        self._allow(_CHECKED, target)
        try:
            # Immutable: only we have it open, and its header may say that it has a log.
            with closing(_connect(target, "mode=ro&immutable=1", 0)) as copy:
                seconds = CHECK_SECONDS + _allocated(os.stat(target)) / CHECK_BYTES_PER_SECOND
                _have_cpu_for(seconds)
                until = time.monotonic() + seconds
                copy.set_progress_handler(lambda: time.monotonic() > until, STEPS_PER_CHECK)
                for pragma in ("cell_size_check=ON", "ignore_check_constraints=ON"):
                    copy.execute(f"PRAGMA {pragma}")
                deeper = _problems(copy, "integrity_check") if deep else []
                rows = deeper if deeper == _SOUND else _problems(copy, "quick_check")
        except sqlite3.Error as error:
            if _code(error) in _DAMAGED:
                return _text(error), None
            return None, f"it could not be checked whole: {_text(error)}"
        except MemoryError:
            return None, f"it could not be checked whole: {_TOO_MUCH_MEMORY}"
        except OSError as error:
            return None, f"it could not be checked ({error.strerror})"
        finally:
            self._allow(_CHECKED, b"")
        if rows == _SOUND:
            return None, None if deeper in ([], _SOUND) else _short("; ".join(deeper))
        # Rows about values (a NULL where none may be) are the application's own affair; the others are damage.
        pages = [row for row in rows if " value in " not in row]
        result = _short("; ".join(pages or rows))
        return (result, None) if pages else (None, result)

    def _allow(self, slot: int, name: bytes) -> None:
        if self._native.holdfast_sqlite_allow(slot, name):
            raise Refused("unreadable", "its name is too long for SQLite")


def _check_file(folder: int, last: bytes) -> None:
    try:
        found = os.stat(last, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise Refused("gone", "it is gone") from None
    if not stat.S_ISREG(found.st_mode):
        raise Refused("unreadable", "it is no longer a regular file")


def _allocated(found: os.stat_result) -> int:
    """Bytes on the disk: a database of a terabyte may have no more than one page."""
    return min(found.st_size, found.st_blocks * 512)


def _have_cpu_for(seconds: float) -> None:
    """Have the kernel end this process when it uses the processor for much longer, as SQLite checks no clock."""
    wanted = math.ceil(time.process_time() + 2 * seconds) + 10
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == resource.RLIM_INFINITY or soft < wanted:
        resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))


def _problems(copy: sqlite3.Connection, pragma: str) -> list[str]:
    """Return the first problems; only `ok` when there are none."""
    return [str(row[0]) for row in copy.execute(f"PRAGMA {pragma}({PROBLEMS_SHOWN})")]


def _connect(name: bytes, parameters: str, wait_seconds: float) -> sqlite3.Connection:
    quoted = "".join(chr(b) if (chr(b).isalnum() and b < 128) or b in b"/._-" else f"%{b:02X}" for b in name)
    connection = sqlite3.connect(
        f"file:{quoted}?vfs=holdfast&{parameters}",
        uri=True,
        timeout=wait_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _text(error: sqlite3.Error) -> str:
    return _short(str(error))


def _short(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def _refused(error: sqlite3.Error) -> Refused:
    code = _code(error)
    if code in _BUSY:
        return Refused("busy", "another process kept it locked")
    if code in _DAMAGED:
        return Refused("damaged", _text(error))
    if code == sqlite3.SQLITE_FULL:
        return Refused("no_room", "the disk got full")
    return Refused("unreadable", _text(error))


def register(native_path: str) -> ctypes.CDLL:
    """Load our VFS into the SQLite that Python uses. Raises OSError, AttributeError, RuntimeError."""
    native = ctypes.CDLL(native_path)
    native.holdfast_sqlite_allow.argtypes = [ctypes.c_int, ctypes.c_char_p]
    native.holdfast_sqlite_register.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    # Looked up through Python's module, so it is the same library even where several are installed.
    library = ctypes.CDLL(getattr(_sqlite3, "__file__", None))
    find, add = (ctypes.cast(getattr(library, f"sqlite3_vfs_{n}"), ctypes.c_void_p) for n in ("find", "register"))
    code = native.holdfast_sqlite_register(find, add)
    if code:
        raise RuntimeError(f"SQLite does not take another VFS (code {code})")
    return native


def become(uid: int, gid: int) -> None:
    """Take another identity for good; nothing of the old one is left. Raises OSError."""
    if os.geteuid() == 0 and (uid, gid) != (0, 0):
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)


def bound() -> None:
    """Limit memory, and have the kernel end this process with its starter, also when it is stopped. Raises OSError."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA hard_heap_limit={HEAP_BYTES_MAX}")
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_BYTES_MAX, ADDRESS_BYTES_MAX))
    # Last: a change of identity takes it back.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """Serve requests until the standard input ends."""
    root, copies, uid, gid = map(int, sys.argv[1:5])
    requests: queue.SimpleQueue[dict[str, object] | None] = queue.SimpleQueue()
    checks: queue.SimpleQueue[tuple[int, str, bool] | None] = queue.SimpleQueue()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(0o077)
    try:
        native = register(sys.argv[5])
        sqlite3.connect(":memory:").close()  # whatever it loads at first use
        become(uid, gid)
        bound()
    except (OSError, AttributeError, RuntimeError, ValueError, sqlite3.Error) as error:
        answer(event="unusable", why=_short(str(error)))
        return
    copier = Copier(native, root, copies)

    def read_requests() -> None:
        for line in sys.stdin:
            requests.put(json.loads(line))
        os._exit(0)  # the parent is gone or has no more requests

    def check_copies() -> None:
        while (todo := checks.get()) is not None:
            number, name, deep = todo
            problem, note = copier.check(name, deep=deep)
            answer(event="checked", number=number, problem=problem, note=note)
        answer(event="end")

    threading.Thread(target=read_requests, daemon=True).start()
    threading.Thread(target=check_copies, daemon=True).start()
    while (request := requests.get()) is not None:
        if request.get("end"):
            checks.put(None)
            continue
        number, name = int(str(request["number"])), str(request["name"])
        if request.get("check"):
            checks.put((number, name, True))
            continue
        try:
            size = copier.copy(
                bytes.fromhex(str(request["path"])),
                name,
                float(str(request["wait_seconds"])),
                float(str(request["seconds"])),
                int(str(request["reserve_bytes"])),
            )
        except Refused as refusal:
            answer(event="refused", number=number, kind=refusal.kind, why=refusal.why)
        else:
            answer(event="copied", number=number, size=size)
            checks.put((number, name, False))


if __name__ == "__main__":
    main()
