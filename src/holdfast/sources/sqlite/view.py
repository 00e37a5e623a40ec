"""The view of a held database: its pages as one reader of SQLite sees them, in the main file and in its log.

`native/overlay.c` makes and reads it, and has the rules by which it is sound. It is made once, here; whoever reads
pages, in this process or another, has the same descriptors and the same map of frames.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.native import library as native

_Two = ctypes.c_uint64 * 2
_Four = ctypes.c_uint32 * 4
_PLACE_BYTES = 8
_NO_FILE = -1


class NoView(Exception):
    """A sound view cannot be made; the message is the rest of a sentence."""


@dataclass(frozen=True, slots=True)
class View:
    """A view, which may be pickled for a process that has the same descriptors.

    `map`: `struct place` of overlay.c for each page that is in the log. `log_fd`: -1 where the main file has all.
    """

    main_fd: int
    log_fd: int
    page_size: int
    pages: int
    map: bytes
    salts: bytes

    @property
    def size(self) -> int:
        """Return the bytes of the database."""
        return self.page_size * self.pages

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Return the descriptors that it is read by."""
        return (self.main_fd,) if self.log_fd < 0 else (self.main_fd, self.log_fd)

    def is_still_whole(self) -> bool:
        """Return True if the log is the one whose frames were read (rule 6)."""
        return not self.map or native.overlay_check(self.log_fd, self.salts) == 0

    def close(self) -> None:
        """Close its files."""
        for fd in self.descriptors:
            os.close(fd)


def make_view(
    open_file: Callable[[bytes], int],
    path: bytes,
    page_size: int,
    pages: int,
    files: frozenset[tuple[int, int]],
    *,
    is_wal: bool,
) -> View:
    """Return the view of a database while its holder has a read transaction open on it.

    `pages`: what SQLite says in that. `files`: device and inode of what SQLite has open; the name may lead to another
    file by now, on which nobody holds a lock. Raises NoView, OSError.
    """
    opened: list[int] = []
    try:
        for end in (b"", b"-wal", b"-shm") if is_wal else (b"",):
            opened.append(open_file(path + end))
            found = os.fstat(opened[-1])
            if (found.st_dev, found.st_ino) not in files:
                raise NoView("its files were replaced")
        main_fd, log_fd, shm_fd = (*opened, _NO_FILE, _NO_FILE)[:3]
        handle = native.overlay_open(main_fd, log_fd, shm_fd, page_size, pages)
        if not handle:
            raise NoView("its log cannot be read beside SQLite")
        try:
            facts = _Four()
            places = native.overlay_facts(handle, facts)
            count = facts[1]
            log_map = ctypes.string_at(places, count * _PLACE_BYTES) if count else b""
            kept = opened[: 2 if count else 1]
            del opened[: len(kept)]
            return View(main_fd, log_fd if count else _NO_FILE, page_size, facts[0], log_map, bytes(facts)[8:16])
        finally:
            native.overlay_close(handle)
    finally:
        for fd in opened:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class ViewStat:
    """The stat of a view: of its main file, but for its size. The times are of no moment, and never change."""

    st_mode: int
    st_uid: int
    st_gid: int
    st_ino: int
    st_dev: int
    st_size: int
    st_blocks: int
    st_mtime_ns: int = 0
    st_ctime_ns: int = 1


class ViewReader:
    """Reads a view. Not to be shared between threads."""

    def __init__(self, view: View) -> None:
        count = len(view.map) // _PLACE_BYTES
        self._handle = native.overlay_load(view.main_fd, view.log_fd, view.page_size, view.pages, view.map, count)
        if not self._handle:
            raise MemoryError
        main = os.fstat(view.main_fd)
        in_log = count * (view.page_size // 512)
        self.stat = ViewStat(
            main.st_mode, main.st_uid, main.st_gid, main.st_ino, main.st_dev, view.size, main.st_blocks + in_log
        )

    def read_into(self, buffer: memoryview, at: int) -> int:
        """Read bytes from `at` on, as many as fit or are there; return their number. Raises OSError."""
        if not len(buffer):
            return 0
        address = ctypes.addressof(ctypes.c_char.from_buffer(buffer))
        got: int = native.overlay_read(self._handle, address, len(buffer), at)
        if got < 0:
            raise OSError(5, "its pages could not be read")
        return got

    def data_run(self, at: int, end: int) -> tuple[int, int]:
        """Return the next run of data within `at` to `end`; both are the end where only a hole is left."""
        out = _Two()
        native.overlay_run(self._handle, at, end, out)
        return out[0], out[1]

    def close(self) -> None:
        """Release its map."""
        native.overlay_close(self._handle)
        self._handle = None
