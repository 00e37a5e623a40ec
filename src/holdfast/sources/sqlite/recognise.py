"""Recognising the SQLite databases of a scan, and their changes.

Format: https://www.sqlite.org/fileformat2.html (header, page sizes), https://www.sqlite.org/walformat.html (sidecars).
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.sources.port import SourceTooLarge
from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.header import is_header
from holdfast.units import MIB
from holdfast.vault.control import NEVER, Control
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.source import SCAN_COLUMNS, ContentOrigin, Scan

SIDECARS = (b"-wal", b"-shm", b"-journal")
PAGE_BYTES_MIN = 512
"""A database is a whole number of pages, and no page is smaller. So only few files have to be opened to be asked."""

PATH_BYTES_MAX = 64 * MIB
"""Of all databases of a folder: each is kept with its whole path."""

_LOG = struct.Struct("<qQQ")
_COPIED = np.uint64(0x53514C6974650001)
"""Mixed into the inode of a database: an entry whose content is not a copy is never taken for an unchanged one."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database in a scan. `number`: of its entry; `wal`: of its write-ahead log, or None."""

    number: int
    path: bytes
    wal: int | None
    sidecars: tuple[int, ...]


def recognise(scan: Scan, is_database: Callable[[bytes], bool]) -> list[Database]:
    """Return the databases of a scan, in order; `is_database(path)` looks at a file's header.

    Raises SourceTooLarge.
    """
    paths = scan.paths
    is_file = scan.kind == Kind.FILE
    could_be = is_file & (scan.size > 0) & (scan.size % np.uint64(PAGE_BYTES_MIN) == 0)
    found, size = dict[bytes, int](), 0
    for i in could_be.nonzero()[0].tolist():
        if is_database(path := paths[i]):
            found[path] = i
            size += len(path)
            if size > PATH_BYTES_MAX:
                raise SourceTooLarge(
                    f"The paths of the folder's SQLite databases take more than {PATH_BYTES_MAX:,} bytes, too many for "
                    "a backup; remove some, or leave some out with ignore patterns."
                )
    if not found:
        return []
    last = paths.last_bytes()
    sidecars = {}
    for i in (is_file & ((last == ord("l")) | (last == ord("m")))).nonzero()[0].tolist():
        path = paths[i]
        if path.endswith(SIDECARS) and path[: path.rindex(b"-")] in found:
            sidecars[path] = i
    return [
        Database(
            number=i,
            path=path,
            wal=sidecars.get(path + b"-wal"),
            sidecars=tuple(sidecars[path + end] for end in SIDECARS if path + end in sidecars),
        )
        for path, i in found.items()
    ]


def find_databases(
    scan: Scan,
    reader: DirectoryReader,
    known: Container[bytes] = (),
    control: Control = NEVER,
) -> list[Database]:
    """Return the databases of a scan of the reader's folder, but for those `known` to be none. Raises Cancelled."""

    def is_database(path: bytes) -> bool:
        control.check("It was cancelled while databases were looked for.")
        if path in known:
            return False
        try:
            fd = reader.open(path)
        except OSError:
            return False  # reading it will report the reason
        try:
            return is_header(os.pread(fd, 16, 0))
        except OSError:
            return False
        finally:
            os.close(fd)

    return recognise(scan, is_database)


def fold(scan: Scan, databases: Sequence[Database]) -> None:
    """Give the entries of databases the change times of their write-ahead logs too, and mark them as copied."""
    for database in databases:
        i, wal = database.number, database.wal
        scan.content[i] = ContentOrigin.COPY
        scan.inode[i] ^= _COPIED
        if wal is not None and scan.size[wal]:
            # The log's own stat as well as the later time: after a clock was set back the later one may be old. Not
            # its ctime: SQLite changes that of a log that root opens (it gives it to the database's owner).
            version = _LOG.pack(int(scan.mtime_ns[wal]), int(scan.size[wal]), int(scan.inode[wal]))
            scan.inode[i] ^= np.uint64(int.from_bytes(blake2b(version, digest_size=8).digest(), "little"))
            scan.ctime_ns[i] = max(scan.ctime_ns[i], scan.mtime_ns[wal])
            scan.mtime_ns[i] = max(scan.mtime_ns[i], scan.mtime_ns[wal])


def unfold(scan: Scan, databases: Sequence[Database]) -> None:
    """Turn the entries of files that are not databases after all back into plain files, which will be read."""
    for database in databases:
        scan.content[database.number] = ContentOrigin.FILE
        scan.ctime_ns[database.number] = -1  # equal to that of no entry, so it is read


class Without:
    """A scan without some of its entries, and how its numbers are those of the whole one."""

    def __init__(self, whole: Scan, removed: Sequence[int]) -> None:
        """`removed`: numbers of files in the whole scan."""
        self._removed = sorted(removed)
        self.scan = _dropped(whole, self._removed) if removed else whole

    def number(self, whole_number: int) -> int:
        """Return the number that an entry has here."""
        return whole_number - bisect_left(self._removed, whole_number)


def _dropped(scan: Scan, removed: list[int]) -> Scan:
    keep: NDArray[np.bool_] = np.ones(len(scan.kind), bool)
    keep[removed] = False
    columns: dict[str, Any] = {name: getattr(scan, name)[keep] for name in SCAN_COLUMNS}
    return replace(scan, **columns, paths=scan.paths.only(keep), spared=[])
