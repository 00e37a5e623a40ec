"""Opening databases in a program of its own (`copier.py`): its bounds, its identity, our VFS, SQLite's errors.

Only Python's own library is used: it is all loaded before the identity is changed.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import math
import os
import resource
import signal
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

HEAP_BYTES_MAX = 256 * 1024 * 1024
"""SQLite allocates at most this, over all databases of this process."""

VALUE_BYTES_MAX = 64 * 1024 * 1024
"""A value that SQLite computes has at most this length; the bytes of a copied database are not values."""

ADDRESS_BYTES_MAX = 1024 * 1024 * 1024
"""The whole process, where the limits above do not hold."""

_PR_SET_PDEATHSIG = 1
TOO_MUCH_MEMORY = f"SQLite needed more than {HEAP_BYTES_MAX // 1024**2} MiB for it"
BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
MAY_NEED_WRITING = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)
_SEARCH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(Exception):
    """The copy failed; `kind` classifies the failure, `why` is the rest of a sentence."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.why = kind, why


def check_file(folder: int, last: bytes) -> None:
    try:
        found = os.stat(last, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise Refused("gone", "it is gone") from None
    if not stat.S_ISREG(found.st_mode):
        raise Refused("unreadable", "it is no longer a regular file")


def have_cpu_for(seconds: float) -> None:
    """Have the kernel end this process when it uses the processor for much longer, as SQLite checks no clock."""
    wanted = math.ceil(time.process_time() + 2 * seconds) + 10
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if soft == resource.RLIM_INFINITY or soft < wanted:
        resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))


def connect(name: bytes, parameters: str, wait_seconds: float) -> sqlite3.Connection:
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


def code_of(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def text_of(error: sqlite3.Error) -> str:
    return short(str(error))


def short(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def refusal_of(error: sqlite3.Error) -> Refused:
    code = code_of(error)
    if code in BUSY:
        return Refused("busy", "another process kept it locked")
    if code in DAMAGED:
        return Refused("damaged", text_of(error))
    if code == sqlite3.SQLITE_FULL:
        return Refused("no_room", "the disk got full")
    return Refused("unreadable", text_of(error))


@contextmanager
def refusing() -> Iterator[None]:
    """Raise as Refused whatever goes wrong with a database within."""
    try:
        yield
    except sqlite3.Error as error:
        raise refusal_of(error) from None
    except MemoryError:
        raise Refused("unreadable", TOO_MUCH_MEMORY) from None
    except OSError as error:
        raise Refused("unreadable", f"it cannot be opened ({error.strerror})") from None


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


def open_folder(root: int, folders: list[bytes]) -> int:
    """Return a descriptor of the folder below `root`, reached through no link. Raises Refused."""
    at = os.dup(root)
    try:
        for part in folders:
            try:
                if part in (b"", b".", b".."):
                    raise OSError(22, "its path does not lie below the root")
                below = os.open(part, _SEARCH, dir_fd=at)
            finally:
                os.close(at)
            at = below
        return at
    except FileNotFoundError:
        raise Refused("gone", "it is gone") from None
    except OSError as error:
        raise Refused("unreadable", f"its folder cannot be opened ({error.strerror})") from None


def way_to_open(folder: int, last: bytes, *, is_wal: bool) -> str:
    """Return SQLite's mode for a database: `ro`, but `rw` if it is in WAL mode and nobody has it open.

    SQLite then makes a log and its index; only a connection that may write takes them away again when it closes.
    `is_wal`: as its header says. It is not opened to be asked: closing it would drop the locks that this process has
    on it by another of its names.
    """
    if is_wal:
        try:
            os.stat(last + b"-wal", dir_fd=folder, follow_symlinks=False)
        except OSError:
            return "rw"
    return "ro"
