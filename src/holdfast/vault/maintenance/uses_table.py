"""The table of counts, and its file: a cache, which is believed only when its checksum is right.

Bytes: magic, length of the head u32, the head (MessagePack: vault, then for each backup its id, the ids of its list's
parts, and if it is kept), the columns `high`, `low` and `counts`, little-endian, and BLAKE3 of all before.
"""

from __future__ import annotations

import os
import struct
from collections import defaultdict
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from holdfast.vault.pack.index import Ids, Insertion, places_of, prefixes

_MAGIC = b"HFUSES01"
_LENGTH = struct.Struct("<I")
_DIGEST_BYTES = 32
_ROW_BYTES = 24


class Column(IntEnum):
    """Whose need is counted: of all backups, or of those that are not in the trash."""

    ALL = 0
    KEPT = 1


class DoesNotAddUp(Exception):
    """A count would fall below 0: the counts are not those of the backups that stand beside them."""


class Counted(NamedTuple):
    """A backup that is counted. `listing`: the ids of the parts of its list, back to back."""

    listing: bytes
    is_kept: bool


class _Head(msgspec.Struct, frozen=True, array_like=True):
    vault_id: str
    backups: dict[str, Counted]


_head = msgspec.msgpack.Decoder(_Head)


class UsesTable:
    """Counts by the first 16 bytes of a chunk's id, sorted, and the backups whose counts they are."""

    def __init__(self, vault_id: str) -> None:
        self.vault_id = vault_id
        self.backups: dict[str, Counted] = {}
        self.high: Ids = np.empty(0, np.uint64)
        self.low: Ids = np.empty(0, np.uint64)
        self.counts: NDArray[np.int32] = np.empty((0, len(Column)), np.int32)
        self.fell: defaultdict[Column, list[tuple[Ids, Ids]]] = defaultdict(list)
        """The ids whose counts fell to 0, since somebody cleared it."""
        self.is_changed = False

    def shift(self, ids: bytes, column: Column, by: int, *, is_content: bool = False) -> list[bytes]:
        """Add to (`by` 1) or take from (-1) the counts of ids, once for each time that one stands in `ids`.

        Return those whose count left 0 or came to it; of content, which names nothing further, none. Raises
        DoesNotAddUp.
        """
        if not ids:
            return []
        self.is_changed = True
        high, low = prefixes(ids)
        order = np.lexsort((low, high))
        high, low = high[order], low[order]
        first = np.ones(len(high), bool)
        first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        starts = first.nonzero()[0]
        times = np.diff(starts, append=len(high))
        order, high, low = order[starts], high[starts], low[starts]
        at = self._places(high, low, may_insert=by > 0)
        before = self.counts[at, column]
        after = before + by * times.astype(np.int32)
        if (after < 0).any():
            raise DoesNotAddUp
        self.counts[at, column] = after
        turned = (before if by > 0 else after) == 0
        if by < 0:
            self.fell[column].append((high[turned], low[turned]))
        return [] if is_content else [ids[32 * i : 32 * i + 32] for i in order[turned].tolist()]

    def _places(self, high: Ids, low: Ids, *, may_insert: bool) -> NDArray[np.int64]:
        """Return the rows of ids, which are sorted and differ; new ones come in with counts of 0."""
        at, is_known = places_of(self.high, self.low, high, low)
        if is_known.all():
            return at
        if not may_insert:
            raise DoesNotAddUp
        is_new = ~is_known
        added = Insertion(at[is_new], len(self.high))
        self.high, self.low = added.into(self.high, high[is_new]), added.into(self.low, low[is_new])
        self.counts = added.into(self.counts, np.zeros((1, len(Column)), np.int32))
        rows: NDArray[np.int64] = at + is_new.cumsum() - is_new
        return rows

    @staticmethod
    def read(file: Path, vault_id: str) -> UsesTable | None:
        """Return what a file holds; None for one that is absent, damaged or of another vault."""
        try:
            data = memoryview(file.read_bytes())
        except OSError:
            return None
        body = data[:-_DIGEST_BYTES]
        if bytes(body[: len(_MAGIC)]) != _MAGIC or blake3(body).digest() != bytes(data[-_DIGEST_BYTES:]):
            return None
        start = len(_MAGIC) + _LENGTH.size
        end = start + _LENGTH.unpack_from(body, len(_MAGIC))[0]
        try:
            head = _head.decode(body[start:end])
        except msgspec.MsgspecError:
            return None
        rows, rest = divmod(len(body) - end, _ROW_BYTES)
        if rest or head.vault_id != vault_id:
            return None
        table = UsesTable(vault_id)
        table.backups = head.backups
        table.high = np.frombuffer(body, "<u8", rows, end).astype(np.uint64)
        table.low = np.frombuffer(body, "<u8", rows, end + 8 * rows).astype(np.uint64)
        table.counts = np.frombuffer(body, "<i4", rows * len(Column), end + 16 * rows).reshape(-1, len(Column)).copy()
        return table

    def write(self, file: Path) -> None:
        """Write the file whole or not at all, for its owner alone. One that cannot be written is left as it is."""
        needed = self.counts.any(axis=1)
        head = msgspec.msgpack.encode(_Head(self.vault_id, self.backups))
        columns = (self.high[needed].astype("<u8"), self.low[needed].astype("<u8"), self.counts[needed].astype("<i4"))
        parts = [_MAGIC, _LENGTH.pack(len(head)), head, *(column.tobytes() for column in columns)]
        hasher = blake3()
        for part in parts:
            hasher.update(part)
        unfinished = file.with_name(file.name + ".unfinished")
        with suppress(OSError):
            file.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
                with os.fdopen(fd, "wb") as out:
                    out.writelines([*parts, hasher.digest()])
                os.replace(unfinished, file)  # of two that write it at once, the checksum tells
            except OSError:
                unfinished.unlink(missing_ok=True)
                raise
