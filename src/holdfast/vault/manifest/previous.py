"""All entries of the previous backup as columns, to compare a scan with, or to restore."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.manifest.block import EXTENT_DTYPE, Block, unpack_extents
from holdfast.vault.manifest.columns import COLUMNS, EntryColumns, starts_of
from holdfast.vault.manifest.entry import NO_EXTRA, Entry, Extra, Kind, decode_extra
from holdfast.vault.path_tree import PathTreeBuilder

_GROUP_PATH_BYTES = 16 * 1024 * 1024

_KEPT = {name: dtype for name, dtype in COLUMNS.items() if name not in ("device", "path_length")}
_KEPT["extents"] = EXTENT_DTYPE


def _groups(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield blocks in groups, each with some MiB of whole paths."""
    group: list[Block] = []
    size = 0
    for block in blocks:
        group.append(block)
        size += len(block.path_bytes)
        if size >= _GROUP_PATH_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


class PreviousEntries(EntryColumns):
    """All entries of the previous backup, without their devices, which are never compared."""

    extents: NDArray[np.void]

    def __init__(self, blocks: Iterable[Block]) -> None:
        extras: list[bytes] = []
        self.block_starts: list[int] = [0]
        """Number of the first entry of each block, and the count of all entries at the end."""
        paths = PathTreeBuilder()
        parts = []
        # A part at a time, as the whole paths of all blocks together may take more memory than there is.
        for group in _groups(blocks):
            paths.add(b"".join(b.path_bytes for b in group), np.concatenate([b.path_length for b in group]))
            parts.append({name: np.concatenate([getattr(b, name) for b in group]) for name in _KEPT})
            extras.append(b"".join(b.extra_bytes for b in group))
            for block in group:
                self.block_starts.append(self.block_starts[-1] + len(block))
        for name, dtype in _KEPT.items():
            setattr(self, name, np.concatenate([part[name] for part in parts]) if parts else np.empty(0, dtype))
        self.extra_bytes = b"".join(extras)
        self.paths = paths.tree()
        self.path_length = self.paths.lengths

    def __len__(self) -> int:
        return len(self.kind)

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
    """Return entry `i` with its content; fields that a restore does not need are zero."""
    extents = int(before.extent_starts[i])
    return Entry(
        path=before.paths[i],
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
