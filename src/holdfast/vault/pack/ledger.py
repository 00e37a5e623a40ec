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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from holdfast.vault.errors import VaultError


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

    def live_stamp(self) -> tuple[int, ...]:
        """Return numbers that are others whenever the live packs are."""

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
