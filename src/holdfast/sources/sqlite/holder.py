"""Holding databases: a read transaction of SQLite is kept open while another process reads the pages (`view.py`).

This process opens no descriptor of a database itself, and closes none while it holds one: closing any descriptor of a
file drops all locks that the process has on it. So SQLite alone opens them here, and whoever reads is elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import sqlite3
import stat
from dataclasses import dataclass
from typing import Any

from holdfast.sources.sqlite.opening import (
    MAY_NEED_WRITING,
    Refused,
    check_file,
    code_of,
    connect,
    have_cpu_for,
    open_folder,
    refusing,
    way_to_open,
)

_SOURCE = 0
"""The number under which our VFS knows the database that is being opened or closed."""


@dataclass(frozen=True, slots=True)
class _Held:
    connection: sqlite3.Connection
    folder: int
    name: bytes


class Holder:
    """The read transactions of one process, each under the number of its request."""

    def __init__(self, native: ctypes.CDLL, root: int) -> None:
        self._native = native
        self._root = root
        self._held: dict[int, _Held] = {}

    def hold(self, number: int, path: bytes, wait_seconds: float, seconds: float, *, is_wal: bool) -> dict[str, Any]:
        """Begin a read transaction on the database at `path`; return the facts that a view needs. Raises Refused.

        `files`: device and inode of each file that SQLite opened for it. `seconds`: of the processor, at most.
        """
        have_cpu_for(seconds)
        *folders, last = path.split(b"/")
        folder = open_folder(self._root, folders)
        try:
            with refusing():
                check_file(folder, last)
                self._held[number], facts = self._begin(folder, last, wait_seconds, is_wal)
            return facts
        finally:
            self._native.holdfast_sqlite_allow(_SOURCE, b"")
            if number not in self._held:
                os.close(folder)

    def _begin(self, folder: int, last: bytes, wait_seconds: float, is_wal: bool) -> tuple[_Held, dict[str, Any]]:
        name = b"/proc/self/fd/%d/" % folder + last
        if self._native.holdfast_sqlite_allow(_SOURCE, name):
            raise Refused("unreadable", "its name is too long for SQLite")
        before = _open_files()
        try:
            connection = _begun(name, way_to_open(folder, last, is_wal=is_wal), wait_seconds)
        except sqlite3.Error as error:
            if code_of(error) not in MAY_NEED_WRITING:
                raise
            # What a crash left has to be put right first, as the application itself would at its next start.
            connection = _begun(name, "rw", wait_seconds)
        try:
            mode = str(_one(connection, "journal_mode"))
            facts = {
                "page_size": _one(connection, "page_size"),
                "pages": _one(connection, "page_count"),
                "is_wal": mode == "wal",
                # Without the right to write the index SQLite may keep one of its own, which nobody else sees.
                "is_shared": mode != "wal" or os.access(last + b"-shm", os.W_OK, dir_fd=folder),
                "files": [file for fd, file in _open_files().items() if before.get(fd) != file],
            }
        except BaseException:
            connection.close()
            raise
        return _Held(connection, folder, name), facts

    def connection(self, number: int) -> sqlite3.Connection:
        """Return the connection that holds a database."""
        return self._held[number].connection

    def release(self, number: int) -> bool:
        """End a transaction; return True if it was there to the end, so that what was read meanwhile counts."""
        held = self._held.pop(number)
        self._native.holdfast_sqlite_allow(_SOURCE, held.name)
        try:
            held.connection.execute("PRAGMA schema_version").fetchone()
            is_still = held.connection.in_transaction
            if is_still:
                held.connection.execute("COMMIT")
            return is_still
        except sqlite3.Error:
            return False
        finally:
            held.connection.close()
            self._native.holdfast_sqlite_allow(_SOURCE, b"")
            os.close(held.folder)


def _begun(name: bytes, mode: str, wait_seconds: float) -> sqlite3.Connection:
    connection = connect(name, f"mode={mode}", wait_seconds)
    try:
        connection.execute("BEGIN")
        connection.execute("PRAGMA schema_version").fetchone()  # the read transaction begins here
        return connection
    except BaseException:
        connection.close()
        raise


def _one(connection: sqlite3.Connection, pragma: str) -> object:
    return connection.execute(f"PRAGMA {pragma}").fetchone()[0]


def _open_files() -> dict[str, tuple[int, int]]:
    """Return device and inode of each regular file that is open, by its descriptor; none is opened to be asked."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            status = os.stat(f"/proc/self/fd/{fd}")
        except OSError:
            continue  # the descriptor by which the folder was listed
        if stat.S_ISREG(status.st_mode):
            found[fd] = status.st_dev, status.st_ino
    return found
