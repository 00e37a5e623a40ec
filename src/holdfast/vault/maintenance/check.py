"""Check: compares a vault with its ledger and its backups' manifests, and names the damaged files of each backup.

1. Packs: each live one by its size, ends and table; with `read` whole, by its name and record by record. Packs of
   manifests are always read whole: they are small, and everything else is found through them. The rolling read-back
   passes the packs that are due (`some`), and goes on to the next steps only when one is damaged.
2. Damaged packs are put into quarantine (`quarantine.py`), unless `repair` is off.
3. Every backup is compared with the remaining index (`backup_check.py`).

The order makes the answer right whatever happens in between: the index of step 3 has no chunk that is known to be lost,
and a backup that built on one was fenced by step 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.stores.port import Store
from holdfast.vault.control import NEVER, Control, Progress
from holdfast.vault.errors import DamagedError, FormatError
from holdfast.vault.maintenance.backup_check import BackupCheck, DamagedBackup
from holdfast.vault.maintenance.mark import backup_ids
from holdfast.vault.maintenance.pack_check import Examiner, Finding, sample
from holdfast.vault.maintenance.quarantine import quarantine, salvage
from holdfast.vault.pack.copy import packs_in
from holdfast.vault.pack.index import Index
from holdfast.vault.pack.ledger import Ledger
from holdfast.vault.pack.seal import TAG_BYTES, VaultKeys
from holdfast.vault.pack.writer import PackKind

_SALVAGE_ROUNDS = 4
"""A manifest that came back may name more chunks that can: its list, a block, an extent list, the content."""


@dataclass(slots=True)
class CheckReport:
    """The result of a check of one vault. Sizes in bytes."""

    packs: int = 0
    read_packs: int = 0
    """Of them: read whole, record by record."""
    read_bytes: int = 0
    backups: int = 0
    findings: list[Finding] = field(default_factory=list)
    damaged_backups: list[DamagedBackup] = field(default_factory=list)
    good_packs: list[bytes] = field(default_factory=list)
    """Packs that were read whole and found good."""
    is_repaired: bool = False
    """True when the damaged packs were put into quarantine."""
    saved_records: int = 0
    """Good records that were copied out of damaged packs."""
    salvaged_chunks: int = 0
    """Missing chunks that were found good in packs which had been taken out of use."""
    stray_packs: int = 0
    """In the store, but unknown to the ledger: left behind by a crash; prune removes them."""
    stray_roots: int = 0
    """In the store, but of no backup that the caller knows of."""
    missing_chunks: int = 0
    """Chunks of the damaged and missing packs that are lost."""

    @property
    def is_clean(self) -> bool:
        """True when nothing is damaged."""
        return not self.findings and not self.damaged_backups


class Check:
    """Checks one vault. Use once."""

    def __init__(
        self,
        store: Store,
        keys: VaultKeys,
        ledger: Ledger,
        *,
        repair: bool = True,
        control: Control = NEVER,
    ) -> None:
        """Its progress counts the bytes of packs that were read, then backups as files."""
        self._store = store
        self._keys = keys
        self._ledger = ledger
        self._repair = repair
        self._control = control
        self._examiner = Examiner(store, keys)
        self._report = CheckReport()
        self._done = Progress(0, 0, 0, 0)

    def all(
        self,
        backups: Callable[[], Sequence[str]],
        now_ns: int,
        share: float = 0.0,
        shuffle: Callable[[list[int]], None] = lambda order: None,
    ) -> CheckReport:
        """Check the whole vault and the given backups.

        `backups` returns the ids of those that succeeded by the caller's records, and is called when they are needed.
        `share`: of the packs' bytes, this much (0 to 1) is read; `shuffle` puts the packs in the order of choosing.

        Raises StoreUnreachable, Cancelled, LedgerMoved, StoreError.
        """
        known = self._ledger.live_packs()
        order = list(range(len(known)))
        shuffle(order)
        chosen = set(sample(known, order, share)) | {p for p, kind, _ in known if kind == PackKind.MANIFEST}
        sizes = {pack_id: size for pack_id, _, size in known}
        self._total(len(backups()), sum(sizes[p] for p in chosen))
        for pack_id, _, size in known:
            self._examine(pack_id, read=pack_id in chosen)
            if pack_id in chosen:
                self._step(read_bytes=size)
        self._report.packs = len(known)
        self._quarantine(now_ns)
        self._audit(backups, now_ns)
        return self._report

    def some(self, pack_ids: Sequence[bytes], backups: Callable[[], Sequence[str]], now_ns: int) -> CheckReport:
        """Read the given packs whole; backups are checked only when one of the packs is damaged. Otherwise as `all`."""
        for pack_id in pack_ids:
            self._examine(pack_id, read=True)
        if self._report.findings:
            self._quarantine(now_ns)
            self._audit(backups, now_ns)
        return self._report

    def one(self, backup_id: str, now_ns: int) -> CheckReport:
        """Check one backup: its manifest and every record that it needs, all of them read. Raises as `all`."""
        for _ in range(2):
            audit = self._auditor()
            try:
                damaged = audit.backup(backup_id)
            finally:
                audit.close()
            self._report.backups = 1
            self._report.damaged_backups = [damaged] if damaged is not None else []
            found = len(self._report.findings)
            self._records(audit)
            if len(self._report.findings) == found:
                break
            self._quarantine(now_ns)
        self._step(backups=1)
        return self._report

    # -- packs -----------------------------------------------------------------------------------------------------

    def _examine(self, pack_id: bytes, *, read: bool) -> None:
        """Check one pack, and add the finding if it is damaged."""
        self._check_cancel()
        rows = self._ledger.pack_rows([pack_id])
        if not rows:
            return  # condemned in the meantime
        row = rows[0]
        if read:
            self._report.read_packs += 1
            self._report.read_bytes += row.size
        if not read and self._examiner.outside(row) is None:
            return
        finding = self._examiner.whole(row)
        # A pack pruned in the meantime is not missing.
        if finding is None:
            self._report.good_packs.append(pack_id)
        elif self._ledger.pack_rows([pack_id]):
            self._report.findings.append(finding)
            self._report.missing_chunks += int(finding.bad.sum())

    def _records(self, audit: BackupCheck) -> None:
        """Read the records that a checked backup needs; packs with bad ones are read whole."""
        index, used = audit.index, audit.used
        self._total(1, int(index.stored_column()[used].astype(np.int64).sum()))
        suspects = set(audit.suspects)
        columns = index.pack_column(), index.offset_column()
        for number in np.unique(columns[0][used]).tolist():
            self._check_cancel()
            at = used & (columns[0] == number)
            rows = self._ledger.pack_rows([index.packs[number]])
            size = int(index.stored_column()[at].astype(np.int64).sum())
            if rows and not self._examiner.records(rows[0], np.sort(columns[1][at])):
                suspects.add(index.packs[number])
            self._report.read_bytes += size + TAG_BYTES * int(at.sum())
            self._step(read_bytes=size)
        for pack_id in sorted(suspects):
            self._examine(pack_id, read=True)

    def _quarantine(self, now_ns: int) -> None:
        if self._repair and self._report.findings:
            self._report.saved_records += quarantine(
                self._store, self._keys, self._ledger, self._report.findings, now_ns, self._check_cancel
            )
            self._report.is_repaired = True

    # -- backups ---------------------------------------------------------------------------------------------------

    def _audit(self, backups: Callable[[], Sequence[str]], now_ns: int) -> None:
        in_store = dict(packs_in(self._store))
        condemned = {pack_id for pack_id, _ in self._ledger.condemned()}
        ids: Sequence[str] = ()
        for _ in range(_SALVAGE_ROUNDS):
            ids = backups()
            audit = self._auditor()
            self._report.damaged_backups = []
            try:
                for backup_id in ids:
                    self._check_cancel()
                    damaged = audit.backup(backup_id)
                    if damaged is not None:
                        self._report.damaged_backups.append(damaged)
                    self._step(backups=1)
            finally:
                audit.close()
            if not (self._repair and audit.missing):
                break
            saved = salvage(self._store, self._keys, self._ledger, audit.missing, now_ns, self._check_cancel)
            if not saved:
                break
            self._report.salvaged_chunks += saved
        self._report.backups = len(ids)
        # Asked for again: a backup recorded meanwhile is not a stray.
        live = set(self._ledger.live_pack_ids())
        self._report.stray_packs = len(set(in_store) - condemned - live)
        self._report.stray_roots = len(set(backup_ids(self._store)) - set(ids) - set(backups()))

    def _auditor(self) -> BackupCheck:
        """Return a backup check over the index of everything known to be good."""
        return auditor(self._store, self._keys, self._ledger, self._report.findings)

    def _check_cancel(self) -> None:
        self._control.check("The check was cancelled.")

    def _total(self, backups: int, read_bytes: int) -> None:
        done = self._done
        self._done = Progress(done.files, done.bytes, max(backups, done.files), done.bytes + read_bytes)
        self._control.progress(self._done)

    def _step(self, backups: int = 0, read_bytes: int = 0) -> None:
        done = self._done
        files = done.files + backups
        self._done = Progress(
            files, min(done.bytes + read_bytes, done.total_bytes), max(files, done.total_files), done.total_bytes
        )
        self._control.progress(self._done)


def auditor(store: Store, keys: VaultKeys, ledger: Ledger, findings: Sequence[Finding] = ()) -> BackupCheck:
    """Return a backup check over the ledger's index without the records that the findings lost. The caller closes
    it."""
    unreadable = {f.pack_id for f in findings if f.is_missing or f.table is None}
    by_id = {f.pack_id: f for f in findings}
    rows = ledger.pack_rows([p for p in ledger.live_pack_ids() if p not in unreadable])
    index = Index.empty().with_packs(keys, [row for row in rows if row.pack_id not in by_id])
    for row in [row for row in rows if row.pack_id in by_id]:
        try:
            index = index.with_packs(keys, [row])
        except (DamagedError, FormatError):
            continue
    return BackupCheck(store, keys, index, _bad(index, by_id))


def _bad(index: Index, findings: dict[bytes, Finding]) -> NDArray[np.bool_]:
    """Return for each position of the index True if its record was found to be lost."""
    bad = np.zeros(len(index), bool)
    for number, pack_id in enumerate(index.packs):
        finding = findings.get(pack_id)
        if finding is not None and finding.table is not None:
            lost = finding.table.offsets[finding.bad]
            bad |= (index.pack_column() == number) & np.isin(index.offset_column(), lost)
    return bad
