"""Prune: deletes what no backup needs, and nothing else.

1. Mark the chunks that the backups in the store need (`mark.py`). When one of them is missing, nothing is deleted.
2. Packs of which nothing is needed are dead. From those with over a quarter dead, and from many small ones, the needed
   records are copied to new packs, as they are sealed. Packs that a crash left behind, unknown to the ledger, are
   dead too.
3. In one transaction the ledger condemns the dead ones and moves the epoch on; in another one it condemns the copied
   ones and takes up the new ones. It refuses when a backup was recorded or another prune ran since step 1; then
   everything starts again. A running backup that relied on a condemned pack finds the epoch advanced, and starts again.
4. Condemned packs are deleted when the readers' grace is over (`sweep`): the dead ones before anything is copied, since
   the store may be full. Where it is too full to copy all at once, packs are copied and condemned one by one.

A crash at any point leaves packs that nobody needs, which the next prune finds. No lock is held between the steps.

Marking, condemning and deleting are never cut short; the copying of step 2 is where the work is, and it may have a
*budget*: what is left over waits for the next prune, the packs with the most to gain first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from holdfast.stores.port import ObjectMissing, Store, StoreFull
from holdfast.units import DAY_NS
from holdfast.vault.control import NEVER
from holdfast.vault.errors import Cancelled
from holdfast.vault.maintenance.mark import Marker, backup_ids
from holdfast.vault.maintenance.prune_plan import (
    CopyBudget,
    PruneControl,
    PrunePlan,
    PruneProgress,
    PruneResult,
    WornPack,
)
from holdfast.vault.pack.copy import copy_record, packs_in
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import Ledger, LedgerMoved, PackRow
from holdfast.vault.pack.seal import TAG_BYTES, VaultKeys
from holdfast.vault.pack.table import open_table
from holdfast.vault.pack.writer import PackKind, PackWriter, pack_name, run_now

DEAD_SHARE_MAX = 0.25
"""A pack with a larger share of dead bytes is copied."""

SMALL_PACK_BYTES = 4 * 1024 * 1024
SMALL_PACKS_MIN = 16
"""At least this many small packs of one kind are joined; fewer are not worth the copying."""

GRACE_NS = DAY_NS
"""At most this long may readers go on that opened a pack before it was condemned."""

TRIES = 5


class Prune:
    """Prunes one vault. Use once."""

    def __init__(
        self,
        store: Store,
        keys: VaultKeys,
        ledger: Ledger,
        index: Callable[[bool], Index],
        *,
        budget: CopyBudget | None = None,
        control: PruneControl = NEVER,
    ) -> None:
        self._store = store
        self._keys = keys
        self._ledger = ledger
        self._index = index
        self._budget = budget
        self._control = control
        self._damaged: list[str] = []
        self._full = ""

    def run(self, now_ns: int, grace_ns: int = GRACE_NS) -> PruneResult:
        """Prune, and delete packs condemned more than `grace_ns` ago.

        Raises ChunkMissing, DamagedError, FormatError (a backup's manifest cannot be read whole: nothing is thrown
        away), Cancelled, StoreError, LedgerMoved (backups keep coming in between).
        """
        dead = left_behind = dead_bytes = repacked = repacked_bytes = copied = deleted = 0
        for attempt in range(1, TRIES + 1):
            planned = self.plan()
            try:
                self._condemn_dead(planned, now_ns)
                dead += len(planned.dead)
                left_behind += len(planned.left_behind)
                dead_bytes += planned.dead_bytes
                deleted += self.sweep(now_ns - grace_ns)
                for old, new_bytes in self._copied(planned, now_ns):
                    repacked += len(old)
                    repacked_bytes += sum(pack.size for pack in old)
                    copied += new_bytes
                    deleted += self.sweep(now_ns - grace_ns)
                break
            except LedgerMoved:
                if attempt == TRIES:
                    raise
        waiting = sum(size for _, size in self._ledger.condemned(now_ns))
        return PruneResult(
            dead_packs=dead,
            repacked_packs=repacked,
            left_behind_packs=left_behind,
            freed_bytes=dead_bytes + repacked_bytes - copied,
            deleted_bytes=deleted,
            waiting_bytes=waiting,
            copied_bytes=copied,
            waiting_packs=planned.waiting_packs,
            full=self._full,
            damaged=tuple(self._damaged),
        )

    def plan(self) -> PrunePlan:
        """Mark, and decide what to delete. Changes nothing. Raises as `run`."""
        # First the marks, then the objects, the index, the roots: anything later than the marks moves them, or is
        # fenced by the epoch that moves with the condemning.
        marks = self._ledger.marks()
        in_store = dict(packs_in(self._store))
        known = self._ledger.live_packs()
        condemned = {pack_id for pack_id, _ in self._ledger.condemned()}
        index = self._index(True)
        ids = backup_ids(self._store)
        marker = Marker(self._store, self._keys, index)
        done = 0

        def marked() -> None:
            nonlocal done
            done += 1
            self._report(PruneProgress("marking", done, len(ids)))

        try:
            marker.mark_all(ids, marked)
        finally:
            marker.close()
        planned = PrunePlan(marks, index, marker.used)
        self._sort(planned, known)
        accounted = condemned | {pack_id for pack_id, _, _ in known}
        planned.left_behind = [(pack_id, size) for pack_id, size in in_store.items() if pack_id not in accounted]
        planned.dead_bytes += sum(size for _, size in planned.left_behind)
        return planned

    def _sort(self, planned: PrunePlan, known: list[tuple[bytes, int, int]]) -> None:
        """Sort packs into dead ones and ones to copy."""
        live = _bytes_by_pack(planned.index, planned.used)
        held = _bytes_by_pack(planned.index, np.ones(len(planned.index), bool))
        wasteful: list[WornPack] = []
        small: dict[int, list[WornPack]] = {}
        for pack_id, kind, size in known:
            kept = live.get(pack_id, 0)
            if not kept:
                planned.dead.append(pack_id)
                planned.dead_bytes += size
            elif held[pack_id] - kept > DEAD_SHARE_MAX * held[pack_id]:
                wasteful.append(WornPack(pack_id, kind, size, kept))
            elif size < SMALL_PACK_BYTES:
                small.setdefault(kind, []).append(WornPack(pack_id, kind, size, kept))
        if self._budget is not None:
            wasteful.sort(key=lambda pack: pack.kept / pack.size)
        self._choose(planned, wasteful, 1)
        for packs in small.values():
            self._choose(planned, packs, SMALL_PACKS_MIN)

    def _choose(self, planned: PrunePlan, packs: list[WornPack], least: int) -> None:
        """Plan to copy the packs that fit the budget; none when they are fewer than `least`.

        Joining two small packs into one that is still small gains nothing: `least` are joined at once, or none.
        """
        left = None if self._budget is None else self._budget.bytes_max - planned.kept_bytes
        chosen: list[WornPack] = []
        for pack in packs:
            if left is not None and left <= 0:
                break
            chosen.append(pack)
            left = None if left is None else left - pack.kept
        if len(packs) < least:
            return
        if len(chosen) < least:
            chosen = []
        planned.repack += chosen
        planned.repack_bytes += sum(pack.size for pack in chosen)
        planned.kept_bytes += sum(pack.kept for pack in chosen)
        planned.waiting_packs += len(packs) - len(chosen)

    def _condemn_dead(self, planned: PrunePlan, now_ns: int) -> None:
        """Condemn the packs of which nothing is needed. Raises LedgerMoved."""
        if planned.dead or planned.left_behind:
            self._ledger.condemn(planned.marks, planned.dead, (), now_ns, planned.left_behind)
            planned.marks = self._moved(planned.marks)

    def _copied(self, planned: PrunePlan, now_ns: int) -> Iterator[tuple[list[WornPack], int]]:
        """Copy and condemn the packs of `planned.repack`: at once, or one by one when the store has no room for that.

        Yields the packs that were copied with the bytes of the new ones. Raises LedgerMoved, once the new packs are
        deleted.
        """
        if not planned.repack:
            return
        try:
            yield self._replace(planned, planned.repack, now_ns)
            return
        except StoreFull as error:
            self._full = str(error)
        # Those with the least to copy first. Joining small packs gains too little to be worth the room.
        worth = (pack for pack in planned.repack if pack.kept < (1 - DEAD_SHARE_MAX) * pack.size)
        least = sorted(worth, key=lambda pack: pack.kept)
        left = len(planned.repack)
        for pack in least:
            try:
                done = self._replace(planned, [pack], now_ns)
            except StoreFull:
                continue
            left -= len(done[0])
            yield done
        planned.waiting_packs += left
        if not left:
            self._full = ""

    def _replace(self, planned: PrunePlan, packs: list[WornPack], now_ns: int) -> tuple[list[WornPack], int]:
        """Copy what is needed of some packs and condemn them; return those, with the bytes of the new packs.

        Raises LedgerMoved, Cancelled, StoreFull, once the new packs are deleted.
        """
        made: list[PackRow] = []
        try:
            copied = self._repack(planned, packs, made)
            if copied:
                self._ledger.condemn(planned.marks, [pack.pack_id for pack in copied], made, now_ns)
                planned.marks = self._moved(planned.marks)
        except (LedgerMoved, Cancelled, StoreFull):
            for row in made:
                self._store.delete(pack_name(row.pack_id))
            raise
        self._index(True)
        return copied, sum(row.size for row in made)

    def _moved(self, marks: tuple[int, int]) -> tuple[int, int]:
        """Return the marks as our own condemning left them: the epoch is one further, and nothing else changed."""
        return marks[0] + 1, marks[1]

    def _repack(self, planned: PrunePlan, packs: list[WornPack], made: list[PackRow]) -> list[WornPack]:
        """Copy the needed records of packs into new ones, which `made` gets. Return the packs that were copied.

        Damaged ones and those over the budget are not.
        """
        copied: list[WornPack] = []
        for kind in PackKind:
            writer = PackWriter(self._store, self._keys, kind, run_now)
            try:
                for pack in [p for p in packs if p.kind == kind]:
                    if copied and self._budget is not None and self._budget.is_over():
                        planned.waiting_packs += 1
                        continue
                    self._report(PruneProgress("copying", len(copied), len(packs)))
                    if self._copy_records(planned, pack.pack_id, writer):
                        copied.append(pack)
                    made += writer.rows(wait=False)
                writer.end_pack()
                made += writer.rows(wait=True)
            finally:
                writer.abort()
        return copied

    def _copy_records(self, planned: PrunePlan, pack_id: bytes, writer: PackWriter) -> bool:
        """Copy the needed records of one pack. Return False, with nothing copied, when it is damaged."""
        try:
            data = self._store.get(pack_name(pack_id))
        except ObjectMissing:
            data = b""
        if hashlib.sha256(data).digest() != pack_id:
            self._damaged.append(pack_id.hex())
            return False
        rows = self._ledger.pack_rows([pack_id])
        if not rows:
            raise LedgerMoved("Another prune condemned a pack in the meantime.")
        table = open_table(self._keys, rows[0])
        at = planned.index.positions(table.ids)
        number = planned.index.packs.index(pack_id)
        offsets = table.offsets
        needed = (
            planned.used[at]
            & (planned.index.pack_column()[at] == number)
            & (planned.index.offset_column()[at] == offsets)
        )
        view = memoryview(data)
        for i in needed.nonzero()[0].tolist():
            start = int(offsets[i])
            copy_record(writer, table, i, view[start : start + int(table.stored[i]) + TAG_BYTES])
        return True

    def sweep(self, before_ns: int) -> int:
        """Delete packs condemned at or before a time; return their bytes. Raises StoreError."""
        gone = self._ledger.condemned(before_ns)
        for pack_id, _ in gone:
            self._store.delete(pack_name(pack_id))
        if gone:
            self._ledger.forget([pack_id for pack_id, _ in gone])
        return sum(size for _, size in gone)

    def _report(self, progress: PruneProgress) -> None:
        self._control.progress(progress)
        self._control.check("The prune was cancelled; nothing that a backup needs was deleted.")


def _bytes_by_pack(index: Index, used: NDArray[np.bool_]) -> dict[bytes, int]:
    """Return the bytes of the marked records of each pack that has any."""
    sizes = np.bincount(
        index.pack_column()[used],
        weights=index.stored_column()[used].astype(np.float64) + TAG_BYTES,
        minlength=len(index.packs),
    )
    return {pack_id: int(size) for pack_id, size in zip(index.packs, sizes.tolist(), strict=True) if size}


def bytes_freed(
    index: Index, leaving: NDArray[np.bool_], staying: NDArray[np.bool_], pack_sizes: Mapping[bytes, int]
) -> int:
    """Return the bytes by which the store shrinks when `leaving` goes: whole packs, and single records."""
    others = _bytes_by_pack(index, staying)
    return sum(
        gone if pack_id in others else pack_sizes.get(pack_id, gone)
        for pack_id, gone in _bytes_by_pack(index, leaving & ~staying).items()
    )
