"""Test restores: the newest backup of each application is restored into a scratch folder and compared.

1. `prove_due` finds the application whose turn it is and queues a job; at most one is open on a node.
2. The job restores into a scratch folder and compares the files there with the backup (`trial_restore.py`). The folder
   is removed at the end in any case.
3. The result is recorded with the backup.

A backup that was not restored as it was taken is recorded as damaged (`NOT_PROVED`). `retake.py` then takes another
one, which reads everything again (`service/take/run.py`), because an incremental one would trust the wrong list of
files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack

from holdfast.catalog.backups import proofs as rows
from holdfast.catalog.backups.damage import NOT_PROVED, Found, record_findings
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.jobs.requested import JobOpen, insert_requested
from holdfast.catalog.jobs.rows import insert_job
from holdfast.catalog.packs.ledger import SqlLedger
from holdfast.catalog.records import OPEN_JOBS, SYSTEM, Actor, Backup, Job, JobState, State, Warned
from holdfast.restorer.compare import Mismatch
from holdfast.restorer.staging import TargetError, TargetFull
from holdfast.schemas.commands import Proof
from holdfast.schemas.times import iso
from holdfast.service.access.download import require_digest
from holdfast.service.errors import Conflict, LimitReached, NotFound, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.integrity.trial_restore import (
    SCRATCH_PREFIX,
    Proved,
    ScratchError,
    is_ours,
    remove_scratch,
    restored_and_compared,
    scratch_parent,
)
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.jobs.failures import Failure, Failures
from holdfast.service.jobs.wake import wake
from holdfast.service.registry.backups import require_usable
from holdfast.service.registry.damage import file_named, record_damage, record_lost
from holdfast.service.registry.vault_there import confirm_vault
from holdfast.sources.port import SourceError
from holdfast.stores.port import StoreError, StoreUnreachable
from holdfast.units import DAY_NS, HOUR_NS, SECOND_NS
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import Cancelled, ChunkMissing, DamagedError, FormatError, SourceFailed, VaultError
from holdfast.vault.paths import shown

KIND = rows.KIND
RUN_SECONDS = 5.0

PROVES_A_DAY_MAX = 10
"""Test restores that an account may ask for in 24 hours; those by themselves and the operator's are not counted."""

_BY_ACCOUNT = '{"by_account":true}'
"""The request of a test restore that the account asked for, which is how they are counted."""


_log = logging.getLogger(__name__)


class NotProved(ServiceError):
    """The test restore gave other files than those that were backed up."""


# -- asked for -----------------------------------------------------------------------------------------------------


def prove_due(instance: Instance) -> Job | None:
    """Queue the test restore that is due, if any is and none is under way on this node."""
    node, now_ns = instance.config.node, instance.clock.now_ns()
    period = instance.config.prove_days * DAY_NS
    due = rows.due_app(instance.catalog, node, now_ns) if period else None
    if due is None:
        return None
    app_id, due_at = due
    backup_id = rows.newest_backup_id(instance.catalog, app_id)
    backup = backup_by_id(instance.catalog, backup_id) if backup_id is not None else None
    # An application without a good backup waits for its first one, as at the start.
    job = None if backup is None else jobs.new_job(instance, KIND, backup, app_id, node, "{}")
    next_at = due_at + period if due_at + period > now_ns else now_ns + period
    if not rows.claim_prove(instance.catalog, app_id, due_at, None if job is None else next_at, job, SYSTEM):
        return None
    wake(instance)
    return job


def request_prove(instance: Instance, backup: Backup, by: Actor, own: ExitStack | None = None) -> Job:
    """Enter a test restore that the operator asks for, on this machine, as queued.

    Raises Conflict (BACKUP_NOT_USABLE, PROVE_IN_PROGRESS).

    `own` is given the job's lock before anybody can see the job: then the caller runs it, and not the worker.
    """
    require_usable(backup, "restored")
    job = jobs.new_job(instance, KIND, backup, backup.app_id, instance.config.node, "{}")
    with held(instance, "prove-request") as is_free:
        if not is_free or rows.is_running(instance.catalog, instance.config.node):
            message = "A test restore is already running on this machine; wait for it."
            raise Conflict("PROVE_IN_PROGRESS", message)
        if own is not None:
            own.enter_context(held(instance, jobs.job_lock(job.id)))
        insert_job(instance.catalog, job, by)
    return job


def queue_prove(instance: Instance, backup: Backup, node: str, by: Actor) -> Job:
    """Enter a test restore that the account asks for, for the application's node; that of this backup if one is open.

    An account has one at a time, and PROVES_A_DAY_MAX in 24 hours. Raises Conflict (BACKUP_NOT_USABLE,
    PROVE_IN_PROGRESS), LimitReached.
    """
    require_usable(backup, "restored")
    job = jobs.new_job(instance, KIND, backup, backup.app_id, node, _BY_ACCOUNT)

    def permit(asked: Sequence[int]) -> None:
        if len(asked) >= PROVES_A_DAY_MAX:
            free_at = asked[-PROVES_A_DAY_MAX] + DAY_NS
            raise LimitReached(
                "KEEP_CALM",
                f"An account may ask for {PROVES_A_DAY_MAX} test restores in 24 hours; the next one can be asked for "
                f"after {iso(free_at, instance.zone)}.",
                max(1, -(-(free_at - job.created_at) // SECOND_NS)),
            )

    try:
        insert_requested(instance.catalog, job, by, job.created_at - DAY_NS, permit)
    except JobOpen as found:
        if found.job.backup_id == backup.id:
            return found.job
        message = "A test restore of another backup of the account waits or runs; wait for its end, or cancel it."
        raise Conflict("PROVE_IN_PROGRESS", message) from None
    wake(instance)
    return job


def newest_backup(instance: Instance, app_id: str) -> Backup:
    """The newest successful backup of an application. Raises NotFound."""
    backup_id = rows.newest_backup_id(instance.catalog, app_id)
    backup = backup_by_id(instance.catalog, backup_id) if backup_id is not None else None
    if backup is None:
        raise NotFound("BACKUP_NOT_FOUND", "The application has no successful backup yet.")
    return backup


def shown_proofs(instance: Instance) -> list[Proof]:
    """For each application when any of its backups was last verified and proved, and when the next proof is due."""

    def time(ns: int | None) -> str | None:
        return None if ns is None else iso(ns, instance.zone)

    return [
        Proof(app_id, name, time(verified_at), time(proved_at), time(next_at) if instance.config.prove_days else None)
        for app_id, name, verified_at, proved_at, next_at in rows.proofs(instance.catalog)
    ]


# -- run -----------------------------------------------------------------------------------------------------------


def run_prove(
    instance: Instance,
    job_id: str,
    *,
    control: Control = NEVER,
    is_held: bool = False,
) -> Job:
    """Run a queued test restore to its end: successful when all matched. Raises NotFound, CatalogError."""
    done = jobs.run_job(instance, job_id, _prove, _failure, control=control, is_held=is_held)
    if done.state in (JobState.FAILED, JobState.CANCELLED):
        rows.prove_by(instance.catalog, done.app_id, instance.clock.now_ns() + DAY_NS)
    return done


def recover_proves(instance: Instance) -> None:
    """Bring test restores of this node to an end whose process died, and remove what they left on the disk."""

    def tidy(job: Job) -> None:
        remove_scratch(instance, job.id)
        message = "The process that tried the restore ended before it was finished; it is tried again."
        jobs.fail(instance, job.id, Failure("INTERRUPTED", message))
        # Not at once: it may be what ended the process.
        rows.prove_by(instance.catalog, job.app_id, instance.clock.now_ns() + HOUR_NS)

    jobs.recover_jobs(instance, KIND, tidy)
    for folder in scratch_parent(instance).glob(f"{SCRATCH_PREFIX}*"):
        job_id = folder.name.removeprefix(SCRATCH_PREFIX)
        if is_ours(folder) and not _is_open(instance, job_id):
            with held(instance, jobs.job_lock(job_id)) as is_free:
                if is_free:
                    remove_scratch(instance, job_id)


def _is_open(instance: Instance, job_id: str) -> bool:
    try:
        return jobs.get_job(instance, job_id).state in OPEN_JOBS
    except NotFound:
        return False


def _prove(instance: Instance, job: Job, control: Control) -> Proved:
    backup = backup_by_id(instance.catalog, job.backup_id)
    if backup is None or backup.state is not State.SUCCESSFUL:
        raise NotFound("BACKUP_NOT_FOUND", "The backup was deleted before it could be tried.")
    confirm_vault(instance, backup.account_id)
    began = instance.clock.now_ns()
    for attempt in (1, 2):
        # Twice before it is called so: a fault on the way from a disk is none of the backup's.
        try:
            with file_named(instance, backup):
                compared = restored_and_compared(instance, job.id, backup, control)
        except (DamagedError, ChunkMissing, FormatError) as error:
            if (lost := _lost(instance, backup, str(error), control)) is not None:
                raise lost from error
            if attempt == 2:
                raise _not_proved(instance, backup, [Warned("", NOT_PROVED, str(error))]) from error
            continue
        finally:
            remove_scratch(instance, job.id)
        if not compared.mismatches:
            break
        if attempt == 2:
            raise _not_proved(instance, backup, [_warned(one) for one in compared.mismatches])
    if compared.proved.is_whole:
        now = backup_by_id(instance.catalog, backup.id)
        damage = tuple(w for w in (now.damage if now is not None else ()) if w.code != NOT_PROVED)
        # A whole restore has read and checked all of it. (What was found to be lost since it began is not.)
        found = Found(backup.id, damage, None if damage else began, instance.clock.now_ns())
        record_findings(instance.catalog, [found], instance.clock.now_ns())
        require_digest(instance, backup, Control(control.is_cancelled))
    return compared.proved


def _lost(instance: Instance, backup: Backup, why: str, control: Control) -> NotProved | None:
    """Find out whether something of the backup is lost from the store, and enter that; None: nothing is."""
    ledger = SqlLedger(instance.catalog, backup.account_id, repaired_by=SYSTEM)
    vault = instance.vault(backup.account_id)
    report = vault.check_one(backup.id, now_ns=instance.clock.now_ns(), ledger=ledger, control=control)
    if report.findings:
        record_lost(instance, backup.account_id)
    found = backup_by_id(instance.catalog, backup.id)
    if not report.damaged_backups or found is None:
        return None
    record_damage(instance, [found], report.damaged_backups, None)
    return NotProved(NOT_PROVED, f"The test restore failed, as some of the backup is lost from the store: {why}")


def _not_proved(instance: Instance, backup: Backup, why: Sequence[Warned]) -> NotProved:
    """Enter what did not match."""
    now = backup_by_id(instance.catalog, backup.id)
    lost = tuple(w for w in (now.damage if now is not None else ()) if w.code != NOT_PROVED)
    record_findings(instance.catalog, [Found(backup.id, (*lost, *why))], instance.clock.now_ns())
    more = f" There are {len(why) - 1} more." if len(why) > 1 else ""
    return NotProved(NOT_PROVED, f"The test restore did not give back what was backed up: {why[0].message}{more}")


def _warned(one: Mismatch) -> Warned:
    path = shown(one.path)
    return Warned(path, NOT_PROVED, f"In a test restore {path} {one.what}.")


# -- how it ends -----------------------------------------------------------------------------------------------------


FAILURES = Failures(
    "The test restore",
    (
        (StoreUnreachable, "STORE_UNREACHABLE"),
        (StoreError, "STORE_ERROR"),
        (SourceFailed, "SQLITE_UNUSABLE"),
        (VaultError, "VAULT_ERROR"),
    ),
    interrupted="The test restore was interrupted.",
    disk=("SCRATCH_FAILED", "The scratch folder could not be used"),
)


def _failure(error: BaseException) -> Failure:
    if isinstance(error, Cancelled):
        return Failure("CANCELLED", "The test restore was cancelled.")
    if isinstance(error, TargetError):
        code = "SCRATCH_FULL" if isinstance(error, TargetFull) else "SCRATCH_FAILED"
        return FAILURES.with_code(code, error)
    if isinstance(error, SourceError):  # of the scratch folder: nothing else is walked
        detail = "The scratch folder of the test restore went away or could not be read; check its disk and try again."
        return FAILURES.of(ScratchError("SCRATCH_FAILED", detail))
    return FAILURES.of(error)
