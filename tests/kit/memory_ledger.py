"""A ledger in memory, for tests of what is above it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from holdfast.vault.errors import SessionFenced
from holdfast.vault.pack.ledger import LedgerMoved, PackRow


class MemoryLedger:
    """A whole ledger in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = 0
        self._commits = 0
        self._packs: dict[bytes, PackRow] = {}
        self._condemned: dict[bytes, tuple[int, int]] = {}  # pack id: condemned at, size

    def epoch(self) -> int:
        return self._epoch

    def fence(self) -> None:
        """Move the epoch on, as prune does."""
        with self._lock:
            self._epoch += 1

    def commit(self, epoch: int) -> None:
        """What the caller's books do when they enter a backup. Raises SessionFenced."""
        with self._lock:
            if epoch != self._epoch:
                raise SessionFenced("The vault was pruned while this backup was running; it starts again.")
            self._commits += 1

    def live_pack_ids(self) -> list[bytes]:
        with self._lock:
            return list(self._packs)

    def live_packs(self) -> list[tuple[bytes, int, int]]:
        with self._lock:
            return [(row.pack_id, row.kind, row.size) for row in self._packs.values()]

    def live_stamp(self) -> tuple[int, ...]:
        with self._lock:
            return (self._epoch, hash(tuple(self._packs)))

    def pack_rows(self, pack_ids: Sequence[bytes]) -> list[PackRow]:
        with self._lock:
            return [self._packs[p] for p in pack_ids if p in self._packs]

    def publish(self, epoch: int, packs: Sequence[PackRow]) -> None:
        with self._lock:
            if epoch != self._epoch:
                raise SessionFenced("The vault was pruned while this backup was running; it starts again.")
            for row in packs:
                self._packs.setdefault(row.pack_id, row)

    def marks(self) -> tuple[int, int]:
        with self._lock:
            return self._epoch, self._commits

    def condemn(
        self,
        marks: tuple[int, int],
        pack_ids: Sequence[bytes],
        replacements: Sequence[PackRow],
        now_ns: int,
        left_behind: Sequence[tuple[bytes, int]] = (),
    ) -> None:
        with self._lock:
            if marks != (self._epoch, self._commits):
                raise LedgerMoved("The vault changed while it was being pruned.")
            self._epoch += 1
            for pack_id in pack_ids:
                row = self._packs.pop(pack_id, None)
                if row is not None:
                    self._condemned[pack_id] = (now_ns, row.size)
            for pack_id, size in left_behind:
                if self._packs.pop(pack_id, None) is not None or pack_id not in self._condemned:
                    self._condemned[pack_id] = (now_ns, size)
            for row in replacements:
                self._packs.setdefault(row.pack_id, row)

    def condemned(self, before_ns: int | None = None) -> list[tuple[bytes, int]]:
        with self._lock:
            return [(p, size) for p, (at, size) in self._condemned.items() if before_ns is None or at <= before_ns]

    def forget(self, pack_ids: Sequence[bytes]) -> None:
        with self._lock:
            for pack_id in pack_ids:
                self._condemned.pop(pack_id, None)
