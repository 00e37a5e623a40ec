"""Quarantine: damaged packs leave the index; their good records are copied to new packs first.

Then the lost chunks are in none of the packs: the next backup that meets their content stores them again, and every
backup that needs them is whole again. The damaged objects stay in the store: prune deletes nothing while a backup
misses a chunk, so what is left of them can be salvaged by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from holdfast.stores.port import Store, StoreError, StoreUnreachable
from holdfast.vault.errors import DamagedError, FormatError
from holdfast.vault.maintenance.pack_check import Examiner, Finding
from holdfast.vault.pack.copy import copy_record
from holdfast.vault.pack.ledger import Ledger, LedgerMoved, PackRow
from holdfast.vault.pack.seal import VaultKeys
from holdfast.vault.pack.table import open_table, read_footer
from holdfast.vault.pack.writer import PackKind, PackWriter, pack_name, run_now

TRIES = 5


def quarantine(
    store: Store,
    keys: VaultKeys,
    ledger: Ledger,
    findings: Sequence[Finding],
    now_ns: int,
    check_cancel: Callable[[], None] = lambda: None,
) -> int:
    """Take damaged and missing packs out of use; return the number of good records saved from them.

    `check_cancel` is called between packs and may raise Cancelled; then nothing was changed. Raises LedgerMoved
    (backups keep coming in between), StoreFull, StoreError.
    """
    for attempt in range(1, TRIES + 1):
        marks = ledger.marks()
        rows = {row.pack_id: row for row in ledger.pack_rows([f.pack_id for f in findings])}
        if not rows:
            return 0
        made: list[PackRow] = []
        try:
            for kind in PackKind:
                some = [f for f in findings if f.kind == kind and f.pack_id in rows and not f.is_missing]
                made += _saved(store, keys, kind, [rows[f.pack_id] for f in some], check_cancel)
            ledger.condemn(marks, list(rows), made, now_ns)
            return sum(row.records for row in made)
        except LedgerMoved:
            # Only now is it sure that they are not live; after any other failure prune finds them.
            for row in made:
                store.delete(pack_name(row.pack_id))
            if attempt == TRIES:
                raise
    raise AssertionError("the last try returns or raises")


def salvage(
    store: Store,
    keys: VaultKeys,
    ledger: Ledger,
    missing: Set[bytes],
    now_ns: int,
    check_cancel: Callable[[], None] = lambda: None,
) -> int:
    """Take missing chunks out of packs that were condemned before and are still (or again) in the store.

    So a pack that came back, because its disk did or somebody put a copy there, is of use again. Returns how many
    chunks came back. Raises StoreFull, StoreError, and what `check_cancel` does.
    """
    examiner = Examiner(store, keys)
    marks = ledger.marks()
    left = set(missing)
    made: list[PackRow] = []
    for pack_id, _ in ledger.condemned():
        check_cancel()
        try:
            row = read_footer(keys, store, pack_id)
            table = open_table(keys, row)
        except StoreUnreachable:
            raise
        except (DamagedError, FormatError, StoreError, ValueError):
            continue
        if left.isdisjoint(table.ids[i : i + 32] for i in range(0, len(table.ids), 32)):
            continue
        writer = PackWriter(store, keys, table.kind, run_now)
        try:
            for found, number, sealed in examiner.good_records(row):
                chunk_id = found.ids[32 * number : 32 * number + 32]
                if chunk_id in left:
                    copy_record(writer, found, number, sealed)
                    left.discard(chunk_id)
            writer.end_pack()
            made += writer.rows(wait=True)
        finally:
            writer.abort()
    try:
        if made:
            ledger.condemn(marks, [], made, now_ns)
    except LedgerMoved:
        for row in made:
            store.delete(pack_name(row.pack_id))
        return 0  # the next check tries again
    return len(missing) - len(left)


def _saved(
    store: Store, keys: VaultKeys, kind: PackKind, rows: Sequence[PackRow], check_cancel: Callable[[], None]
) -> list[PackRow]:
    """New durable packs with the good records of damaged ones."""
    examiner = Examiner(store, keys)
    writer = PackWriter(store, keys, kind, run_now)
    try:
        for row in rows:
            check_cancel()
            for table, number, sealed in examiner.good_records(row):
                copy_record(writer, table, number, sealed)
        writer.end_pack()
        return writer.rows(wait=True)
    finally:
        writer.abort()
