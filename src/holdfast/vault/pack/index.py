"""The index of one vault: the place of each chunk, as packed sorted arrays. About 36 bytes a chunk, without objects.

A chunk is found by the first 16 bytes of its id. The ids are keyed, so nobody can construct two that agree there, and
chance will not (2^-64 at 2^32 chunks); if it did, the record would not open, because its associated data has all 32
bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.table import open_table

_PREFIX = np.dtype([("high", ">u8"), ("low", ">u8"), ("rest", "V16")])


@dataclass(frozen=True, slots=True)
class Places:
    """The places of chunks: columns of one length, in the order of the request. `pack` is -1 for unknown ones."""

    pack: NDArray[np.int32]
    offset: NDArray[np.uint32]
    stored: NDArray[np.uint32]
    origin: NDArray[np.uint32]
    counter: NDArray[np.uint32]


class Index:
    """An immutable index over some packs; `with_packs` gives a larger one."""

    def __init__(
        self,
        packs: tuple[bytes, ...],
        origins: tuple[bytes, ...],
        high: NDArray[np.uint64],
        low: NDArray[np.uint64],
        places: Places,
    ) -> None:
        self.packs = packs
        """Pack ids; `Places.pack` counts in this."""
        self.origins = origins
        """Salts; `Places.origin` counts in this."""
        self.high = high
        self.low = low
        self._places = places

    @staticmethod
    def empty() -> Index:
        """Return the index of a vault without packs."""
        none = np.empty(0, np.uint32)
        return Index(
            (),
            (),
            np.empty(0, np.uint64),
            np.empty(0, np.uint64),
            Places(none.astype(np.int32), none, none, none, none),
        )

    def __len__(self) -> int:
        return len(self.high)

    def with_packs(self, keys: VaultKeys, rows: Iterable[PackRow]) -> Index:
        """Return this index with the chunks of the given packs added; of a chunk in two packs, the first counts."""
        # All ids and places are put one after the other, the old ones first, and sorted by id. The sort is stable, so
        # of equal ids the one of the earlier pack comes first, and the others are dropped. Tables count their packs and
        # origins from zero: what was there before is added to them.
        packs, origins = list(self.packs), list(self.origins)
        old = self._places
        highs, lows = [self.high], [self.low]
        columns: list[list[NDArray[Any]]] = [[old.pack], [old.offset], [old.stored], [old.origin], [old.counter]]
        for row in rows:
            table = open_table(keys, row)
            ids = np.frombuffer(table.ids, _PREFIX)
            highs.append(ids["high"].astype(np.uint64))
            lows.append(ids["low"].astype(np.uint64))
            columns[0].append(np.full(len(table), len(packs), np.int32))
            columns[1].append(table.offsets)
            columns[2].append(table.stored)
            columns[3].append(table.origin.astype(np.uint32) + np.uint32(len(origins)))
            columns[4].append(table.counter)
            packs.append(row.pack_id)
            origins += table.origins
        high, low = np.concatenate(highs), np.concatenate(lows)
        order = np.lexsort((low, high))
        high, low = high[order], low[order]
        first = np.ones(len(high), bool)
        first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        order, high, low = order[first], high[first], low[first]
        merged = [np.concatenate(c)[order] for c in columns]
        return Index(tuple(packs), tuple(origins), high, low, Places(*merged))

    def positions(self, ids: bytes) -> NDArray[np.int64]:
        """Return the positions of the chunks whose 32-byte ids lie back to back in `ids`; -1 for unknown ones."""
        wanted = np.frombuffer(ids, _PREFIX)
        if not len(self.high):
            return np.full(len(wanted), -1, np.int64)
        high, low = wanted["high"].astype(np.uint64), wanted["low"].astype(np.uint64)
        at = np.minimum(np.searchsorted(self.high, high), len(self.high) - 1)
        # Two chunks that share the first 8 bytes of their ids stand side by side: step to the right one.
        while True:
            step = (self.high[at] == high) & (self.low[at] < low) & (at + 1 < len(self.high))
            if not step.any():
                break
            at = at + step
        found = (self.high[at] == high) & (self.low[at] == low)
        return np.where(found, at, -1)

    def locate(self, ids: bytes) -> Places:
        """Return the places of the chunks whose 32-byte ids lie back to back in `ids`."""
        at = self.positions(ids)
        p = self._places
        if not len(self.high):
            none = np.zeros(len(at), np.uint32)
            return Places(at.astype(np.int32), none, none, none, none)
        return Places(np.where(at >= 0, p.pack[at], -1), p.offset[at], p.stored[at], p.origin[at], p.counter[at])

    def pack_column(self) -> NDArray[np.int32]:
        """Return the pack of each chunk (its number in `packs`), in the order of `high` and `low`."""
        return self._places.pack

    def offset_column(self) -> NDArray[np.uint32]:
        """Return the offset of each chunk's record in its pack, in the order of `high` and `low`."""
        return self._places.offset

    def stored_column(self) -> NDArray[np.uint32]:
        """Return the stored length of each chunk, in the order of `high` and `low`."""
        return self._places.stored
