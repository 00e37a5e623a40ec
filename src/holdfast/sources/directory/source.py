"""A directory as a source."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.sources.directory.bounds import BOUNDS, TreeBounds
from holdfast.sources.reader import DirectoryReader, SourceFileRefused, open_root
from holdfast.vault.control import NEVER, Control

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from holdfast.vault.source import Scan, Settled
    from holdfast.vault.source import Scan as ScanView


@dataclass(frozen=True)
class DirectorySource:
    """The tree below `root`, but for the paths `excluded` (relative, with all below them). May be pickled.

    `ignore`: patterns of the application's settings, after which come those of its `.backupignore`; None: nothing is
    ignored, whatever the folder says.
    """

    root: Path
    excluded: tuple[bytes, ...] = ()
    ignore: tuple[str, ...] | None = None
    bounds: TreeBounds = BOUNDS

    def scan(self, control: Control = NEVER) -> Scan:
        """Walk the tree; nothing that patterns leave out is in it.

        Raises SourceMissing, SourceTooLarge, SourceError, Cancelled.
        """
        scan = self.scan_with_spared(control)
        if scan.spared:
            from holdfast.sources.sqlite.recognise import Without

            return Without(scan, scan.spared).scan
        return scan

    def scan_with_spared(self, control: Control = NEVER) -> Scan:
        """As `scan`, but ignored files that may be sidecars of databases are still there, as `spared`."""
        # Here, not above: worker processes load this module for its reader and have no use for numpy.
        from holdfast.sources.port import SourceError, SourceMissing

        try:
            fd = open_root(self.root)
        except SourceFileRefused:
            raise SourceError(
                f"The path of the application's folder {self.root} now contains a link; put the folder back, "
                "or set its new place with `holdfast app set-path`."
            ) from None
        except (FileNotFoundError, NotADirectoryError):
            raise SourceMissing(
                f"The application's folder {self.root} does not exist (or is no longer a folder); "
                "put it back, or set its new place with `holdfast app set-path`."
            ) from None
        except OSError as error:
            raise SourceError(
                f"The application's folder {self.root} cannot be opened ({error.strerror}); "
                "give the user that takes the backups permission to read it."
            ) from None
        try:
            return self._walk(fd, control)
        finally:
            os.close(fd)

    def _walk(self, fd: int, control: Control) -> Scan:
        from holdfast.sources.directory.ignore import PatternsTooSlow, Rules, patterns_of, read_ignore_file, too_slow
        from holdfast.sources.directory.walk import walk
        from holdfast.vault.path_warnings import PathWarnings

        if self.ignore is None:
            return walk(fd, self.excluded, bounds=self.bounds, control=control)
        ours = patterns_of(self.ignore)
        theirs, notices = read_ignore_file(fd)
        # Of patterns made to take long, the folder's are dropped first: its owner can write them at any time.
        for patterns, slow in (([*ours, *theirs], theirs), (ours, ours)):
            try:
                scan = walk(fd, self.excluded, Rules(patterns), self.bounds, control)
                break
            except PatternsTooSlow:
                if slow:
                    notices.append(too_slow(slow[0]))
                os.lseek(fd, 0, os.SEEK_SET)  # a walk reads the folder on from where the one before stopped
        else:
            scan = walk(fd, self.excluded, bounds=self.bounds, control=control)
        scan.notices = PathWarnings([*notices, *scan.notices], scan.notices.more)
        return scan

    def settle(self, scan: ScanView, read: NDArray[np.int64], is_before: NDArray[np.bool_]) -> Settled:
        """Do nothing: files are read as they are."""
        from holdfast.vault.source import Settled

        return Settled(scan)

    def check_read(self, content_bytes: int) -> None:
        """Raise SourceTooLarge when the files have grown beyond the bound of the tree while they were read."""
        from holdfast.sources.directory.bounds import check_read

        check_read(content_bytes, self.bounds)

    def file_read(self, path: bytes) -> None:
        """Do nothing: nothing is held."""

    def close_reading(self) -> tuple[bytes, ...]:
        """Do nothing: nothing is held, and each file tells by its stat when it must be read again."""
        return ()

    def descriptors(self) -> tuple[int, ...]:
        """Return none: files are opened as they are read."""
        return ()

    def reader(self) -> DirectoryReader:
        """Return a reader of the files. Raises OSError when the folder cannot be opened."""
        bounds = self.bounds
        return DirectoryReader(self.root, file_bytes_max=bounds.file_bytes, content_bytes_max=bounds.content_bytes)
