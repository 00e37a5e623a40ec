"""A directory as a source."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.sources.reader import DirectoryReader, SourceFileRefused, open_root

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from holdfast.sources.port import Scan
    from holdfast.vault.archive import Settled
    from holdfast.vault.columns import Scan as ScanView


@dataclass(frozen=True)
class DirectorySource:
    """The tree below `root`, but for the paths `excluded` (relative, with all below them). May be pickled."""

    root: Path
    excluded: tuple[bytes, ...] = ()

    def scan(self, cancelled: Callable[[], bool] = lambda: False) -> Scan:
        """Walk the tree. Raises SourceMissing, SourceError, Cancelled."""
        # Here, not above: worker processes load this module for its reader and have no use for numpy.
        from holdfast.sources.port import SourceError, SourceMissing
        from holdfast.sources.walk import walk

        try:
            fd = open_root(self.root)
        except SourceFileRefused:
            raise SourceError(
                f"A link has come into the path of the application's folder {self.root}; put the folder back, "
                "or give the application the path where it is now."
            ) from None
        except (FileNotFoundError, NotADirectoryError):
            raise SourceMissing(
                f"The application's folder {self.root} does not exist (or is no folder any more); "
                "put it back or give the application another path."
            ) from None
        except OSError as error:
            raise SourceError(
                f"The application's folder {self.root} cannot be opened ({error.strerror}); "
                "give the backup's user the right to read it."
            ) from None
        try:
            return walk(fd, self.excluded, cancelled)
        finally:
            os.close(fd)

    def settle(self, scan: ScanView, read: NDArray[np.int64], is_before: NDArray[np.bool_]) -> Settled:
        """Nothing is to be made ready."""
        from holdfast.vault.archive import Settled

        return Settled(scan)

    def close_reading(self) -> None:
        """Nothing is held."""

    def reader(self) -> DirectoryReader:
        """A reader of the files. Raises OSError when the folder cannot be opened."""
        return DirectoryReader(self.root)
