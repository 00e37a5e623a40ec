"""Mark: finds the chunks that the backups in a vault's store need, starting from their roots.

Blocks, parts of the list and extent lists that several backups share are read once, so the cost of marking depends on
their differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence, Set

import numpy as np
from numpy.typing import NDArray

from holdfast.stores.port import Store
from holdfast.vault.errors import BackupMissing, ChunkMissing, DamagedError
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.root import ROOTS_PREFIX, decode_listing, read_root
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.reader.records import RecordReader
from holdfast.vault.reader.snapshot import Snapshot


def backup_ids(store: Store) -> list[str]:
    """Return the ids of all backups whose roots are in the store."""
    return [name.removeprefix(ROOTS_PREFIX) for name in store.names(ROOTS_PREFIX)]


class Marker:
    """Marks the chunks that backups need, over the positions of one index. `close` it.

    `but`: a marker of the same index whose manifest chunks are not read again; nothing below them is marked.
    """

    def __init__(self, store: Store, keys: VaultKeys, index: Index, but: Marker | None = None) -> None:
        self._store = store
        self._keys = keys
        self._index = index
        self._reader = RecordReader(store, keys, lambda refresh: index)
        self._seen: set[bytes] = set()
        self._known: Set[bytes] = but._seen if but is not None else frozenset()
        self.used: NDArray[np.bool_] = np.zeros(len(index), bool)
        """For each position of the index, True if a marked backup needs that chunk."""

    def close(self) -> None:
        """Release the open packs."""
        self._reader.close()

    def mark_all(self, backup_ids: Iterable[str], on_backup: Callable[[], None] = lambda: None) -> None:
        """Mark the chunks that the given backups need; one whose root is gone by now needs nothing.

        Raises DamagedError, FormatError for a manifest that cannot be read, and ChunkMissing for a chunk that is in no
        pack: then it is unknown what is needed, and nothing may be deleted.
        """
        for backup_id in backup_ids:
            try:
                self._mark(backup_id)
            except BackupMissing:
                continue
            except (DamagedError, ChunkMissing) as error:
                raise type(error)(f"Backup {backup_id}: {error}") from error
            on_backup()

    def _mark(self, backup_id: str) -> None:
        root = read_root(self._store, self._keys, backup_id)
        snapshot = Snapshot(root, self._reader)
        parts = self._fresh(root.listing)
        refs = [ref for data in snapshot.chunks(parts) for ref in decode_listing(data)]
        for block in snapshot.decoded(self._fresh([ref.chunk_id for ref in refs])):
            self._use(block.extents["id"].tobytes())
            lists = self._fresh(list_ids(block))
            for extents in snapshot.extent_lists(lists):
                self._use(b"".join(e.chunk_id for e in extents))

    def _fresh(self, ids: Sequence[bytes]) -> list[bytes]:
        """Return the manifest chunks not met before, and mark them."""
        fresh = [i for i in dict.fromkeys(ids) if i not in self._seen and i not in self._known]
        self._seen.update(fresh)
        self._use(b"".join(fresh))
        return fresh

    def _use(self, ids: bytes) -> None:
        if not ids:
            return
        at = self._index.positions(ids)
        missing = (at < 0).nonzero()[0]
        if len(missing):
            start = 32 * int(missing[0])
            raise ChunkMissing(f"chunk {ids[start : start + 32].hex()[:12]} is in none of the vault's packs.")
        self.used[at] = True


def list_ids(block: Block) -> list[bytes]:
    """Return the ids of the extent lists of a block's large files."""
    listed = (block.extra_length > 0) & (block.stored_sum > 0) & (block.extent_count == 0)
    return [ref.chunk_id for i in listed.nonzero()[0].tolist() for ref in block.extra(i).lists]
