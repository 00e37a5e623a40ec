"""The shared index: the part of an index that ingest needs, in memory that the worker processes share."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence

import numpy as np

from holdfast.vault.pack.index import Index, Places


class SharedIndex:
    """The columns of an index that ingest needs, in memory that worker processes share: 20 bytes a chunk."""

    def __init__(self, index: Index) -> None:
        self._index = index

    def stored(self, ids: Sequence[bytes]) -> list[int | None]:
        """Return for each id the stored length of its chunk, or None when the vault does not have it."""
        if not len(self._index):
            return [None] * len(ids)
        places = self._index.locate(b"".join(ids))
        return [
            None if pack < 0 else stored
            for pack, stored in zip(places.pack.tolist(), places.stored.tolist(), strict=True)
        ]

    @staticmethod
    def share(index: Index) -> int:
        """Return a descriptor of memory with the index's columns, to be passed to the workers."""
        fd = os.memfd_create("holdfast-known", os.MFD_CLOEXEC)
        for column in (index.high, index.low, index.stored_column()):
            data = memoryview(column.tobytes())
            while data:
                data = data[os.write(fd, data) :]
        return fd

    @staticmethod
    def attach(fd: int, count: int) -> SharedIndex:
        """Map the shared columns of `count` chunks."""
        if not count:
            return SharedIndex(Index.empty())
        memory = mmap.mmap(fd, count * 20, access=mmap.ACCESS_READ)
        high = np.frombuffer(memory, np.uint64, count)
        low = np.frombuffer(memory, np.uint64, count, 8 * count)
        stored = np.frombuffer(memory, np.uint32, count, 16 * count)
        none = np.zeros(count, np.uint32)
        return SharedIndex(Index((), (), high, low, Places(none.view(np.int32), none, stored, none, none)))
