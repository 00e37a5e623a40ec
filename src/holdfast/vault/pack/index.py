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

Ids = NDArray[np.uint64]


def prefixes(ids: bytes) -> tuple[Ids, Ids]:
    """Return the first and the second 8 bytes of ids of 32 bytes, which lie back to back."""
    columns = np.frombuffer(ids, _PREFIX)
    return columns["high"].astype(np.uint64), columns["low"].astype(np.uint64)


def places_of(high: Ids, low: Ids, wanted_high: Ids, wanted_low: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Find ids in sorted ones: return where each is or would have to be inserted, and if it is there."""
    at = np.searchsorted(high, wanted_high)
    if not len(high):
        return at, np.zeros(len(at), bool)
    last = len(high) - 1
    # Two chunks that share the first 8 bytes of their ids stand side by side: step to the right one.
    while True:
        near = np.minimum(at, last)
        step = (at <= last) & (high[near] == wanted_high) & (low[near] < wanted_low)
        if not step.any():
            break
        at = at + step
    return at, (at <= last) & (high[near] == wanted_high) & (low[near] == wanted_low)


class Insertion:
    """Elements that come into sorted columns; `at`: in front of which old ones, in order."""

    def __init__(self, at: NDArray[np.int64], old: int) -> None:
        self._new = at + np.arange(len(at))
        self._stays = np.ones(old + len(at), bool)
        self._stays[self._new] = False

    def into(self, old: NDArray[Any], new: NDArray[Any]) -> NDArray[Any]:
        """Return an old column with the new elements in it."""
        merged = np.empty((len(self._stays), *old.shape[1:]), old.dtype)
        merged[self._stays] = old
        merged[self._new] = new
        return merged


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
        high: Ids,
        low: Ids,
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
        # Only what is added is sorted; what was there keeps its order, and is copied around it. The sort is stable, so
        # of equal ids the one of the earlier pack comes first, and the others are dropped. Tables count their packs and
        # origins from zero: what was there before is added to them.
        packs, origins = list(self.packs), list(self.origins)
        highs, lows = [np.empty(0, np.uint64)], [np.empty(0, np.uint64)]
        columns: list[list[NDArray[Any]]] = [[column[:0]] for column in self._columns()]
        for row in rows:
            table = open_table(keys, row)
            high, low = prefixes(table.ids)
            highs.append(high)
            lows.append(low)
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
        at, is_known = places_of(self.high, self.low, high, low)
        added = Insertion(at[~is_known], len(self))
        order = order[~is_known]
        merged = [
            added.into(old, np.concatenate(new)[order]) for old, new in zip(self._columns(), columns, strict=True)
        ]
        high, low = added.into(self.high, high[~is_known]), added.into(self.low, low[~is_known])
        return Index(tuple(packs), tuple(origins), high, low, Places(*merged))

    def _columns(self) -> tuple[NDArray[Any], ...]:
        p = self._places
        return p.pack, p.offset, p.stored, p.origin, p.counter

    def positions(self, ids: bytes) -> NDArray[np.int64]:
        """Return the positions of the chunks whose 32-byte ids lie back to back in `ids`; -1 for unknown ones."""
        return self.positions_of(*prefixes(ids))

    def positions_of(self, high: Ids, low: Ids) -> NDArray[np.int64]:
        """Return the positions of chunks by the first 16 bytes of their ids; -1 for unknown ones."""
        at, found = places_of(self.high, self.low, high, low)
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
