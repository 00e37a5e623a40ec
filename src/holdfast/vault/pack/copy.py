"""Copying sealed records from pack to pack, and listing the packs of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from holdfast.stores.port import Store
from holdfast.vault.pack.table import Table
from holdfast.vault.pack.writer import PACKS_PREFIX, PackWriter, pack_name


def copy_record(writer: PackWriter, table: Table, number: int, sealed: memoryview) -> None:
    """Copy record `number` of a pack's table. Raises StoreFull, StoreError."""
    writer.copy(
        table.ids[32 * number : 32 * number + 32],
        sealed,
        int(table.raw[number]),
        int(table.crc32[number]),
        int(table.encoder[number]),
        table.origins[int(table.origin[number])],
        int(table.counter[number]),
    )


def packs_in(store: Store) -> Iterator[tuple[bytes, int]]:
    """Yield (pack id, size) of all packs in the store, known to the ledger or not."""
    for name, size in store.list(PACKS_PREFIX):
        digits = name.rpartition("/")[2]
        with suppress(ValueError):
            pack_id = bytes.fromhex(digits)
            if pack_name(pack_id) == name:
                yield pack_id, size
