"""Columns: the entries of a whole backup as numpy arrays, and the joining of a scan with the backup before it.

Variable parts (extents, extras) stay where they are; an entry names a run in a shared array, and `gather` puts the
runs of the wanted entries back to back. Nothing here makes an object per file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.manifest.block import EXTENT_DTYPE, Block, unpack_extents
from holdfast.vault.manifest.entry import NO_EXTRA, Entry, Extra, Kind, decode_extra


def split(blob: bytes, lengths: NDArray[np.integer]) -> list[bytes]:
    """Cut `blob` into pieces of the given lengths."""
    ends = lengths.cumsum(dtype=np.int64).tolist()
    return [blob[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)] if ends else []


def starts_of(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Where each piece starts when pieces of the given lengths stand back to back."""
    counts: NDArray[np.int64] = lengths.astype(np.int64)
    ends: NDArray[np.int64] = counts.cumsum()
    return ends - counts


def gather(starts: NDArray[np.int64], lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Positions of the runs (`starts`, `lengths`), one run after the other."""
    counts = lengths.astype(np.int64)
    total = int(counts.sum())
    shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
    positions: NDArray[np.int64] = np.arange(total, dtype=np.int64) + shift
    return positions


@dataclass
class Before:
    """All entries of the backup before this one."""

    kind: NDArray[np.uint8]
    mode: NDArray[np.uint16]
    uid: NDArray[np.uint32]
    gid: NDArray[np.uint32]
    mtime_ns: NDArray[np.int64]
    ctime_ns: NDArray[np.int64]
    size: NDArray[np.uint64]
    inode: NDArray[np.uint64]
    crc32: NDArray[np.uint32]
    stored_sum: NDArray[np.uint64]
    path_length: NDArray[np.uint16]
    extent_count: NDArray[np.uint32]
    extra_length: NDArray[np.uint32]
    path_bytes: bytes
    extents: NDArray[np.void]
    extra_bytes: bytes
    block_starts: list[int]
    """Number of the first entry of each block, and the count of all entries at the end."""

    def __len__(self) -> int:
        return len(self.kind)

    @cached_property
    def path_starts(self) -> NDArray[np.int64]:
        """Start of each path in `path_bytes`."""
        return starts_of(self.path_length)

    @cached_property
    def extent_starts(self) -> NDArray[np.int64]:
        """Start of each entry's extents in `extents`."""
        return starts_of(self.extent_count)

    @cached_property
    def extra_starts(self) -> NDArray[np.int64]:
        """Start of each entry's extra in `extra_bytes`."""
        return starts_of(self.extra_length)

    def extra_data(self, i: int) -> bytes:
        """The bytes of the extra of entry `i`; none for most."""
        start = int(self.extra_starts[i])
        return self.extra_bytes[start : start + int(self.extra_length[i])]

    def extra(self, i: int) -> Extra:
        """The extra of entry `i` (an empty one for most)."""
        return decode_extra(data) if (data := self.extra_data(i)) else NO_EXTRA


def content_of(before: Before, i: int) -> Entry:
    """Entry `i` with its content; what a restore does not need of it is left at zero."""
    path, extents = int(before.path_starts[i]), int(before.extent_starts[i])
    return Entry(
        path=before.path_bytes[path : path + int(before.path_length[i])],
        kind=Kind(int(before.kind[i])),
        mode=int(before.mode[i]),
        uid=int(before.uid[i]),
        gid=int(before.gid[i]),
        mtime_ns=int(before.mtime_ns[i]),
        size=int(before.size[i]),
        crc32=int(before.crc32[i]),
        extents=tuple(unpack_extents(before.extents[extents : extents + int(before.extent_count[i])])),
        extra=before.extra(i),
    )


def before_of(blocks: Iterable[Block]) -> Before:
    """Join the blocks of a backup."""
    parts = list(blocks)

    def joined(name: str, dtype: str) -> NDArray[Any]:
        columns = [getattr(b, name) for b in parts]
        return np.concatenate(columns) if columns else np.empty(0, dtype)

    lengths = [len(b) for b in parts]
    return Before(
        kind=joined("kind", "u1"),
        mode=joined("mode", "<u2"),
        uid=joined("uid", "<u4"),
        gid=joined("gid", "<u4"),
        mtime_ns=joined("mtime_ns", "<i8"),
        ctime_ns=joined("ctime_ns", "<i8"),
        size=joined("size", "<u8"),
        inode=joined("inode", "<u8"),
        crc32=joined("crc32", "<u4"),
        stored_sum=joined("stored_sum", "<u8"),
        path_length=joined("path_length", "<u2"),
        extent_count=joined("extent_count", "<u4"),
        extra_length=joined("extra_length", "<u4"),
        path_bytes=b"".join(b.path_bytes for b in parts),
        extents=np.concatenate([b.extents for b in parts]) if parts else np.empty(0, EXTENT_DTYPE),
        extra_bytes=b"".join(b.extra_bytes for b in parts),
        block_starts=[0, *np.cumsum(lengths).tolist()] if parts else [0],
    )
