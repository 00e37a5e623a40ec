"""The ledger: which packs of a vault are live. A protocol; the catalog implements it in SQL, tests in memory.

Terms
-----
*Epoch*: a number of the vault that prune moves on when it condemns packs. A session (one backup in the making) notes
it at its start; whatever it publishes later is refused when the epoch is another: the chunks that the session relied
on may be gone. So prune is safe by counting, never by clocks.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.vault.errors import SessionFenced


@dataclass(frozen=True, slots=True)
class PackRow:
    """One durable pack. `pack_id`: SHA-256 of its bytes; `table`: its sealed trailer; `size` in bytes."""

    pack_id: bytes
    kind: int
    size: int
    salt: bytes
    table: bytes
    records: int


class Ledger(Protocol):
    """The packs of one vault. Safe to use from several threads."""

    def epoch(self) -> int:
        """The vault's epoch now."""

    def live_pack_ids(self) -> list[bytes]:
        """Ids of all live packs, in the order of their publishing."""

    def pack_rows(self, pack_ids: Sequence[bytes]) -> list[PackRow]:
        """Rows of the given live packs, in that order; ids that are not live are left out."""

    def publish(self, epoch: int, packs: Sequence[PackRow]) -> None:
        """Enter durable packs, in one transaction that is durable at return; one already live is fine.

        Raises SessionFenced, with nothing entered, when the vault's epoch is not `epoch`.
        """


class MemoryLedger:
    """A whole ledger in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = 0
        self._packs: dict[bytes, PackRow] = {}

    def epoch(self) -> int:
        return self._epoch

    def fence(self) -> None:
        """Move the epoch on, as prune does."""
        with self._lock:
            self._epoch += 1

    def live_pack_ids(self) -> list[bytes]:
        with self._lock:
            return list(self._packs)

    def pack_rows(self, pack_ids: Sequence[bytes]) -> list[PackRow]:
        with self._lock:
            return [self._packs[p] for p in pack_ids if p in self._packs]

    def publish(self, epoch: int, packs: Sequence[PackRow]) -> None:
        with self._lock:
            if epoch != self._epoch:
                raise SessionFenced("The vault was pruned while this backup was made; it starts again.")
            for row in packs:
                self._packs.setdefault(row.pack_id, row)
