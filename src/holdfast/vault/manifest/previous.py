"""All entries of the backup before as columns: what a scan is compared with, and what a restore brings back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.manifest.block import EXTENT_DTYPE, Block, unpack_extents
from holdfast.vault.manifest.columns import COLUMNS, EntryColumns, starts_of
from holdfast.vault.manifest.entry import NO_EXTRA, Entry, Extra, Kind, decode_extra


class PreviousEntries(EntryColumns):
    """All entries of the previous backup, without their devices, which are never compared."""

    def __init__(self, blocks: Iterable[Block]) -> None:
        parts = list(blocks)
        for name, dtype in COLUMNS.items():
            if name != "device":
                column = np.concatenate([getattr(b, name) for b in parts]) if parts else np.empty(0, dtype)
                setattr(self, name, column)
        self.path_bytes = b"".join(b.path_bytes for b in parts)
        self.extents = np.concatenate([b.extents for b in parts]) if parts else np.empty(0, EXTENT_DTYPE)
        self.extra_bytes = b"".join(b.extra_bytes for b in parts)
        self.block_starts: list[int] = [0, *np.cumsum([len(b) for b in parts]).tolist()] if parts else [0]
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
        """Return the bytes of the extra of entry `i`; none for most."""
        start = int(self.extra_starts[i])
        return self.extra_bytes[start : start + int(self.extra_length[i])]

    def extra(self, i: int) -> Extra:
        """Return the extra of entry `i` (an empty one for most)."""
        return decode_extra(data) if (data := self.extra_data(i)) else NO_EXTRA


def content_of(before: PreviousEntries, i: int) -> Entry:
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
