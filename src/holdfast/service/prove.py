"""Test restores: the newest backup of each application is really restored, into a scratch folder, and compared.

1. `prove_due` finds the application whose turn it is and queues a job; at most one is open on a node.
2. The job restores by the code of every other restore, into `prove-<job id>`, a folder of ours alone (0700): what is in
   it may run as somebody else, and nobody else must reach it. It goes in the end, whatever comes.
3. What lies on the disk then is held against the backup (`sources/target/compare.py`), databases are checked by SQLite.

A backup that did not come back as it was is entered as damaged (`NOT_PROVED`): `fresh.py` takes another one, which
reads everything anew (`take.py`), for an incremental one would trust the list of files that is wrong.
"""

from __future__ import annotations

import itertools
import logging
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from holdfast.catalog import proving as rows
from holdfast.catalog.apps import app_by_id
from holdfast.catalog.backups import backup_by_id
from holdfast.catalog.damage import NOT_PROVED, Found, enter_found
from holdfast.catalog.jobs import insert_job
from holdfast.catalog.records import IMPORTED, OPEN_JOBS, Backup, Job, JobState, Progressed, State, Warned
from holdfast.service import jobs
from holdfast.service.browse import text_of
from holdfast.service.clock import iso
from holdfast.service.errors import Conflict, NotFound, ServiceError
from holdfast.service.instance import Instance
from holdfast.service.jobs import Failure
from holdfast.service.locks import held
from holdfast.service.restore import Planned, Wanted, may_set_owners, planned_restore, stage
from holdfast.service.take import WARNINGS_MAX
from holdfast.service.verify import enter_hits, enter_lost
from holdfast.sources.directory import DirectorySource
from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.checking import NOBODY, check_databases
from holdfast.sources.target.compare import Mismatch, other_contents, other_entries
from holdfast.sources.target.staging import Staging, TargetError, TargetFull, remove_staging
from holdfast.sources.target.swap import Swap
from holdfast.stores.port import StoreError, StoreUnreachable
from holdfast.vault.columns import split
from holdfast.vault.entry import Kind
from holdfast.vault.errors import Cancelled, ChunkMissing, DamagedError, FormatError, SourceFailed, VaultError
from holdfast.vault.manifest import Block
from holdfast.vault.tame import tame

KIND = rows.KIND
TURN_SECONDS = 5.0
RESERVE_BYTES = 512 * 1024**2
"""A test restore leaves the scratch disk so much room at least."""

ENTRY_BYTES = 4096
"""Room that a file or folder takes beside its content, or more."""

SAMPLE_FILES_MAX = 200
"""So many files of a backup that is too large are brought back."""

_PREFIX = "prove-"
_DAY_NS = rows.DAY_NS
_HOUR_NS = 3600 * 1_000_000_000
_PLAIN_DATABASES = ("DATABASE_DAMAGED", "DATABASE_RAW")
"""Warnings of backups about files that look like databases and are kept as they are."""

_log = logging.getLogger(__name__)


class NotProved(ServiceError):
    """What came back is not what was backed up."""


class ScratchError(ServiceError):
    """The test restore could not be made; that says nothing about the backup."""


class Proved(msgspec.Struct, frozen=True):
    """What a finished test restore's `result` says. `bytes`: of content that was compared."""

    is_whole: bool
    """All of the backup was restored; else only some files, as it is larger than the limit."""
    files: int
    bytes: int
    databases: int
    """Databases that SQLite found sound."""
    warnings: tuple[Warned, ...]


@dataclass(frozen=True, slots=True)
class _Compared:
    mismatches: list[Mismatch]
    proved: Proved


# -- asked for -----------------------------------------------------------------------------------------------------


def prove_due(instance: Instance) -> Job | None:
    """Queue the test restore that is due, if any is and none is under way on this node."""
    node, now_ns = instance.config.node, instance.clock.now_ns()
    period = instance.config.prove_days * _DAY_NS
    due = rows.due_app(instance.catalog, node, now_ns) if period else None
    if due is None:
        return None
    app_id, due_at = due
    backup_id = rows.newest_backup_id(instance.catalog, app_id)
    backup = backup_by_id(instance.catalog, backup_id) if backup_id is not None else None
    # An application without a good backup waits for its first one, as at the start.
    job = None if backup is None else jobs.new_job(instance, KIND, backup, app_id, node, "{}")
    next_at = due_at + period if due_at + period > now_ns else now_ns + period
    claimed = rows.claim_prove(instance.catalog, app_id, due_at, None if job is None else next_at, job)
    return job if claimed else None


def request_prove(instance: Instance, backup: Backup) -> Job:
    """Enter a test restore of a backup as queued. Raises Conflict (BACKUP_NOT_USABLE, PROVE_IN_PROGRESS)."""
    if backup.state is not State.SUCCESSFUL:
        raise Conflict("BACKUP_NOT_USABLE", f"The backup is {backup.state}; only a successful one can be restored.")
    job = jobs.new_job(instance, KIND, backup, backup.app_id, instance.config.node, "{}")
    with held(instance, "prove-request") as is_ours:
        if not is_ours or rows.is_under_way(instance.catalog, instance.config.node):
            message = "A test restore is under way on this machine already; wait for it."
            raise Conflict("PROVE_IN_PROGRESS", message)
        insert_job(instance.catalog, job)
    return job


def newest_backup(instance: Instance, app_id: str) -> Backup:
    """The newest successful backup of an application. Raises NotFound."""
    backup_id = rows.newest_backup_id(instance.catalog, app_id)
    backup = backup_by_id(instance.catalog, backup_id) if backup_id is not None else None
    if backup is None:
        raise NotFound("BACKUP_NOT_FOUND", "The application has no successful backup yet.")
    return backup


def shown_proofs(instance: Instance) -> list[dict[str, str | None]]:
    """For each application when any of its backups was last verified and proved, and when the next proof is due."""

    def time(ns: int | None) -> str | None:
        return None if ns is None else iso(ns, instance.zone)

    return [
        {
            "app_id": app_id,
            "app": name,
            "verified_at": time(verified_at),
            "restore_proved_at": time(proved_at),
            "next_proof_at": time(next_at) if instance.config.prove_days else None,
        }
        for app_id, name, verified_at, proved_at, next_at in rows.proofs(instance.catalog)
    ]


# -- run -----------------------------------------------------------------------------------------------------------


def run_prove(
    instance: Instance,
    job_id: str,
    *,
    on_progress: jobs.Note = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Job:
    """Run a queued test restore to its end: successful when all matched. Raises NotFound, CatalogError."""

    def deed(job: Job, note: jobs.Note, stop: Callable[[], bool]) -> str:
        return msgspec.json.encode(_prove(instance, job, note, stop)).decode()

    done = jobs.run_job(instance, job_id, deed, _failure, on_progress=on_progress, cancelled=cancelled)
    if done.state in (JobState.FAILED, JobState.CANCELLED):
        rows.prove_by(instance.catalog, done.app_id, instance.clock.now_ns() + _DAY_NS)
    return done


def recover_proves(instance: Instance) -> None:
    """Bring test restores of this node to an end whose process died, and remove what they left on the disk."""

    def tidy(job: Job) -> None:
        remove_scratch(instance, job.id)
        message = "The process that tried the restore ended before it was finished; it is tried again."
        jobs.finish(instance, job.id, JobState.FAILED, error_code="INTERRUPTED", error_message=message)
        # Not at once: it may be what ended the process.
        rows.prove_by(instance.catalog, job.app_id, instance.clock.now_ns() + _HOUR_NS)

    jobs.recover_jobs(instance, KIND, tidy)
    for folder in _scratch_parent(instance).glob(f"{_PREFIX}*"):
        job_id = folder.name.removeprefix(_PREFIX)
        if folder.is_dir() and not _is_open(instance, job_id):
            with held(instance, f"job-{job_id}") as is_ours:
                if is_ours:
                    remove_scratch(instance, job_id)


def _is_open(instance: Instance, job_id: str) -> bool:
    try:
        return jobs.get_job(instance, job_id).state in OPEN_JOBS
    except NotFound:
        return False


def _prove(instance: Instance, job: Job, note: jobs.Note, stop: Callable[[], bool]) -> Proved:
    backup = backup_by_id(instance.catalog, job.backup_id)
    if backup is None or backup.state is not State.SUCCESSFUL:
        raise NotFound("BACKUP_NOT_FOUND", "The backup was deleted before it could be tried.")
    began = instance.clock.now_ns()
    try:
        compared = _restored_and_compared(instance, job, backup, note, stop)
    except (DamagedError, ChunkMissing, FormatError) as error:
        raise _damaged(instance, backup, str(error), stop) from error
    finally:
        remove_scratch(instance, job.id)
    if compared.mismatches:
        raise _not_proved(instance, backup, [_warned(one) for one in compared.mismatches])
    if compared.proved.is_whole:
        now = backup_by_id(instance.catalog, backup.id)
        damage = tuple(w for w in (now.damage if now is not None else ()) if w.code != NOT_PROVED)
        # A whole restore has read and checked all of it. (What was found to be lost since it began is not.)
        found = Found(backup.id, damage, None if damage else began, instance.clock.now_ns())
        enter_found(instance.catalog, [found], instance.clock.now_ns())
    return compared.proved


def _damaged(instance: Instance, backup: Backup, why: str, stop: Callable[[], bool]) -> NotProved:
    """Find out what of the backup is lost; if nothing is, it is the backup itself that is wrong."""
    report = instance.vault(backup.account_id).check_one(backup.id, now_ns=instance.clock.now_ns(), cancelled=stop)
    if report.findings:
        enter_lost(instance, backup.account_id)
    found = backup_by_id(instance.catalog, backup.id)
    if not report.hits or found is None:
        return _not_proved(instance, backup, [Warned("", NOT_PROVED, why)])
    enter_hits(instance, [(found, report.hits[0])], None)
    return NotProved(NOT_PROVED, f"The test restore failed, as some of the backup is lost from the store: {why}")


def _not_proved(instance: Instance, backup: Backup, why: Sequence[Warned]) -> NotProved:
    """Enter what did not match."""
    now = backup_by_id(instance.catalog, backup.id)
    lost = tuple(w for w in (now.damage if now is not None else ()) if w.code != NOT_PROVED)
    enter_found(instance.catalog, [Found(backup.id, (*lost, *why))], instance.clock.now_ns())
    more = f" There are {len(why) - 1} more." if len(why) > 1 else ""
    return NotProved(NOT_PROVED, f"The test restore did not give back what was backed up: {why[0].message}{more}")


def _warned(one: Mismatch) -> Warned:
    shown = one.path.decode(errors="backslashreplace")
    return Warned(shown, NOT_PROVED, f"In a test restore {shown} {one.what}.")


# -- restored and compared -----------------------------------------------------------------------------------------


def _restored_and_compared(
    instance: Instance, job: Job, backup: Backup, note: jobs.Note, stop: Callable[[], bool]
) -> _Compared:
    """Raises VaultError, StoreError (the backup or its store), ScratchError, TargetError (the disk), Cancelled."""
    scratch = scratch_folder(instance, job.id)
    tree = scratch / "tree"
    try:
        scratch.mkdir(mode=0o700)
        tree.mkdir(mode=0o700)
        room = os.statvfs(scratch)
    except OSError as error:
        raise ScratchError("SCRATCH_FAILED", f"{scratch} cannot be made ({error.strerror}); mend that.") from error
    is_whole = backup.content_bytes <= instance.config.prove_bytes_max
    paths = () if is_whole else _sample(instance, backup)
    if not (is_whole or paths):
        message = "No file of the backup is small enough for a test restore; raise prove_bytes_max."
        raise ScratchError("TOO_LARGE", message)
    with planned_restore(instance, backup, tree, Wanted(paths=paths), _view(instance, backup)) as planned:
        plan = planned.plan
        need = plan.write_bytes + ENTRY_BYTES * int((plan.change_of >= 0).sum())
        if room.f_bavail * room.f_frsize < need + RESERVE_BYTES:
            message = f"A test restore needs {need:,} bytes in {scratch.parent}, and there is no room; free some."
            raise ScratchError("SCRATCH_FULL", message)
        total = plan.write_bytes

        def half(progress: Progressed) -> None:
            if stop():
                raise Cancelled("The test restore was cancelled.")
            note(Progressed(progress.files, progress.bytes, plan.write_files, 2 * total))

        staging = Staging(scratch / "staging", owners=may_set_owners())
        try:
            stage(planned, staging, half, stop)
            swap = Swap(tree, staging, scratch / "journal", owners=may_set_owners())
            swap.run(plan.changes, plan.fixes, planned.scan, planned.target)
        finally:
            staging.close()
        may_lack = bool(staging.notices or swap.notices)
        return _compare(instance, backup, planned, scratch, may_lack, is_whole, note, stop)


def _compare(
    instance: Instance,
    backup: Backup,
    planned: Planned,
    scratch: Path,
    may_lack_attributes: bool,
    is_whole: bool,
    note: jobs.Note,
    stop: Callable[[], bool],
) -> _Compared:
    """Look at what lies on the disk now."""
    plan, before = planned.plan, planned.before
    tree = scratch / "tree"
    wanted = np.ones(len(before), bool) if is_whole else plan.change_of >= 0
    scan = DirectorySource(tree).scan()
    reader = DirectoryReader(tree)
    files = compared = 0

    def on_file(size: int) -> None:
        nonlocal files, compared
        files += 1
        compared += size
        done = plan.write_bytes + compared
        note(Progressed(plan.write_files, done, plan.write_files, max(done, 2 * plan.write_bytes)))

    try:
        vault = instance.vault(backup.account_id)
        own = wanted.copy()
        for number in plan.links:
            own[number] = False  # one of another's names: compared there
        found: Iterator[Mismatch] = itertools.chain(
            other_entries(
                before,
                scan,
                wanted,
                plan.links,
                reader,
                owners=may_set_owners(),
                may_lack_attributes=may_lack_attributes,
            ),
            other_contents(
                planned.snapshot.all_blocks(),
                own,
                reader,
                lambda entry, read_into: vault.is_given_back(planned.large, entry, read_into),
                on_file,
                stop,
            ),
        )
        mismatches = list(itertools.islice(found, WARNINGS_MAX))
        plain = _plain_databases(backup)
        is_plain = [p for p in split(before.path_bytes, before.path_length) if plain and _text(p) in plain]
        verdicts = check_databases(scan, reader, scratch / "databases", is_plain, stop) if not mismatches else []
    finally:
        reader.close()
    for one in verdicts:
        if one.problem is not None and plain is not None:
            mismatches.append(Mismatch(one.path, f"is a database that SQLite finds damaged ({one.problem})"))
    warnings = tuple(
        Warned(_text(one.path), "DATABASE_NOTE", f"The database {_text(one.path)} came back as it was: {said}.")
        for one in verdicts
        if (said := one.note or one.problem) is not None
    )
    return _Compared(mismatches, Proved(is_whole, files, compared, len(verdicts), warnings))


def _plain_databases(backup: Backup) -> set[str] | None:
    """Paths of files that look like databases and were kept as they are, sound or not; None: not all are known."""
    if any(w.code == "MORE_WARNINGS" for w in backup.warnings):
        return None
    return {w.path for w in backup.warnings if w.code in _PLAIN_DATABASES}


def _text(path: bytes) -> str:
    return path.decode(errors="backslashreplace")


def _sample(instance: Instance, backup: Backup) -> tuple[str, ...]:
    """Some files of a backup, as they fall, with no more content than a test restore may have."""
    snapshot = instance.vault(backup.account_id).open(backup.id)
    try:
        sizes = [(b, i) for b in snapshot.all_blocks() for i in (b.kind == Kind.FILE).nonzero()[0].tolist()]
        random.shuffle(sizes)
        chosen: list[str] = []
        left = instance.config.prove_bytes_max
        for block, i in sizes:
            if len(chosen) == SAMPLE_FILES_MAX:
                break
            if int(block.size[i]) <= left:
                left -= int(block.size[i])
                chosen.append(text_of(block.path(i)))
        return tuple(chosen)
    finally:
        snapshot.close()


def _view(instance: Instance, backup: Backup) -> Callable[[Block], Block]:
    """What is seen of a backup: of an archive that a customer uploaded nothing that gives rights, as at any restore."""
    if backup.origin != IMPORTED or not may_set_owners():
        return lambda block: block
    app = app_by_id(instance.catalog, backup.app_id)
    try:
        found = os.stat(app.path) if app is not None else None
    except OSError:
        found = None
    return tame(NOBODY, NOBODY) if found is None else tame(found.st_uid, found.st_gid)


# -- scratch -------------------------------------------------------------------------------------------------------


def _scratch_parent(instance: Instance) -> Path:
    return Path(instance.config.scratch).resolve() if instance.config.scratch else instance.run.resolve()


def scratch_folder(instance: Instance, job_id: str) -> Path:
    """Where a test restore's files are while it runs."""
    return _scratch_parent(instance) / f"{_PREFIX}{job_id}"


def remove_scratch(instance: Instance, job_id: str) -> None:
    """Remove all of a test restore's files; what cannot be removed is logged, and tried again at the next start."""
    try:
        remove_staging(scratch_folder(instance, job_id))
    except TargetError as error:
        _log.warning("what a test restore left in %s stays: %s", scratch_folder(instance, job_id), error)


def _failure(error: BaseException) -> Failure:
    if isinstance(error, ServiceError):
        return Failure(error.code, error.message)
    if isinstance(error, Cancelled):
        return Failure("CANCELLED", "The test restore was cancelled.")
    if isinstance(error, TargetError):
        code = "SCRATCH_FULL" if isinstance(error, TargetFull) else "SCRATCH_FAILED"
        return Failure(code, f"The test restore could not be made: {error}")
    for kind, code in (
        (StoreUnreachable, "STORE_UNREACHABLE"),
        (StoreError, "STORE_ERROR"),
        (SourceFailed, "SQLITE_UNUSABLE"),
        (VaultError, "VAULT_ERROR"),
    ):
        if isinstance(error, kind):
            return Failure(code, str(error))
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return Failure("CANCELLED", "The test restore was interrupted.")
    if isinstance(error, OSError):
        return Failure("SCRATCH_FAILED", f"The scratch folder could not be used ({error.strerror or error}).")
    return Failure(
        "INTERNAL_ERROR",
        "The test restore failed for a reason that nobody thought of; the server's log has the details.",
    )
