"""Work: backups and jobs in one list, running, waiting or ended; shown and cancelled by id."""

from __future__ import annotations

from collections.abc import Collection

from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.events.log import work_events
from holdfast.catalog.jobs import work as rows
from holdfast.catalog.jobs.work import BACKUP
from holdfast.catalog.records import Actor, Backup, State, Work
from holdfast.schemas.jobs import JobLine, JobWithLog, job_with_log
from holdfast.schemas.times import iso
from holdfast.service.errors import Conflict, job_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.instance.import_scratch import remove_scratch
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.jobs.events import message_of
from holdfast.units import DAY_NS

PAGE = 50
LOG_LINES_MAX = 100
ENDED_NS = DAY_NS
"""Ended work is listed for this long."""


def get_work(instance: Instance, work_id: str, account_id: str | None = None) -> Work:
    """A job, or a backup as one; where an account is given, one that it may see. Raises NotFound (JOB_NOT_FOUND)."""
    work = rows.work_by_id(instance.catalog, work_id)
    if work is None or (account_id is not None and (work.is_hidden or work.account_id != account_id)):
        raise job_not_found()
    return work


def account_work(
    instance: Instance, account_id: str, limit: int, after: str | None, app_ids: Collection[str] | None = None
) -> list[Work]:
    """An account's work, newest first, behind the work with the id `after`; of some of its applications, if given."""
    return rows.account_work(instance.catalog, account_id, limit, after, app_ids)


def seen_work(instance: Instance, ended_max: int) -> tuple[list[Work], list[Work]]:
    """Return running and queued work of all nodes, oldest first; and work that ended in the last day, newest first."""
    since_ns = instance.clock.now_ns() - ENDED_NS
    return rows.open_work(instance.catalog), rows.ended_work(instance.catalog, since_ns, ended_max)


def cancel_work(instance: Instance, work: Work, by: Actor) -> Work:
    """Cancel it: at once if it is queued, within two seconds if it runs. Nothing of it is kept.

    Raises Conflict (JOB_ENDED) when it has ended.
    """
    if work.kind != BACKUP:
        jobs.cancel_job(instance, work, by)
        return get_work(instance, work.id)
    message = "The backup was cancelled before it began."
    if not rows.ask_cancel_backup(instance.catalog, work.id, message, instance.clock.now_ns(), by):
        raise Conflict("JOB_ENDED", "The backup is finished already; there is nothing to cancel.")
    now = get_work(instance, work.id)
    if now.finished_at is not None:
        remove_scratch(instance, work.id)  # the archive of an import that never began
    return now


def backup_of(instance: Instance, work: Work) -> Backup | None:
    """Return the backup of a job, which may be of another application than the job's; None when it was deleted."""
    backup = backup_by_id(instance.catalog, work.backup_id)
    return None if backup is None or backup.state in (State.TRASHED, State.DELETING) else backup


def work_with_log(instance: Instance, work: Work) -> JobWithLog:
    """It as it is shown, with its log."""
    events = work_events(instance.catalog, work.backup_id, None if work.kind == BACKUP else work.id, LOG_LINES_MAX)
    log = [JobLine(iso(event.at, instance.zone), message_of(event)) for event in events]
    return job_with_log(work, log, instance.zone, instance.clock.now_ns())
