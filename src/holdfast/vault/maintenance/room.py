"""Making room: choose the backups to delete, of those that may go, so that a vault shrinks by a number of bytes.

What several backups have in common is freed only when the last of them is gone. So neither the bytes that a backup
added when it was taken nor those that it alone needs are enough: the backups are taken in the order in which they may
go, each chunk counts for the last of them that needs it, and one that needs nothing of what is freed in the end stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from holdfast.stores.port import Store
from holdfast.vault.maintenance.mark import Marker, backup_ids
from holdfast.vault.maintenance.prune import bytes_freed
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.seal import VaultKeys


@dataclass(frozen=True, slots=True)
class Freed:
    """A backup to delete. `bytes`: of what it needs and no backup that stays."""

    backup_id: str
    bytes: int


class Room:
    """Looks at the backups of a vault over one index. Raises what `Marker.mark_all` raises."""

    def __init__(self, store: Store, keys: VaultKeys, index: Index, pack_sizes: Mapping[bytes, int]) -> None:
        self._store = store
        self._keys = keys
        self._index = index
        self._pack_sizes = pack_sizes

    def make(self, gone: Collection[str], order: Sequence[str], wanted_bytes: int) -> list[Freed]:
        """Return the backups of `order` to delete, the first of it first, so that `wanted_bytes` are freed, or all that
        can be. `gone`: backups that go in any case; what they free counts.
        """
        queue = [*gone, *order]
        count = self._reach(queue, len(gone), wanted_bytes)
        marker = self._marker()
        try:
            marker.mark_all(set(backup_ids(self._store)).difference(queue[:count]))
            return [
                Freed(backup_id, freed)
                for backup_id in queue[len(gone) : count]
                if (freed := self._freed(marker, backup_id))
            ]
        finally:
            marker.close()

    def _reach(self, queue: Sequence[str], least: int, wanted_bytes: int) -> int:
        """Return how many from the front of the queue have to go, and no fewer than `least`."""
        marker = self._marker()
        try:
            marker.mark_all(set(backup_ids(self._store)).difference(queue))
            freed = [0] * len(queue)
            # From the back: a chunk that was marked before is needed by one that goes later, or that stays.
            for at in range(len(queue) - 1, -1, -1):
                others = marker.used.copy()
                marker.mark_all([queue[at]])
                freed[at] = bytes_freed(self._index, marker.used, others, self._pack_sizes)
        finally:
            marker.close()
        count, total = least, sum(freed[:least])
        while total < wanted_bytes and count < len(queue):
            total += freed[count]
            count += 1
        return count

    def _freed(self, staying: Marker, backup_id: str) -> int:
        marker = self._marker(staying)
        try:
            marker.mark_all([backup_id])
        finally:
            marker.close()
        return bytes_freed(self._index, marker.used, staying.used, self._pack_sizes)

    def _marker(self, staying: Marker | None = None) -> Marker:
        return Marker(self._store, self._keys, self._index, staying)
