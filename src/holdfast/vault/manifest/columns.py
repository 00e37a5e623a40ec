"""Columns: the fields that every entry has as numpy arrays, one element an entry, and runs in shared arrays.

The variable parts of entries (paths, extents, extras) stand back to back in shared arrays, and an entry names a run in
them; `gather` puts the runs of the wanted entries back to back. Nothing here makes an object per file.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.source import columns_of


class EntryColumns:
    """The table of fields: name, type and, in a block, the order of the columns (docs/formats.md, "Block").

    Times are in nanoseconds since 1970, sizes in bytes. The lengths and the count say how much of the shared arrays is
    an entry's.
    """

    kind: NDArray[np.uint8]
    mode: NDArray[np.uint16]
    uid: NDArray[np.uint32]
    gid: NDArray[np.uint32]
    mtime_ns: NDArray[np.int64]
    size: NDArray[np.uint64]
    crc32: NDArray[np.uint32]
    stored_sum: NDArray[np.uint64]
    extent_count: NDArray[np.uint32]
    path_length: NDArray[np.uint16]
    extra_length: NDArray[np.uint32]
    ctime_ns: NDArray[np.int64]
    inode: NDArray[np.uint64]
    device: NDArray[np.uint64]


COLUMNS = columns_of(EntryColumns)


def split(blob: bytes, lengths: NDArray[np.integer]) -> list[bytes]:
    """Cut `blob` into pieces of the given lengths."""
    ends = lengths.cumsum(dtype=np.int64).tolist()
    return [blob[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []


def starts_of(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the start of each piece when pieces of the given lengths lie back to back."""
    counts: NDArray[np.int64] = lengths.astype(np.int64)
    ends: NDArray[np.int64] = counts.cumsum()
    return ends - counts


def gather(starts: NDArray[np.int64], lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the positions of the runs (`starts`, `lengths`), one run after the other."""
    counts = lengths.astype(np.int64)
    total = int(counts.sum())
    shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    positions: NDArray[np.int64] = np.arange(total, dtype=np.int64) + shift
    return positions
