"""Restore a backup: plan it against the target, stage and thereby check everything, then swap it in, or undo it.

1. The target is walked and compared with the backup: only what differs is touched.
2. Everything needed is read, checked and written beside the target, which is not changed so far.
3. A safety backup of the application is taken, so that the restore itself can be undone.
4. Everything is swapped in by renames. On any failure the old state is restored; after a crash the next start does it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.records import OPEN_JOBS, PRIVATE, SYSTEM, Actor, App, Backup, Job, JobState, State, Warned
from holdfast.restorer.changes import RestorePlan
from holdfast.restorer.staging import (
    CANCELLED,
    Staging,
    TargetError,
    TargetFull,
    remove_staging,
    staging_folder,
)
from holdfast.restorer.swap import (
    JournalError,
    JournalFull,
    Outcome,
    RollBackFailed,
    Swap,
    TargetTaken,
    clean_up,
    forget,
)
from holdfast.service.errors import Conflict, NotFound, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.jobs.failures import Failure, Failures
from holdfast.service.registry.apps import require_folder, require_here
from holdfast.service.registry.backups import require_usable
from holdfast.service.registry.damage import file_named
from holdfast.service.registry.databases import Dump, dump_in
from holdfast.service.registry.paths import paths_of
from holdfast.service.registry.restored_folders import checked_into, leave_out
from holdfast.service.restore.database import DatabaseRestore, load_dump, scratch_folder, target_of
from holdfast.service.restore.new_folder import require_there, take_away
from holdfast.service.restore.plan import (
    Planned,
    Wanted,
    is_inline,
    may_set_owners,
    planned_restore,
    require_target,
    target_root,
)
from holdfast.service.restore.target import is_empty, make_target
from holdfast.service.take.run import WARNINGS_MAX, take_now
from holdfast.sources.databases.spec import FOLDER
from holdfast.sources.port import SourceError
from holdfast.stores.port import StoreError
from holdfast.units import SECOND_NS
from holdfast.vault.control import NEVER, Control, Progress
from holdfast.vault.errors import Cancelled, DamagedError, VaultError
from holdfast.vault.path_warnings import PathWarning
from holdfast.vault.paths import shown
from holdfast.vault.reader.extract import extract, large_parts

KIND = "restore"
_NO_SAFETY = "The safety backup before the restore failed, so nothing was changed:"
_STAGING_LEFT = "The restore is finished, but what it replaced could not be removed: the folder {name} takes room."
INLINE_BEGINS_NS = 30 * SECOND_NS
"""A process that restores at once has begun within this time, or is dead."""


_log = logging.getLogger(__name__)


class Restored(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of a restore, as a finished job's `result` has it. `into`: the new folder that it made, if it did."""

    added: int
    changed: int
    removed: int
    written_files: int
    written_bytes: int
    safety_backup_id: str | None
    warnings: tuple[Warned, ...]
    into: str | None = None


def request_restore(
    instance: Instance, backup: Backup, target: App, wanted: Wanted, by: Actor, *, undoes: str | None = None
) -> Job:
    """Enter a restore as queued.

    It is for the application's node, but for one that the caller runs. Raises Invalid (PATH), Conflict
    (BACKUP_NOT_USABLE, OTHER_NODE, RESTORE_IN_PROGRESS, BACKUP_IN_PROGRESS, TARGET_IN_INSTANCE), and NotFound for a
    database that is not there. `undoes`: the id of the restore that it undoes.
    """
    if wanted.is_inline and wanted.is_into_app:
        require_here(instance, target)
    node = instance.config.node if wanted.is_inline else target.node
    require_usable(backup, "restored")
    if wanted.database is not None:
        target_of(instance, target, dump_in(instance, backup, wanted.database.name), wanted.database)
    for text in wanted.paths:
        paths_of(text)
    if wanted.into is not None:
        checked_into(wanted.into)
    if wanted.takes_away is not None:
        if node == instance.config.node:
            require_there(target, wanted.into or "", wanted.takes_away)
    elif wanted.database is None and node == instance.config.node:
        require_target(instance, target_root(target, wanted), wanted)
    request = msgspec.json.encode(structs.replace(wanted, undoes=undoes)).decode()
    # Another folder or database than the application's own only the operator can name.
    is_hidden = not wanted.is_into_app
    data = _audited(wanted, undoes)
    owner = (backup, target.id, node)
    return jobs.request_job(instance, KIND, *owner, request, by, data, is_hidden=is_hidden, once=wanted.once)


def _audited(wanted: Wanted, undoes: str | None) -> dict[str, Any]:
    """Return a restore as the audit tells it; a folder or a database outside the application is the operator's."""
    data: dict[str, Any] = {"mode": wanted.mode, "paths": wanted.paths, "safety_backup": wanted.safety_backup}
    if undoes is not None:
        data["undoes"] = undoes
    if wanted.database is not None:
        data["database"] = wanted.database.name
        data["elsewhere"] = wanted.database.to is not None
    if wanted.into is not None:
        data["into"] = wanted.into
    if wanted.to is not None:
        data[PRIVATE] = {"to": wanted.to}
    return data


def run_restore(
    instance: Instance,
    job_id: str,
    *,
    control: Control = NEVER,
    is_held: bool = False,
) -> Job:
    """Run a queued restore to its end: done, or failed with everything as it was. Raises NotFound, CatalogError."""
    try:
        done = jobs.run_job(instance, job_id, _restore, FAILURES.of, control=control, is_held=is_held)
    except _NotPutBack as error:
        raise Conflict("RESTORE_HALF_DONE", str(error)) from error
    if done.state not in OPEN_JOBS:
        with suppress(OSError):  # it says nothing any more, as the job has ended
            forget(_journal(instance, job_id))
    return done


def recover_restores(instance: Instance) -> None:
    """Bring restores of this node to an end whose process died: what was half done is undone."""

    def tidy(job: Job) -> None:
        wanted = msgspec.json.decode(job.request, type=Wanted)
        target = app_by_id(instance.catalog, job.app_id)
        if target is None:
            jobs.fail(instance, job.id, Failure("APP_NOT_FOUND", "The application is gone."))
            return
        if wanted.database is not None:
            shutil.rmtree(scratch_folder(instance, job.id), ignore_errors=True)
            message = f"The process that restored ended before it was finished; restore {wanted.database.name} again."
            jobs.fail(instance, job.id, Failure("INTERRUPTED", message))
            return
        staging = staging_folder(target_root(target, wanted), job.id)
        try:
            outcome = clean_up(_journal(instance, job.id), owners=may_set_owners())
        except TargetError as error:
            # The job stays open, so the next start tries again.
            _log.error("restore %s: %s", job.id, error)
            return
        try:
            remove_staging(staging)
        except TargetError as error:  # the target is whole: what is left only takes room
            _log.error("restore %s is over, but its staging folder stays: %s", job.id, error)
        if outcome is Outcome.FINISHED:
            message = "It was finished when its process ended; what it counted was lost."
            warning = Warned("", "INTERRUPTED", message)
            done = Restored(0, 0, 0, 0, 0, None, (warning,))
            jobs.finish(instance, job.id, msgspec.json.encode(done).decode())
            forget(_journal(instance, job.id))
            return
        message = "The process that restored ended before it was finished; everything is as it was before."
        jobs.fail(instance, job.id, Failure("INTERRUPTED", message))

    jobs.recover_jobs(instance, KIND, tidy)
    before = instance.clock.now_ns() - INLINE_BEGINS_NS
    for job in jobs.queued_jobs(instance):
        if job.kind == KIND and is_inline(job) and job.created_at < before:
            # Its process died between asking and beginning. To begin it now would surprise everybody.
            message = "The process that wanted to restore ended before it began; nothing was changed."
            jobs.fail(instance, job.id, Failure("INTERRUPTED", message), JobState.CANCELLED)


def _journal(instance: Instance, job_id: str) -> Path:
    return instance.run / f"restore-{job_id}.journal"


class _NotPutBack(jobs.LeftOpen):
    """The swap failed, and so did putting the old state back."""


def _restore(instance: Instance, job: Job, control: Control) -> Restored:
    wanted = msgspec.json.decode(job.request, type=Wanted)
    backup, target_app = backup_by_id(instance.catalog, job.backup_id), app_by_id(instance.catalog, job.app_id)
    if backup is None:
        raise NotFound("BACKUP_NOT_FOUND", "The backup was deleted before it could be restored.")
    if target_app is None:
        raise app_not_found()
    require_usable(backup, "restored")
    if wanted.is_into_app:
        require_folder(instance, target_app)
    with file_named(instance, backup):
        return _restored(instance, job, backup, target_app, wanted, control)


def _restored(
    instance: Instance, job: Job, backup: Backup, target_app: App, wanted: Wanted, control: Control
) -> Restored:
    if wanted.database is not None:
        scratch = scratch_folder(instance, job.id)
        operation = DatabaseRestore(instance, backup, target_app, wanted.database, scratch, control)
        is_own = wanted.database.to is None
        size, made = load_dump(
            operation, lambda: _safety_backup(instance, target_app, wanted, control) if is_own else None
        )
        return Restored(0, 0, 0, 1, size, made, ())
    if wanted.takes_away is not None:
        return _taken_away(instance, job, backup, target_app, wanted, control)
    root = target_root(target_app, wanted)
    require_target(instance, root, wanted)
    is_new = wanted.into is None and make_target(root, is_chosen=wanted.to is not None)
    with planned_restore(instance, backup, target_app, root, wanted, control=control, mark=job.id) as planned:
        plan = planned.plan
        if wanted.expected is not None and not wanted.expected.is_about(plan):
            raise _target_changed(plan)
        if plan.is_empty:
            return Restored(0, 0, 0, 0, 0, None, (*_left_out(planned.dumps), *_too_deep(plan)))
        staging = Staging(staging_folder(root, job.id), owners=may_set_owners())
        try:
            stage(planned, staging, control)
            if wanted.into is not None:
                leave_out(instance, target_app, wanted.into, job.id)
            safety = None if is_new and is_empty(root) else _safety_backup(instance, target_app, wanted, control)
            control.check(CANCELLED)
            swap = Swap(root, staging, _journal(instance, job.id), owners=may_set_owners())
            try:
                swap.run(plan.changes, plan.fixes, planned.scan, planned.target)
            except RollBackFailed as error:
                raise _NotPutBack(str(error)) from error
        except jobs.LeftOpen:
            staging.close()
            raise
        except BaseException:
            staging.close()
            remove_staging(staging.folder)
            raise
        staging.close()
        notices = [*staging.notices, *swap.notices, *_staging_removed(job, staging.folder)]
        return Restored(
            len(plan.added),
            len(plan.changed),
            len(plan.removed),
            plan.write_files,
            plan.write_bytes,
            safety,
            (*_left_out(planned.dumps), *_too_deep(plan), *_warnings(notices)),
            wanted.into,
        )


def _target_changed(plan: RestorePlan) -> Conflict:
    counts = f"{len(plan.changed):,} paths change, {len(plan.added):,} come back and {len(plan.removed):,} are removed"
    return Conflict(
        "TARGET_CHANGED",
        f"The application has changed since it was compared with the backup: now {counts}. Nothing was touched; look "
        "at what would change now, and restore again.",
    )


def _taken_away(
    instance: Instance, job: Job, backup: Backup, target: App, wanted: Wanted, control: Control
) -> Restored:
    """Undo a restore into a new folder."""
    try:
        done = take_away(instance, job, backup, target, wanted, _journal(instance, job.id), control)
    except RollBackFailed as error:
        raise _NotPutBack(str(error)) from error
    return Restored(0, 0, done.count, 0, 0, None, (*_warnings(list(_staging_removed(job, done.staging))),))


def _staging_removed(job: Job, folder: Path) -> Iterator[PathWarning]:
    """Remove the staging folder of a restore that is over; tell of it if it stays."""
    try:
        remove_staging(folder)
    except TargetError:
        _log.error("restore %s is over, but its staging folder %s stays; remove it", job.id, folder)
        yield PathWarning(b"", "STAGING_LEFT", _STAGING_LEFT.format(name=folder.name))


def stage(planned: Planned, staging: Staging, control: Control) -> None:
    """Read, check and write all that a planned restore puts. Raises TargetError, Cancelled, VaultError, StoreError."""
    plan, files, size = planned.plan, 0, 0

    def on_bytes(more_files: int, more: int) -> None:
        nonlocal files, size
        files += more_files
        size += more
        control.progress(Progress(files, size, plan.write_files, plan.write_bytes))

    wanted = plan.change_of >= 0
    for number in plan.links:
        wanted[number] = False

    staging.write(
        plan,
        lambda on_block: extract(planned.snapshot, wanted, on_block),
        lambda entry: large_parts(planned.large, entry),
        planned.target,
        on_bytes,
        control,
    )


def _safety_backup(instance: Instance, target: App, wanted: Wanted, control: Control) -> str | None:
    if not wanted.safety_backup or wanted.to is not None or wanted.into is not None:
        return None
    done = take_now(instance, target.id, SYSTEM, origin="safety", control=Control(control.is_cancelled))
    if done.state is not State.SUCCESSFUL:
        control.check(CANCELLED)
        raise Conflict(
            "SAFETY_BACKUP_FAILED",
            f"{_NO_SAFETY} {done.error_message}",
            f"{_NO_SAFETY} {done.reason}",
        )
    return done.id


def _left_out(dumps: tuple[Dump, ...]) -> Iterator[Warned]:
    if dumps:
        names = ", ".join(dump.name for dump in dumps)
        message = (
            f"The databases of the backup ({names}) were not touched. Your host can bring one back into its server; a "
            f"restore of the path {FOLDER} gives the dumps as files."
        )
        yield Warned(FOLDER, "DATABASES_NOT_RESTORED", message)


def _too_deep(plan: RestorePlan) -> Iterator[Warned]:
    for path in plan.too_deep:
        message = f"The folder {shown(path)} is nested too deeply for a backup, so it was left as it is."
        yield Warned(shown(path), "TOO_DEEP", message)


def _warnings(notices: list[PathWarning]) -> Iterator[Warned]:
    for notice in notices[:WARNINGS_MAX]:
        yield Warned(shown(notice.path), notice.code, notice.message)


FAILURES = Failures(
    "The restore",
    (
        (Cancelled, "CANCELLED"),
        (JournalFull, "SCRATCH_FULL"),
        (TargetFull, "TARGET_FULL"),
        (TargetTaken, "TARGET_IN_THE_WAY"),
        (JournalError, "SCRATCH_FAILED"),
        (TargetError, "TARGET_ERROR"),
        (SourceError, "TARGET_UNREADABLE"),
        (StoreError, "STORE_ERROR"),
        (DamagedError, "BACKUP_DAMAGED"),
        (VaultError, "VAULT_ERROR"),
    ),
    interrupted="The restore was interrupted; everything is as it was before.",
    disk=("TARGET_ERROR", "The target could not be read or written"),
)
