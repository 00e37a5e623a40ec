"""Verify: read stored data back, find damage and the affected files of backups, and see what has healed.

A finding is recorded with each affected backup (`Backup.damage`), until a later check finds the backup whole, perhaps
because a later backup brought the lost content back.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence

import msgspec

from holdfast.catalog.backups.read_back import mark_read
from holdfast.catalog.jobs.rows import open_verify
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import SYSTEM, Account, Actor, Backup, Job, Warned
from holdfast.service.access.download import require_digest
from holdfast.service.instance.home import Instance
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.jobs.failures import Failure, Failures
from holdfast.service.registry.account_record import bad_copies, mend_record
from holdfast.service.registry.backups import find_backup, require_usable
from holdfast.service.registry.damage import damaged_paths, record_damage, record_lost, successful
from holdfast.service.registry.vault_there import confirm_vault
from holdfast.stores.port import StoreError, StoreFull, StoreUnreachable
from holdfast.vault.control import NEVER, Control, Progress
from holdfast.vault.errors import Cancelled, VaultError
from holdfast.vault.maintenance.backup_check import DamagedBackup
from holdfast.vault.maintenance.check import CheckReport

KIND = "verify"

_log = logging.getLogger(__name__)


class DamagedPack(msgspec.Struct, frozen=True):
    """A pack that is damaged or missing. `why`: what is wrong, after "the pack"."""

    id: str
    why: str
    is_missing: bool
    lost_chunks: int


class ReportedDamage(msgspec.Struct, frozen=True):
    """A backup that is hit, with the files that can't be read: at most a thousand of the `count`."""

    id: str
    app_id: str
    name: str
    count: int
    is_unreadable: bool
    files: tuple[Warned, ...]


class Checked(msgspec.Struct, frozen=True):
    """The findings of a check of one account's vault. Sizes in bytes."""

    account_id: str
    packs: int
    read_packs: int
    read_bytes: int
    backups: int
    lost_chunks: int
    saved_chunks: int
    """Good chunks that were copied out of damaged packs."""
    salvaged_chunks: int
    """Missing chunks that were found good in packs which had been taken out of use."""
    is_repaired: bool
    stray_packs: int
    stray_backups: int
    damaged_packs: tuple[DamagedPack, ...]
    damaged_backups: tuple[ReportedDamage, ...]
    damaged_records: int
    """Copies of the account's record, of two, that did not open; with `repair` they were written anew."""

    @property
    def is_clean(self) -> bool:
        """Nothing is damaged."""
        return not self.damaged_packs and not self.damaged_backups and not self.damaged_records


class Verified(msgspec.Struct, frozen=True):
    """The `result` of a finished verify job. `files`: the number of files that can't be read."""

    is_whole: bool
    files: int
    read_bytes: int
    damaged_packs: int


def check_account(
    instance: Instance,
    account: Account,
    by: Actor,
    *,
    share: float = 0.0,
    repair: bool = True,
    shuffle: Callable[[list[int]], None] = random.shuffle,
    control: Control = NEVER,
) -> Checked:
    """Check an account's vault and all its backups; `share` (0 to 1) of the data is read.

    With `repair` damaged packs are taken out of use, so that the next backups heal what they hit, and backups say what
    of them is lost; without, nothing is changed at all. Raises VaultError (Cancelled, LedgerMoved), StoreError.
    """
    confirm_vault(instance, account.id)
    bad_records = mend_record(instance, account.id) if repair else bad_copies(instance, account.id)
    began = instance.clock.now_ns()
    before = {backup.id for backup in successful(instance, account.id)}
    report = instance.vault(account.id).check(
        lambda: [backup.id for backup in successful(instance, account.id)],
        now_ns=began,
        share=share,
        repair=repair,
        shuffle=shuffle,
        ledger=SqlLedger(instance.catalog, account.id, repaired_by=by),
        control=control,
    )
    found = successful(instance, account.id)
    damaged_backups = {damaged.backup_id: damaged for damaged in report.damaged_backups}
    if repair:
        mark_read(instance.catalog, account.id, report.good_packs, began)
        # One that was finished meanwhile was not read as a whole.
        checked = [backup for backup in found if backup.id in before]
        read_at = instance.clock.now_ns() if share >= 1 else None
        record_damage(instance, checked, report.damaged_backups, read_at)
    hit = [(backup, damaged_backups[backup.id]) for backup in found if backup.id in damaged_backups]
    return _checked(account.id, report, hit, bad_records)


# -- one backup, as a job ------------------------------------------------------------------------------------------


def request_verify(instance: Instance, backup: Backup, node: str, by: Actor) -> Job:
    """Enter a verification as queued; the one that is open already, where there is one.

    Raises Conflict (BACKUP_NOT_USABLE).
    """
    require_usable(backup, "verified")
    running = open_verify(instance.catalog, backup.id)
    return running or jobs.request_job(instance, KIND, backup, backup.app_id, node, "{}", by)


def run_verify(
    instance: Instance,
    job_id: str,
    *,
    control: Control = NEVER,
    is_held: bool = False,
) -> Job:
    """Run a queued verification to its end. It is successful when it could look, whatever it found. Raises NotFound."""
    return jobs.run_job(instance, job_id, _verify, FAILURES.of, control=control, is_held=is_held)


def recover_verifies(instance: Instance) -> None:
    """Bring verifications of this node to an end whose process died."""

    def tidy(job: Job) -> None:
        message = "The process that ran the verification ended too early; request it again."
        jobs.fail(instance, job.id, Failure("INTERRUPTED", message))

    jobs.recover_jobs(instance, KIND, tidy)


def _verify(instance: Instance, job: Job, control: Control) -> Verified:
    backup = find_backup(instance, job.app_id, job.backup_id)
    confirm_vault(instance, backup.account_id)
    zip_bytes = backup.zip_bytes if backup.zip_sha256 is None else 0

    def checked(progress: Progress) -> None:
        total = msgspec.structs.replace(progress, total_bytes=progress.total_bytes + zip_bytes)
        control.progress(total)

    report = instance.vault(backup.account_id).check_one(
        backup.id,
        now_ns=instance.clock.now_ns(),
        ledger=SqlLedger(instance.catalog, backup.account_id, repaired_by=SYSTEM),
        control=Control(control.is_cancelled, checked),
    )
    backup = find_backup(instance, job.app_id, job.backup_id)  # deleted meanwhile: not a finding
    damaged = report.damaged_backups[0] if report.damaged_backups else None
    if report.findings:
        record_lost(instance, backup.account_id)
    backup = find_backup(instance, job.app_id, job.backup_id)
    record_damage(instance, [backup], report.damaged_backups, instance.clock.now_ns())
    if damaged is None:

        def read(progress: Progress) -> None:
            done = report.read_bytes + progress.bytes
            control.progress(Progress(1, done, 1, report.read_bytes + zip_bytes))

        require_digest(instance, backup, Control(control.is_cancelled, read))
    return Verified(
        is_whole=damaged is None,
        files=0 if damaged is None else damaged.count,
        read_bytes=report.read_bytes,
        damaged_packs=len(report.findings),
    )


FAILURES = Failures(
    "The verification",
    (
        (Cancelled, "CANCELLED"),
        (StoreFull, "STORE_FULL"),
        (StoreUnreachable, "STORE_UNREACHABLE"),
        (StoreError, "STORE_ERROR"),
        (VaultError, "VAULT_ERROR"),
    ),
    interrupted="The verification was interrupted; request it again.",
)


# -- what is entered ------------------------------------------------------------------------------------------------


def _checked(
    account_id: str, report: CheckReport, damaged_backups: Sequence[tuple[Backup, DamagedBackup]], damaged_records: int
) -> Checked:
    return Checked(
        account_id=account_id,
        packs=report.packs,
        read_packs=report.read_packs,
        read_bytes=report.read_bytes,
        backups=report.backups,
        lost_chunks=report.missing_chunks,
        saved_chunks=report.saved_records,
        salvaged_chunks=report.salvaged_chunks,
        is_repaired=report.is_repaired,
        stray_packs=report.stray_packs,
        stray_backups=report.stray_roots,
        damaged_packs=tuple(
            DamagedPack(f.pack_id.hex(), f.why, f.is_missing, int(f.bad.sum())) for f in report.findings
        ),
        damaged_backups=tuple(
            ReportedDamage(b.id, b.app_id, b.name, damaged.count, damaged.is_unreadable, damaged_paths(damaged))
            for b, damaged in damaged_backups
        ),
        damaged_records=damaged_records,
    )
