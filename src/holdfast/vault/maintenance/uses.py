"""Uses: how often each chunk of a vault is named, so that a deletion need not look at the backups that stay.

A root names the parts of its list, a part its blocks, a block its chunks and extent lists, an extent list its chunks. A
chunk's *count* is the number of times that what is needed itself names it, so what falls to 0 when a backup goes is
what that backup alone needs; only that much of its manifest is read. There are two counts of each chunk: over all
backups in the store, and over those that are *kept*, which are not in the trash.

The counts belong to a set of backups, which is told with them. Backups that came or went since are made up for first;
what has become unreadable meanwhile, or does not add up, is counted anew from the roots. So the counts can be lost at
any time, and nobody who writes them waits for another. Nothing is deleted by them: a prune marks (`mark.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from holdfast.stores.port import Store
from holdfast.vault.errors import BackupMissing, ChunkMissing, DamagedError, FormatError
from holdfast.vault.maintenance.mark import backup_ids, list_ids
from holdfast.vault.maintenance.uses_table import Column, Counted, DoesNotAddUp, UsesTable
from holdfast.vault.manifest.block import decode_block, decode_list
from holdfast.vault.manifest.root import decode_listing, read_root
from holdfast.vault.pack.index import Ids, Index
from holdfast.vault.pack.seal import SealKind, VaultKeys
from holdfast.vault.pack.segment import inflate_segment
from holdfast.vault.reader.records import RecordReader
from holdfast.vault.reader.snapshot import MANIFEST_CHUNK_BYTES_MAX

FILE_BYTES_MAX = 16 * 1024 * 1024
"""A larger file of counts is brought up to date by deletions alone, not at each backup."""

_BATCH_BYTES = 2 * 1024 * 1024

Marked = tuple[NDArray[np.bool_], NDArray[np.bool_]]
"""For each position of an index: goes, and stays."""

_Turned = dict[Column, dict[bytes, None]]
"""The ids, in their order, whose counts left 0 or came to it."""


class Uses:
    """The counts of one vault. Its file may be absent, old or damaged; with None they are counted each time."""

    def __init__(self, store: Store, keys: VaultKeys, vault_id: str, file: Path | None) -> None:
        self._store = store
        self._keys = keys
        self._vault_id = vault_id
        self._file = file

    def only_in(self, index: Index, gone: Collection[str], besides: Collection[str] = ()) -> Marked:
        """Return the chunks that only the backups `gone` need, and those that the others need.

        `besides`: backups that are not counted among the others. Raises DamagedError, FormatError, ChunkMissing when
        what they need cannot be read, StoreError.
        """
        there = set(backup_ids(self._store))
        if besides:
            kept = there.difference(besides).union(there.intersection(gone))
            table = self._brought_up(index, there, kept, gone, Column.KEPT)
            marked = _fallen(table, index, Column.KEPT)
        elif len(gone) == 1:
            table = self._brought_up(index, there, None, gone, Column.ALL)
            marked = _fallen(table, index, Column.ALL)
        else:  # the trash, as a rule: then both counts are there already
            table = self._brought_up(index, there, there.difference(gone))
            staying = _needed(table, index, Column.KEPT)
            marked = _needed(table, index, Column.ALL) & ~staying, staying
        self._save(table)
        return marked

    def bring_up(self, index: Index, trashed: Collection[str]) -> None:
        """Count the backups that came, and those that went into the trash. Raises as `only_in`."""
        if self._file is None or (self._file.exists() and self._file.stat().st_size > FILE_BYTES_MAX):
            return
        there = set(backup_ids(self._store))
        self._save(self._brought_up(index, there, there.difference(trashed)))

    def _brought_up(
        self,
        index: Index,
        there: set[str],
        kept: set[str] | None,
        gone: Collection[str] = (),
        column: Column = Column.ALL,
    ) -> UsesTable:
        """Return the counts of the backups that are there, without those that are `gone`."""
        names = _Names(self._store, self._keys, index)

        def brought_up(table: UsesTable) -> UsesTable:
            self._catch_up(table, names, there, kept)
            table.fell.clear()
            for backup_id in gone:
                _take_away(table, names, backup_id, column)
            return table

        try:
            known = None if self._file is None else UsesTable.read(self._file, self._vault_id)
            if known is not None:
                with suppress(DoesNotAddUp, DamagedError, ChunkMissing, FormatError):
                    return brought_up(known)
                # Of what is gone something is pruned by now, or something is damaged: that the roots tell.
            return brought_up(UsesTable(self._vault_id))
        finally:
            names.close()

    def _catch_up(self, table: UsesTable, names: _Names, there: set[str], kept: set[str] | None) -> None:
        for backup_id in set(table.backups).difference(there):
            _take_away(table, names, backup_id, Column.ALL)
        for backup_id in there:
            counted = table.backups.get(backup_id)
            if counted is None:
                self._count(table, names, backup_id, is_kept=kept is None or backup_id in kept)
            elif kept is not None and counted.is_kept != (backup_id in kept):
                names.shift(table, counted.listing, (Column.KEPT,), -1 if counted.is_kept else 1)
                table.backups[backup_id] = Counted(counted.listing, not counted.is_kept)

    def _count(self, table: UsesTable, names: _Names, backup_id: str, *, is_kept: bool) -> None:
        """Count one more backup; one whose root is gone by now needs nothing."""
        try:
            listing = b"".join(read_root(self._store, self._keys, backup_id).listing)
            names.shift(table, listing, (Column.ALL, Column.KEPT) if is_kept else (Column.ALL,), 1)
        except BackupMissing:
            return
        except (DamagedError, ChunkMissing) as error:
            raise type(error)(f"Backup {backup_id}: {error}") from error
        table.backups[backup_id] = Counted(listing, is_kept)

    def _save(self, table: UsesTable) -> None:
        if self._file is not None and table.is_changed:
            table.write(self._file)


def _take_away(table: UsesTable, names: _Names, backup_id: str, column: Column) -> None:
    """Count a backup no more: not at all, or not among those that are kept."""
    counted = table.backups.get(backup_id)
    if counted is None or (column is Column.KEPT and not counted.is_kept):
        return
    columns = (column,) if column is Column.KEPT or not counted.is_kept else (Column.ALL, Column.KEPT)
    names.shift(table, counted.listing, columns, -1)
    if column is Column.KEPT:
        table.backups[backup_id] = Counted(counted.listing, is_kept=False)
    else:
        del table.backups[backup_id]


def _needed(table: UsesTable, index: Index, column: Column) -> NDArray[np.bool_]:
    """Return what is needed in a column, over an index. Raises ChunkMissing."""
    needed = table.counts[:, column] > 0
    return _at(index, table.high[needed], table.low[needed])


def _fallen(table: UsesTable, index: Index, column: Column) -> Marked:
    """Return what fell to 0 in a column, and what is still needed in it, over an index. Raises ChunkMissing."""
    staying, leaving = _needed(table, index, column), np.zeros(len(index), bool)
    for high, low in table.fell[column]:
        leaving |= _at(index, high, low)
    return leaving & ~staying, staying


def _at(index: Index, high: Ids, low: Ids) -> NDArray[np.bool_]:
    found = index.positions_of(high, low)
    if (found < 0).any():
        raise ChunkMissing("A chunk that a backup needs is in none of the vault's packs.")
    marked = np.zeros(len(index), bool)
    marked[found] = True
    return marked


class _Names:
    """Reads what parts, blocks and extent lists name. `close` it."""

    def __init__(self, store: Store, keys: VaultKeys, index: Index) -> None:
        self._reader = RecordReader(store, keys, lambda refresh: index)

    def close(self) -> None:
        self._reader.close()

    def shift(self, table: UsesTable, listing: bytes, columns: Sequence[Column], by: int) -> None:
        """Count a backup once more (`by` 1) or once less (-1), and whatever came to be needed or ceased to be."""
        parts = {column: dict.fromkeys(table.shift(listing, column, by)) for column in columns}
        blocks = _Batches(table, columns, by)
        for part, data in self._chunks(parts):
            blocks.add(b"".join(ref.chunk_id for ref in decode_listing(data)), part, parts)
        turned = blocks.end()
        content, lists = _Batches(table, columns, by, is_content=True), _Batches(table, columns, by)
        for number, data in self._chunks(turned):
            block = decode_block(data)
            content.add(block.extents["id"].tobytes(), number, turned)
            lists.add(b"".join(list_ids(block)), number, turned)
        listed = lists.end()
        for number, data in self._chunks(listed):
            content.add(b"".join(extent.chunk_id for extent in decode_list(data)), number, listed)
        content.end()

    def _chunks(self, ids: _Turned) -> Iterator[tuple[bytes, bytes]]:
        """Yield the manifest chunks of all columns, each once. Raises ChunkMissing, DamagedError, FormatError."""
        wanted = list(dict.fromkeys(chunk_id for some in ids.values() for chunk_id in some))
        segments = self._reader.segments(SealKind.MANIFEST, wanted)
        for chunk_id, segment in zip(wanted, segments, strict=True):
            yield chunk_id, inflate_segment(segment, MANIFEST_CHUNK_BYTES_MAX)


class _Batches:
    """Gathers the ids that are named, and counts many of them at a time. `is_content`: these name nothing further."""

    def __init__(self, table: UsesTable, columns: Sequence[Column], by: int, *, is_content: bool = False) -> None:
        self._table = table
        self._by = by
        self._is_content = is_content
        self._waiting: dict[Column, list[bytes]] = {column: [] for column in columns}
        self._turned: _Turned = {column: {} for column in columns}
        self._bytes = 0

    def add(self, ids: bytes, parent: bytes, turned: _Turned) -> None:
        """Add what one parent names, for each column in which that one turned."""
        for column, waiting in self._waiting.items():
            if ids and parent in turned[column]:
                waiting.append(ids)
                self._bytes += len(ids)
        if self._bytes > _BATCH_BYTES:
            self._flush()

    def end(self) -> _Turned:
        """Count the rest; return the ids whose count left 0 or came to it."""
        self._flush()
        return self._turned

    def _flush(self) -> None:
        for column, waiting in self._waiting.items():
            turned = self._table.shift(b"".join(waiting), column, self._by, is_content=self._is_content)
            self._turned[column].update(dict.fromkeys(turned))
            waiting.clear()
        self._bytes = 0
