"""The ledger: the live packs of a vault. A protocol; the catalog implements it in SQL, tests in memory.

Terms
-----
*Epoch*: a number of the vault that prune advances when it condemns packs. A session (one running backup) notes
it at its start; later packs of it are refused when the epoch has changed: the chunks that the session relied
on may be gone. So prune is safe by counting, never by clocks.
*Commits*: the number of backups ever recorded by the caller. Prune condemns only when no backup was added since it
listed them: a newer one may need what prune considers dead.
*Condemned*: a pack that nothing needs any more. It is no longer live (no new backup builds on it, no index has it), but
its object stays for the readers that opened it before; after their grace it is deleted and forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.vault.errors import SessionFenced, VaultError


@dataclass(frozen=True, slots=True)
class PackRow:
    """One durable pack. `pack_id`: SHA-256 of its bytes; `table`: its sealed trailer; `size` in bytes."""

    pack_id: bytes
    kind: int
    size: int
    salt: bytes
    table: bytes
    records: int


class LedgerMoved(VaultError):
    """Another prune ran or a backup finished in between; nothing was changed. Read the marks again."""


class Ledger(Protocol):
    """The packs of one vault. Safe to use from several threads."""

    def epoch(self) -> int:
        """Return the vault's current epoch."""

    def live_pack_ids(self) -> list[bytes]:
        """Return the ids of all live packs, in the order of their publishing."""

    def live_packs(self) -> list[tuple[bytes, int, int]]:
        """Return (pack id, kind, size) of all live packs, in the order of their publishing."""

    def pack_rows(self, pack_ids: Sequence[bytes]) -> list[PackRow]:
        """Return the rows of the given live packs, in that order; ids that are not live are left out."""

    def publish(self, epoch: int, packs: Sequence[PackRow]) -> None:
        """Record durable packs, in one transaction that is durable at return; one already live is fine.

        Raises SessionFenced, with nothing entered, when the vault's epoch is not `epoch`.
        """

    def marks(self) -> tuple[int, int]:
        """Return (epoch, commits) as of one moment."""

    def condemn(
        self,
        marks: tuple[int, int],
        pack_ids: Sequence[bytes],
        replacements: Sequence[PackRow],
        now_ns: int,
        left_behind: Sequence[tuple[bytes, int]] = (),
    ) -> None:
        """In one transaction, condemn packs, record the durable `replacements` as live, and advance the epoch.

        `left_behind`: (pack id, size) of packs that the ledger never had; entered as condemned ones. Raises
        LedgerMoved, with nothing changed, when the vault's marks are not `marks`.
        """

    def condemned(self, before_ns: int | None = None) -> list[tuple[bytes, int]]:
        """(pack id, size) of packs that were condemned, oldest first; with `before_ns` those at or before that time."""

    def forget(self, pack_ids: Sequence[bytes]) -> None:
        """Delete the rows of condemned packs whose objects are gone."""


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
