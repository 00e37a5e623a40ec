"""The check of a pack: compares it with its ledger row, down to each record.

A pack's name is the hash of its bytes, so a whole one is recognised without a key. In a damaged one, records that
still open, inflate and have their length and CRC-32 are good. A pack that seems damaged is read a second time
before it is reported: a fault on the way from the disk is not damage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from cryptography.exceptions import InvalidTag
from isal import isal_zlib
from numpy.typing import NDArray

from holdfast.stores.port import ObjectMissing, Store, StoreError, StoreUnreachable
from holdfast.vault.errors import DamagedError, FormatError
from holdfast.vault.pack.ledger import PackRow
from holdfast.vault.pack.seal import TAG_BYTES, SealKind, VaultKeys, nonce
from holdfast.vault.pack.segment import inflate_segment
from holdfast.vault.pack.table import Table, open_table, read_footer
from holdfast.vault.pack.writer import (
    FOOTER,
    FOOTER_BYTES,
    FOOTER_MAGIC,
    HEADER_BYTES,
    PackKind,
    pack_header,
    pack_name,
)

_PIECE_BYTES = 64 * 1024
"""Piece size for an object that cannot be read as a whole; unreadable pieces count as zeros."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A pack that is not as it should be."""

    pack_id: bytes
    kind: int
    why: str
    """The fault, as a phrase after "the pack"."""
    is_missing: bool
    table: Table | None
    """The records it should have; None when neither the ledger nor the pack has the table any more."""
    bad: NDArray[np.bool_]
    """For each record of `table`, True if it is lost."""


class Examiner:
    """Checks the packs of one vault."""

    def __init__(self, store: Store, keys: VaultKeys) -> None:
        self._store = store
        self._keys = keys

    def outside(self, row: PackRow) -> str | None:
        """Check a pack's size, ends and row; return the fault, or None.

        Raises StoreUnreachable.
        """
        try:
            open_table(self._keys, row)
            if self._store.size(pack_name(row.pack_id)) != row.size:
                return "has another size than it should"
            if self._store.get_range(pack_name(row.pack_id), 0, HEADER_BYTES) != pack_header(row.kind):
                return "has a damaged header"
            if read_footer(self._keys, self._store, row.pack_id) != row:
                return "has another trailer than the catalog"
        except StoreUnreachable:
            raise
        except ObjectMissing:
            return "is missing"
        except (DamagedError, FormatError, StoreError, ValueError) as error:
            return f"is damaged: {error}"
        return None

    def whole(self, row: PackRow) -> Finding | None:
        """Read a pack whole and open every record of it. Return None when all are good. Raises StoreUnreachable."""
        found, _ = self.read(row)
        return found

    def read(self, row: PackRow) -> tuple[Finding | None, bytes]:
        """As `whole`, but return also the bytes of the pack (none when it is missing)."""
        data = self._bytes(row)
        finding = self._compare(row, data)
        if finding is not None:
            again = self._bytes(row)
            if again != data:
                data, finding = again, self._compare(row, again)
        return finding, data or b""

    def records(self, row: PackRow, wanted: NDArray[np.uint32]) -> bool:
        """Return True if the records at the given offsets (sorted) of a pack are good. Raises StoreUnreachable."""
        try:
            table = open_table(self._keys, row)
            reader = self._store.open(pack_name(row.pack_id))
        except StoreUnreachable:
            raise
        except (DamagedError, FormatError, StoreError):
            return False
        try:
            numbers = np.searchsorted(table.offsets, wanted)
            offsets = table.offsets
            for i in numbers.tolist():
                sealed = bytearray(int(table.stored[i]) + TAG_BYTES)
                try:
                    read = reader.read_into(int(offsets[i]), memoryview(sealed))
                except StoreUnreachable:
                    raise
                except StoreError:
                    return False
                if read != len(sealed) or not self._is_good(table, i, memoryview(sealed)):
                    return False
            return True
        finally:
            reader.close()

    def good_records(self, row: PackRow) -> Iterator[tuple[Table, int, memoryview]]:
        """Yield the good records of a damaged pack: (table, number, sealed bytes)."""
        found, data = self.read(row)
        table = found.table if found is not None else open_table(self._keys, row)
        if table is None:
            return
        offsets, view = table.offsets, memoryview(data)
        for i in range(len(table)):
            if found is None or not found.bad[i]:
                start = int(offsets[i])
                yield table, i, view[start : start + int(table.stored[i]) + TAG_BYTES]

    # -- one pack --------------------------------------------------------------------------------------------------

    def _bytes(self, row: PackRow) -> bytes | None:
        name = pack_name(row.pack_id)
        try:
            return self._store.get(name)
        except ObjectMissing:
            return None
        except StoreUnreachable:
            raise
        except StoreError:
            return self._in_pieces(name)

    def _in_pieces(self, name: str) -> bytes | None:
        """Read an object piece by piece from a disk with bad sectors."""
        try:
            reader = self._store.open(name)
        except ObjectMissing:
            return None
        data = memoryview(bytearray(reader.size))
        try:
            for start in range(0, len(data), _PIECE_BYTES):
                try:
                    reader.read_into(start, data[start : start + _PIECE_BYTES])
                except StoreUnreachable:
                    raise
                except StoreError:
                    continue
        finally:
            reader.close()
        return bytes(data)

    def _compare(self, row: PackRow, data: bytes | None) -> Finding | None:
        """Compare a pack's bytes with its name, its row and its table."""
        table, trouble = self._table(row, data)
        if data is None:
            lost = np.ones(len(table) if table is not None else 0, bool)
            return Finding(row.pack_id, row.kind, "is missing", True, table, lost)
        bad = np.zeros(0, bool) if table is None else self._bad(table, data)
        why = trouble
        if hashlib.sha256(data).digest() != row.pack_id:
            why = "has another size than it should" if len(data) != row.size else "does not match the hash in its name"
        elif bad.any():
            why = "has records that do not open, although it matches the hash in its name"
        if not why:
            return None
        return Finding(row.pack_id, row.kind, why, False, table, bad)

    def _table(self, row: PackRow, data: bytes | None) -> tuple[Table | None, str]:
        """Return the pack's table, from the ledger or else from its own end, and the fault of the ledger's."""
        own = _own_row(row, data)
        try:
            table = open_table(self._keys, row)
        except (DamagedError, FormatError, ValueError):
            try:
                return (open_table(self._keys, own) if own is not None else None), "has a damaged row in the catalog"
            except (DamagedError, FormatError, ValueError):
                return None, "has a damaged row in the catalog, and no readable table of its own"
        same = own is None or replace(own, size=row.size) == row
        return table, "" if same else "has another trailer than the catalog"

    def _bad(self, table: Table, data: bytes) -> NDArray[np.bool_]:
        view = memoryview(data)
        offsets = table.offsets
        bad = np.zeros(len(table), bool)
        for i in range(len(table)):
            start, size = int(offsets[i]), int(table.stored[i]) + TAG_BYTES
            bad[i] = start + size > len(data) or not self._is_good(table, i, view[start : start + size])
        return bad

    def _is_good(self, table: Table, i: int, sealed: memoryview) -> bool:
        """Return True if a record opens, inflates, and has the length and the CRC-32 that the table states."""
        kind = SealKind.DATA if table.kind is PackKind.DATA else SealKind.MANIFEST
        associated = self._keys.associated(kind) + table.ids[32 * i : 32 * i + 32]
        cipher = self._keys.cipher(table.origins[int(table.origin[i])])
        raw = int(table.raw[i])
        try:
            content = inflate_segment(cipher.decrypt(nonce(int(table.counter[i])), sealed, associated), raw)
        except (InvalidTag, DamagedError, ValueError):
            return False
        return len(content) == raw and isal_zlib.crc32(content) == int(table.crc32[i])


def _own_row(row: PackRow, data: bytes | None) -> PackRow | None:
    """Return the row that a pack's own end gives; None when that is damaged."""
    if data is None or len(data) < FOOTER_BYTES:
        return None
    length, records, salt, _, kind, _, magic = FOOTER.unpack(data[-FOOTER_BYTES:])
    if magic != FOOTER_MAGIC or length + FOOTER_BYTES > len(data):
        return None
    table = data[len(data) - FOOTER_BYTES - length : len(data) - FOOTER_BYTES]
    return PackRow(row.pack_id, kind, len(data), salt, table, records)


def sample(rows: Sequence[tuple[bytes, int, int]], order: Sequence[int], share: float) -> list[bytes]:
    """Return ids of packs that together have at least `share` (0 to 1) of all bytes, in the given order.

    `rows`: (pack id, kind, size).
    """
    wanted = share * sum(size for _, _, size in rows)
    chosen: list[bytes] = []
    for i in order:
        if wanted <= 0:
            break
        chosen.append(rows[i][0])
        wanted -= rows[i][2]
    return chosen
