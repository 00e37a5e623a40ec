"""The source of a backup: the interface for listing entries and reading their contents.

The vault asks nothing else of a source; `sources/` implements it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.path_tree import PathTree, empty_tree
from holdfast.vault.path_warnings import PathWarnings

TOO_DEEP = "TOO_DEEP"
"""Code of the warning for a folder of which nothing is in the scan, as it is nested too deeply."""


class ContentOrigin(IntEnum):
    """The origin of the content of a scan's entry."""

    FILE = 0
    """The file itself; its stat at the time of reading counts."""
    COPY = 1
    """A copy that the source made: mode, owner, times and change marks are the scan's; the size is the copy's."""
    STREAM = 2
    """A stream of unknown length, read once from start to end."""


@dataclass(slots=True)
class Scan:
    """One walk over a source: columns of equal length, entries in manifest order, the root folder not among them.

    `kind` as vault.manifest.entry.Kind; `mode` without the file type; times in nanoseconds; sizes in bytes
    (a symbolic link's size is that of its target, a folder's 0). Targets stand back to back.
    """

    kind: NDArray[np.uint8]
    mode: NDArray[np.uint16]
    uid: NDArray[np.uint32]
    gid: NDArray[np.uint32]
    mtime_ns: NDArray[np.int64]
    ctime_ns: NDArray[np.int64]
    size: NDArray[np.uint64]
    inode: NDArray[np.uint64]
    device: NDArray[np.uint64]
    nlink: NDArray[np.uint32]
    target_length: NDArray[np.uint16]
    paths: PathTree
    target_bytes: bytes
    content: NDArray[np.uint8]
    """The origin of the content, as `ContentOrigin`: the file, a copy that was made of it, a stream."""
    notices: PathWarnings
    spared: list[int] = field(default_factory=list)
    """Numbers of ignored files that may be sidecars of databases that are not ignored."""


def columns_of(table: type) -> dict[str, np.dtype[Any]]:
    """Return the columns of a class by name, in its order: its fields that are numpy arrays. All are little-endian."""
    found = {}
    for name, hint in get_type_hints(table).items():
        if get_origin(hint) is np.ndarray:
            found[name] = np.dtype(get_args(get_args(hint)[1])[0]).newbyteorder("<")
        elif get_origin(hint) is NDArray:  # NumPy 2.5, for Python 3.12 and later, has it as an alias of its own
            found[name] = np.dtype(get_args(hint)[0]).newbyteorder("<")
    return found


SCAN_COLUMNS = columns_of(Scan)


def empty_scan() -> Scan:
    """Return the walk of an empty folder."""
    none: dict[str, Any] = {name: np.empty(0, dtype) for name, dtype in SCAN_COLUMNS.items()}
    return Scan(**none, paths=empty_tree(), target_bytes=b"", notices=PathWarnings())


class FileStat(Protocol):
    """The stat of an open file, as `os.stat_result` has it."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_uid(self) -> int: ...
    @property
    def st_gid(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_dev(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_blocks(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...


class SourceReader(Protocol):
    """Opens an application's files for reading; one per worker."""

    content_bytes_max: int
    """At most this much is in all files; who has read more in one job stops, and `Source.check_read` refuses it."""

    def open(self, path: bytes) -> int:
        """Return a read-only descriptor of the regular file at `path`, never through a link.

        Raises FileNotFoundError, PermissionError, OSError; anything else at that path is an OSError too.
        """

    def stat(self, fd: int) -> FileStat:
        """Return the stat of an open file, which says how large its content is."""

    def read_into(self, fd: int, buffer: memoryview, at: int) -> int:
        """Read the content of an open file from `at` on into `buffer`; return the number of bytes, 0 at the end."""

    def data_run(self, fd: int, at: int, end: int) -> tuple[int, int]:
        """Return the next run of data within `at` to `end`: start and stop, both `end` where only a hole is left."""

    def bytes_max(self, fd: int) -> int:
        """Return how large an open file may be; it may have grown since the scan."""

    def xattrs(self, fd: int) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes, sorted by name."""

    def folder_xattrs(self, path: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes of the folder at `path`, sorted by name; none when it cannot be opened."""

    def doubt(self, path: bytes, head: bytes | memoryview) -> tuple[str, str] | None:
        """Return code and sentence when a copy of a file that starts with `head` (16 bytes) cannot be trusted.

        Such a file is kept as it was read, and read again by the next backup.
        """

    def stream(self, path: bytes) -> SourceStream:
        """Open the stream at `path`. Raises StreamFailed."""

    def close(self) -> None:
        """Release it."""


class SourceStream(Protocol):
    """Content of unknown length, such as a database's dump."""

    def read_into(self, view: memoryview) -> int:
        """Fill the start of `view`; return the number of bytes, 0 at the end of a whole stream. Raises StreamFailed."""

    def close(self) -> None:
        """End it, whatever it is doing."""


class ReadableSource(Protocol):
    """The part of a source that a worker needs; it is pickled to the worker."""

    def reader(self) -> SourceReader:
        """Return a reader of the source's files."""

    def descriptors(self) -> Sequence[int]:
        """Return the descriptors by which a reader reads, and which a worker must have."""


class Source(ReadableSource, Protocol):
    """The place of an application's data."""

    def scan(self) -> Scan:
        """Walk it. Raises OSError when it cannot be walked at all."""

    def settle(self, scan: Scan, read: NDArray[np.int64], is_before: NDArray[np.bool_]) -> Settled:
        """Prepare the entries that will be read; called once, before the first file is opened.

        `is_before`: for each entry, True if its content can come from the previous backup. Raises SourceFailed,
        Cancelled.
        """

    def check_read(self, content_bytes: int) -> None:
        """Look at how much the backup has so far, read and taken over; called after each job.

        Files may have grown since the scan. Raises an error when it is more than a backup of this source may have.
        """

    def file_read(self, path: bytes) -> None:
        """Release one file, as all its parts were read; called for each of more than one job's size.

        Raises TakeAgain when what was read must not be kept.
        """

    def close_reading(self) -> Sequence[bytes]:
        """Release the application, as everything is read; return the files that the next backup reads again.

        Raises TakeAgain when what was read must not be kept.
        """


@dataclass(frozen=True, slots=True)
class Settled:
    """The entries to be read, as the source prepared them."""

    scan: Scan
    """The tree, perhaps with other entries than before."""
    from_before: Sequence[int] = ()
    """Entries whose content is taken from the previous backup; the next backup reads them again."""
