"""The scratch folder: unpacked contents until the vault has them, and the reader that gives them to the workers.

A content's file is named by a keyed hash of its path. So no name of the archive comes near the file system, workers
need no table of paths, and hard links of the archive are hard links here.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from holdfast.sources.reader import data_run
from holdfast.vault.errors import StreamFailed
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    from holdfast.vault.source import SourceStream

Xattrs = tuple[tuple[bytes, bytes], ...]

DISK_RESERVE_BYTES = 512 * 1024 * 1024
"""Unpacking ends before the disk has less than this: other customers' backups are on it."""

_ASK_DISK_EVERY_BYTES = 64 * 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAKE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_decoder = msgspec.msgpack.Decoder(Xattrs)


class DiskLow(OSError):
    """The disk has less than DISK_RESERVE_BYTES left."""


@dataclass(frozen=True)
class Scratch:
    """A folder of contents. May be pickled: another process then reads the same."""

    folder: str
    key: bytes = field(default_factory=lambda: os.urandom(16))

    def make(self) -> None:
        """Make it, empty. Raises OSError."""
        os.mkdir(self.folder, 0o700)
        for n in range(256):
            os.mkdir(f"{self.folder}/{n:02x}", 0o700)

    def place(self, path: bytes) -> str:
        """Return the place of the content of `path`."""
        name = blake2b(path, key=self.key, digest_size=16).hexdigest()
        return f"{self.folder}/{name[:2]}/{name[2:]}"

    def open_new(self, path: bytes) -> int:
        """Return a descriptor to write the content of `path` to. Raises OSError."""
        return os.open(self.place(path), _MAKE, 0o600)

    def link(self, first: bytes, path: bytes) -> None:
        """`path` has the same content (and attributes) as `first`. Raises OSError."""
        os.link(self.place(first), self.place(path))
        with suppress(FileNotFoundError):
            os.link(self.place(first) + ".x", self.place(path) + ".x")

    def put_xattrs(self, path: bytes, xattrs: Xattrs) -> None:
        """Keep the extended attributes of a file or folder. Raises OSError."""
        fd = os.open(self.place(path) + ".x", _MAKE, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.msgpack.encode(tuple(sorted(xattrs))))

    def xattrs(self, path: bytes) -> Xattrs:
        """Return the attributes that `put_xattrs` stored."""
        try:
            fd = os.open(self.place(path) + ".x", _READ)
        except FileNotFoundError:
            return ()
        with os.fdopen(fd, "rb") as file:
            return _decoder.decode(file.read())


class DiskWatch:
    """Counts bytes written, and checks from time to time the free space of the disk."""

    def __init__(self, folder: str, reserve: int = DISK_RESERVE_BYTES) -> None:
        self._folder = folder
        self._reserve = reserve
        self._since = _ASK_DISK_EVERY_BYTES

    def wrote(self, size: int) -> None:
        """Count bytes that are about to be written. Raises DiskLow."""
        self._since += size
        if self._since >= _ASK_DISK_EVERY_BYTES:
            self._since = 0
            room = os.statvfs(self._folder)
            if room.f_bavail * room.f_frsize < self._reserve:
                raise DiskLow(28, "the disk is nearly full")


class ScratchReader:
    """Gives the contents to whoever stores them; satisfies `vault.archiver.ingest.SourceReader`."""

    content_bytes_max = sys.maxsize
    """Its size was checked when it was unpacked."""

    def __init__(self, scratch: Scratch, *, has_xattrs: bool) -> None:
        self._scratch = scratch
        self._has_xattrs = has_xattrs
        self._paths: dict[int, bytes] = {}

    def open(self, path: bytes) -> int:
        """Return a read-only descriptor of the content of `path`. Raises FileNotFoundError, OSError."""
        fd = os.open(self._scratch.place(path), _READ)
        if self._has_xattrs:
            self._paths[fd] = path  # the number is given again only when it was closed
        return fd

    def stat(self, fd: int) -> os.stat_result:
        """Return the stat of an open content."""
        return os.fstat(fd)

    def read_into(self, fd: int, buffer: memoryview, at: int) -> int:
        """Read from `at` on into `buffer`; return the number of bytes, 0 at the end."""
        return os.preadv(fd, [buffer], at)

    def data_run(self, fd: int, at: int, end: int) -> tuple[int, int]:
        """Return the next run of data within `at` to `end`; both are the end where only a hole is left."""
        return data_run(fd, at, end)

    def bytes_max(self, fd: int) -> int:
        """Return how large a content may be: as it is, since its size was checked when it was unpacked."""
        return sys.maxsize

    def xattrs(self, fd: int) -> Xattrs:
        """Return extended attributes of an open content, sorted by name."""
        return self._scratch.xattrs(self._paths[fd]) if self._has_xattrs else ()

    def folder_xattrs(self, path: bytes) -> Xattrs:
        """Return extended attributes of a folder, sorted by name."""
        return self._scratch.xattrs(path) if self._has_xattrs else ()

    def doubt(self, path: bytes, head: bytes | memoryview) -> None:
        """Return None: an archive's files do not change."""

    def stream(self, path: bytes) -> SourceStream:
        """Raise StreamFailed: an archive has no streams."""
        raise StreamFailed(f"{shown(path)} is not a stream.")

    def close(self) -> None:
        """Do nothing: nothing is held."""
