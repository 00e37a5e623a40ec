"""Opening files of a live source: plain ones, and the views and copies of databases in their place."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.reader import DirectoryReader, SourceFileRefused
from holdfast.sources.sqlite.header import is_header
from holdfast.sources.sqlite.view import View, ViewReader
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    from holdfast.vault.source import FileStat

_COPY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LiveReader(DirectoryReader):
    """Opens files below a folder, and the views and copies of its databases in their place."""

    def __init__(
        self,
        folder: DirectorySource,
        views: Mapping[bytes, View],
        copies: Mapping[bytes, str],
        plain: Mapping[bytes, str],
    ) -> None:
        """Raises OSError when the root cannot be opened."""
        bounds = folder.bounds
        super().__init__(folder.root, file_bytes_max=bounds.file_bytes, content_bytes_max=bounds.content_bytes)
        self._copies = copies
        self._plain = plain
        self._copied: dict[int, bytes] = {}
        self._views = views
        self._made: dict[bytes, ViewReader] = {}
        self._viewed: dict[int, ViewReader] = {}

    def open(self, path: bytes) -> int:
        """Return a read-only descriptor of the file at `path`, or of its copy. Raises as `DirectoryReader.open`."""
        view = self._views.get(path)
        if view is not None:
            # Not opened anew: the name may lead elsewhere by now, and the lock is on the file that it was.
            fd = os.dup(view.main_fd)
            if path not in self._made:
                self._made[path] = ViewReader(view)
            self._viewed[fd] = self._made[path]
            self._copied.pop(fd, None)
            return fd
        place = self._copies.get(path)
        if place is None:
            fd = super().open(path)
            self._copied.pop(fd, None)
            self._viewed.pop(fd, None)
            return fd
        fd = os.open(place, _COPY)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise SourceFileRefused(22, "its copy is not a file")
        self._copied[fd] = path
        self._viewed.pop(fd, None)
        return fd

    def close(self) -> None:
        """Release the open folders and the views."""
        for view in self._made.values():
            view.close()
        self._made, self._viewed = {}, {}
        super().close()

    def stat(self, fd: int) -> FileStat:
        """Return the stat of an open file; of a view that of its main file, with the size of the view."""
        view = self._viewed.get(fd)
        return super().stat(fd) if view is None else view.stat

    def read_into(self, fd: int, buffer: memoryview, at: int) -> int:
        """Read from `at` on into `buffer`; return the number of bytes, 0 at the end. Raises OSError."""
        view = self._viewed.get(fd)
        return super().read_into(fd, buffer, at) if view is None else view.read_into(buffer, at)

    def data_run(self, fd: int, at: int, end: int) -> tuple[int, int]:
        """Return the next run of data within `at` to `end`; both are the end where only a hole is left."""
        view = self._viewed.get(fd)
        return super().data_run(fd, at, end) if view is None else view.data_run(at, end)

    def bytes_max(self, fd: int) -> int:
        """Return how large an open file may be; a copy is ours, and as large as it is, and so is a view."""
        return sys.maxsize if fd in self._copied or fd in self._viewed else super().bytes_max(fd)

    def xattrs(self, fd: int) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes of an open file, sorted by name; of a database those of the original."""
        path = self._copied.get(fd)
        if path is None:
            return super().xattrs(fd)
        try:
            original = super().open(path)
        except OSError:
            return ()
        try:
            return super().xattrs(original)
        finally:
            os.close(original)

    def doubt(self, path: bytes, head: bytes | memoryview) -> tuple[str, str] | None:
        """Return the reason that the plain copy of a file cannot be trusted."""
        if not is_header(head) or path in self._copies or path in self._views:
            return None
        why = self._plain.get(path)
        if why is not None:
            return (
                "DATABASE_DAMAGED",
                f"{shown(path)} starts like an SQLite database, but SQLite cannot read it ({why}); it was kept as a "
                "plain file, and may be mixed if it changed meanwhile. If it is encrypted, this is expected.",
            )
        return (
            "DATABASE_RAW",
            f"{shown(path)} starts like an SQLite database, but was none yet when the backup began, or has a size "
            "that no database has; it was kept as a plain file, which may be mixed.",
        )
