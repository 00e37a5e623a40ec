"""An archive as a source: unpacked once, then scanned and read like a folder."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.sources.archive.scratch import Scratch, ScratchReader
from holdfast.vault.control import NEVER, Control

if TYPE_CHECKING:
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

    from holdfast.sources.archive.errors import Limits
    from holdfast.vault.source import Scan, Settled
    from holdfast.vault.source import Scan as ScanView


@dataclass(frozen=True)
class ArchiveSource:
    """The unpacked archive. May be pickled; the copy can read, and not scan again."""

    scratch: Scratch
    has_xattrs: bool
    files: int
    """Number of files that a whole backup of it has."""
    tree: Scan | None

    def scan(self) -> Scan:
        """Return the contents of the archive."""
        assert self.tree is not None
        return self.tree

    def settle(self, scan: ScanView, read: NDArray[np.int64], is_before: NDArray[np.bool_]) -> Settled:
        """Do nothing: everything was prepared when the archive was unpacked."""
        from holdfast.vault.source import Settled

        return Settled(scan)

    def check_read(self, content_bytes: int) -> None:
        """Do nothing: its size was bounded when it was unpacked, and nobody else writes there."""

    def file_read(self, path: bytes) -> None:
        """Do nothing: nothing is held."""

    def close_reading(self) -> tuple[bytes, ...]:
        """Do nothing: nothing is held, and each file tells by its stat when it must be read again."""
        return ()

    def descriptors(self) -> tuple[int, ...]:
        """Return none: files are opened as they are read."""
        return ()

    def reader(self) -> ScratchReader:
        """Return a reader of the contents."""
        return ScratchReader(self.scratch, has_xattrs=self.has_xattrs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "tree": None}


def check_archive(path: Path, limits: Limits) -> None:
    """Refuse files that are clearly wrong without unpacking: not an archive, a zip with a bad directory.

    Raises ArchiveRefused, OSError.
    """
    from holdfast.sources.archive import tar, zip

    with path.open("rb") as file:
        if _is_zip(file):
            zip.check_directory(file, limits)
        else:
            tar.check_start(file, limits)


def unpack(
    path: Path,
    folder: Path,
    limits: Limits,
    *,
    owner: tuple[int, int] = (0, 0),
    control: Control = NEVER,
) -> ArchiveSource:
    """Unpack an archive into `folder`, which must not be there; whoever calls this removes it.

    `owner`: uid and gid where the archive has none. Raises ArchiveRefused, ArchiveTooLarge, ScratchFailed,
    Cancelled.
    """
    # Here, not above: worker processes load this module for its reader and have no use for numpy.
    from holdfast.sources.archive.errors import ScratchFailed
    from holdfast.sources.archive.scratch import DiskWatch
    from holdfast.sources.archive.tar import TarReader
    from holdfast.sources.archive.tree import Tree
    from holdfast.sources.archive.zip import ZipReader

    scratch, tree = Scratch(str(folder)), Tree(limits)
    has_xattrs = False
    try:
        scratch.make()
        disk = DiskWatch(scratch.folder)
        with path.open("rb") as file:
            if _is_zip(file):
                zip_reader = ZipReader(file, tree, limits, owner)
                zip_reader.read_directory()
                zip_reader.read_contents(scratch, disk, control)
            else:
                tar_reader = TarReader(file, tree, scratch, limits, disk, control)
                tar_reader.read()
                has_xattrs = tar_reader.has_xattrs
        return ArchiveSource(scratch, has_xattrs, tree.files, tree.scan())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            why = "the disk is too full to unpack the archive; the operator must free space, then import it again"
        else:
            why = f"the archive could not be unpacked ({error.strerror or error}); see the disk of the instance"
        raise ScratchFailed(f"On the server, {why}.") from error


def _is_zip(file: BinaryIO) -> bool:
    start = file.read(4)
    file.seek(0)
    return start in (b"PK\x03\x04", b"PK\x05\x06")
