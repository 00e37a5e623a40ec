"""The undo of a restore: its safety backup, restored to where it was taken; or the folder that it made, taken away."""

from __future__ import annotations

import msgspec
from msgspec import structs

from holdfast.catalog.accounts.apps import app_by_id
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.jobs.requested import undoing_job
from holdfast.catalog.records import OPEN_JOBS, Actor, App, Backup, Job, JobState, State
from holdfast.service.errors import Conflict, NotFound, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.restore.database import WantedDatabase
from holdfast.service.restore.files import KIND, Restored, request_restore
from holdfast.service.restore.plan import Wanted


def undo_of(
    instance: Instance, job: Job, app: App | None = None, *, is_inline: bool = False, once: str = ""
) -> tuple[Backup, App, Wanted]:
    """Return what undoes a restore: the backup to restore, the application, and the restore to ask for.

    `app`: the restore's application, if that is known already; `once`: its token.

    Raises NotFound (APP_NOT_FOUND, BACKUP_NOT_FOUND), Conflict (JOB_NOT_UNDOABLE).
    """
    if job.kind != KIND:
        raise _nothing_to_undo(job.id)
    if job.state in OPEN_JOBS:
        raise Conflict("JOB_NOT_UNDOABLE", "The restore still runs; cancel it, and everything is as it was before.")
    done = msgspec.json.decode(job.result, type=Restored) if job.result else None
    if done is None:
        raise Conflict("JOB_NOT_UNDOABLE", "The restore failed or was cancelled, and changed nothing.")
    app = app or app_by_id(instance.catalog, job.app_id)
    if app is None:
        raise app_not_found()
    asked = msgspec.json.decode(job.request, type=Wanted)
    if done.into is not None:
        undo = structs.replace(asked, takes_away=job.id, safety_backup=False, expected=None)
        taken_away = structs.replace(undo, is_inline=is_inline, once=once)
        return _compared_with(instance, job, done.into), app, taken_away
    if done.safety_backup_id is None:
        raise Conflict("JOB_NOT_UNDOABLE", "The restore took no safety backup, so there is nothing to go back to.")
    safety = backup_by_id(instance.catalog, done.safety_backup_id)
    if safety is not None and safety.state is State.TRASHED:
        raise NotFound("BACKUP_NOT_FOUND", "The safety backup of the restore is in the trash; bring it back first.")
    if safety is None or safety.state is not State.SUCCESSFUL:
        raise NotFound("BACKUP_NOT_FOUND", "The safety backup of the restore was deleted, so it cannot be undone.")
    database = WantedDatabase(asked.database.name, None) if asked.database is not None else None
    return safety, app, Wanted(database=database, is_inline=is_inline, once=once)


def _compared_with(instance: Instance, job: Job, into: str) -> Backup:
    """Return the backup that a restore put into a new folder: what is there now is compared with it."""
    backup = backup_by_id(instance.catalog, job.backup_id)
    if backup is None or backup.state is not State.SUCCESSFUL:
        raise NotFound(
            "BACKUP_NOT_FOUND",
            f"The backup that was restored into {into} was deleted, so nobody can tell what is new there; remove that "
            "folder by hand.",
        )
    return backup


def request_undo(instance: Instance, job: Job, by: Actor, once: str = "") -> Job:
    """Enter the restore that undoes a job, as queued; with the same token `once` only once.

    Raises as `undo_of` and `request_restore` do. `job` may be a backup in the form of one, which has nothing to undo.
    """
    safety, app, wanted = undo_of(instance, job, once=once)
    return request_restore(instance, safety, app, wanted, by, undoes=job.id)


def undone_by(instance: Instance, job: Job) -> Job | None:
    """Return the restore that has undone a job, or is about to; None if none does."""
    if job.kind != KIND or job.result is None:
        return None
    return undoing_job(instance.catalog, job, (*OPEN_JOBS, JobState.SUCCESSFUL))


def _nothing_to_undo(job_id: str) -> Conflict:
    return Conflict("JOB_NOT_UNDOABLE", f"The job {job_id} is not a restore, so it has nothing to undo.")
