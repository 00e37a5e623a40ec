"""Changes between two walks of a folder: the entries that stayed the same, and how far a stat can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.units import SECOND_NS
from holdfast.vault.manifest.previous import PreviousEntries
from holdfast.vault.source import ContentOrigin, Scan

RACY_NS = 50_000_000
"""A file changed less than this before the scan may change again within the same tick of the file system's clock
(at most 10 ms on Linux), unseen; it is read again next time."""


RACY_WHOLE_SECONDS_NS = 2 * SECOND_NS
"""The same where the file system only keeps whole seconds (or two, FAT)."""


def match_paths(scan: Scan, before: PreviousEntries) -> NDArray[np.int64]:
    """Return for each entry of the scan the number of the previous backup's entry of the same path, or -1."""
    return scan.paths.match(before.paths)


def same_stat(scan: Scan, before: PreviousEntries, match: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return True for each entry that has not changed since the previous backup, as far as its stat tells.

    The device number is left out: it changes with every boot on some file systems, and inode, ctime, mtime and size
    together already tell.
    """
    if not len(before):
        return np.zeros(len(match), bool)
    same = match >= 0
    for name in ("kind", "mode", "uid", "gid", "mtime_ns", "ctime_ns", "inode"):
        same &= getattr(scan, name) == getattr(before, name)[match]
    same &= (scan.size == before.size[match]) | (scan.content == ContentOrigin.COPY)
    return same


def safe_ctime(ctime_ns: NDArray[np.int64], scanned_ns: int) -> NDArray[np.int64]:
    """Return ctime as the manifest stores it: 0 (never equal) where a later change could have the same one."""
    margin = np.where(ctime_ns % SECOND_NS == 0, RACY_WHOLE_SECONDS_NS, RACY_NS)
    return np.where(ctime_ns > scanned_ns - margin, 0, ctime_ns)
