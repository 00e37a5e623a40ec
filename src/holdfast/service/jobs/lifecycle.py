"""Jobs: long operations on a backup. Request, run and cancel them, and recover them after a crash.

Each kind of job has its operation (`service/restore/files.py`, `service/integrity/verify.py`,
`service/integrity/prove.py`); this module is what they share.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import msgspec

from holdfast.catalog.database.engine import CatalogUnreachable
from holdfast.catalog.database.held import AppEnded
from holdfast.catalog.jobs import rows
from holdfast.catalog.jobs.requested import RequestedBefore, insert_once
from holdfast.catalog.records import Actor, Backup, Job, JobState, new_id
from holdfast.schemas import jobs as schemas
from holdfast.service.errors import Conflict, app_ended, job_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.instance.logs import event
from holdfast.service.jobs.estimate import Timing
from holdfast.service.jobs.failures import INTERNAL_ERROR, Failure
from holdfast.service.jobs.wake import wake
from holdfast.units import DAY_NS, SECOND_NS
from holdfast.vault.control import NEVER, Control, Progress, TimedProgress
from holdfast.vault.errors import Cancelled, Stopped

CONTROL_EVERY_NS = 500_000_000
"""The interval at which a running job records its progress and checks for a cancel."""

_log = logging.getLogger(__name__)


def new_job(
    instance: Instance,
    kind: str,
    backup: Backup,
    app_id: str,
    node: str,
    request: str,
    *,
    is_hidden: bool = False,
) -> Job:
    """A job that nobody has entered yet. `request`: JSON; `is_hidden`: the account is not shown it."""
    now_ns = instance.clock.now_ns()
    return Job(
        id=new_id(now_ns),
        account_id=backup.account_id,
        app_id=app_id,
        backup_id=backup.id,
        kind=kind,
        state=JobState.QUEUED,
        request=request,
        result=None,
        error_code=None,
        error_message=None,
        progress=None,
        cancel_asked=False,
        node=node,
        created_at=now_ns,
        finished_at=None,
        is_hidden=is_hidden,
    )


def request_job(
    instance: Instance,
    kind: str,
    backup: Backup,
    app_id: str,
    node: str,
    request: str,
    by: Actor,
    data: dict[str, Any] | None = None,
    *,
    is_hidden: bool = False,
    once: str = "",
) -> Job:
    """Enter a job as queued, as `new_job` makes it. `request`: JSON; `data`: of the audit's entry.

    `once`: a token in the request; the same one within a day gives the job that it made.

    Raises Conflict (RESTORE_IN_PROGRESS, BACKUP_IN_PROGRESS, APP_ENDED).
    """
    job = new_job(instance, kind, backup, app_id, node, request, is_hidden=is_hidden)
    try:
        if once:
            insert_once(instance.catalog, job, by, data, once, job.created_at - DAY_NS)
        else:
            rows.insert_job(instance.catalog, job, by, data)
    except RequestedBefore as found:
        return found.job
    except AppEnded:
        raise app_ended() from None
    except rows.RestoreRunning:
        raise Conflict("RESTORE_IN_PROGRESS", "The application is being restored already; wait for it.") from None
    except rows.BackupRunning:
        raise Conflict("BACKUP_IN_PROGRESS", "A backup of the application is running; wait for it.") from None
    wake(instance)
    return job


def catalog_control(
    instance: Instance, is_asked: Callable[[], bool], write: Callable[[TimedProgress], None], outer: Control
) -> Control:
    """A control that queries the catalog (`is_asked`) and writes progress to it (`write`), each at most every 500 ms.

    Progress is written with its times, from now on. While the catalog cannot be reached, it does neither.
    """
    timing = Timing(instance.clock.now_ns())

    def asked() -> bool:
        with suppress(CatalogUnreachable):  # it may be back before anything must be entered
            return is_asked()
        return False

    def report(progress: Progress) -> None:
        with suppress(CatalogUnreachable):
            write(timing.timed(progress, instance.clock.now_ns()))

    return Control(asked, report, outer=outer, now_ns=instance.clock.now_ns, every_ns=CONTROL_EVERY_NS)


def run_job(
    instance: Instance,
    job_id: str,
    operation: Callable[[Instance, Job, Control], msgspec.Struct],
    failure: Callable[[BaseException], Failure],
    *,
    control: Control = NEVER,
    is_held: bool = False,
) -> Job:
    """Run a queued job in this process to its end; returns it as it then is.

    `operation(instance, job, control)` does it and returns the result; `failure` gives code and sentence of what it
    raised. `control` may raise Stopped: then the job fails as INTERRUPTED. A job that somebody else runs, or
    that has ended, is returned as it is. `is_held`: the caller holds the job's lock, and may have moved the job to
    `running` already. Raises NotFound, Conflict (NODE_TAKEN), CatalogError, and LeftOpen when the operation did.
    """
    instance.node_lease.hold()
    control = catalog_control(
        instance,
        lambda: rows.is_cancel_asked(instance.catalog, job_id),
        lambda progress: rows.record_job_progress(instance.catalog, job_id, progress),
        control,
    )
    with nullcontext(True) if is_held else held(instance, job_lock(job_id)) as is_ours:
        started_ns = instance.clock.now_ns()
        is_claimed = is_held and get_job(instance, job_id).state is JobState.RUNNING
        if is_ours and (is_claimed or rows.start_job(instance.catalog, job_id, started_ns)):
            try:
                job = get_job(instance, job_id)
                event("job_started", _about(job))
                result = msgspec.json.encode(operation(instance, job, control)).decode()
            except LeftOpen:
                raise
            except BaseException as error:
                _end(instance, job_id, error, failure(error))
                if not isinstance(error, Exception):
                    raise
            else:
                finish(instance, job_id, result)
            _log_end(get_job(instance, job_id), instance.clock.now_ns() - started_ns)
    return get_job(instance, job_id)


def job_lock(job_id: str) -> str:
    """The name of the lock that whoever runs a job holds."""
    return f"job-{job_id}"


def _about(job: Job) -> dict[str, Any]:
    ids = {"job_id": job.id, "backup_id": job.backup_id, "app_id": job.app_id, "account_id": job.account_id}
    return {"kind": job.kind, **ids}


def _log_end(job: Job, took_ns: int) -> None:
    fields: dict[str, object] = {**_about(job), "seconds": round(took_ns / SECOND_NS, 3)}
    if job.state is JobState.FAILED:
        event(
            "job_failed",
            {**fields, "code": job.error_code, "reason": job.reason},
            logging.WARNING,
        )
    else:
        event("job_cancelled" if job.state is JobState.CANCELLED else "job_finished", fields)


class LeftOpen(Exception):
    """A job could not be brought to an end; it stays `running` for the next start to go on with."""


def _end(instance: Instance, job_id: str, error: BaseException, why: Failure) -> None:
    if why.code == INTERNAL_ERROR:
        _log.exception("job %s failed", job_id)
    state = JobState.CANCELLED if isinstance(error, Cancelled) else JobState.FAILED
    if isinstance(error, Stopped):
        state, why = JobState.FAILED, Failure("INTERRUPTED", str(error))
    fail(instance, job_id, why, state)


def fail(instance: Instance, job_id: str, why: Failure, state: JobState = JobState.FAILED) -> None:
    """Enter the end of a job that failed or was cancelled, with the reason."""
    rows.finish_job(instance.catalog, job_id, state, instance.clock.now_ns(), **why.columns())


def finish(instance: Instance, job_id: str, result: str) -> None:
    """Enter the end of a successful job. `result`: JSON."""
    rows.finish_job(instance.catalog, job_id, JobState.SUCCESSFUL, instance.clock.now_ns(), result=result)


def recover_jobs(instance: Instance, kind: str, tidy: Callable[[Job], None]) -> None:
    """Bring jobs of this node to an end whose process died: `tidy(job)` does it, holding the job's lock.

    One that fails is left open for the next time, and hinders no other. Raises Conflict (NODE_TAKEN).
    """
    instance.node_lease.hold()  # what another home runs under this name is not dead
    for job in rows.jobs_in(instance.catalog, [JobState.RUNNING], instance.config.node):
        if job.kind == kind:
            with held(instance, job_lock(job.id)) as is_ours:
                if is_ours and get_job(instance, job.id).state is JobState.RUNNING:
                    try:
                        tidy(job)
                    except Exception:
                        _log.exception("the %s %s could not be brought to an end", kind, job.id)


def queued_jobs(instance: Instance) -> list[Job]:
    """Jobs of this node that wait to be run."""
    return rows.jobs_in(instance.catalog, [JobState.QUEUED], instance.config.node)


def get_job(instance: Instance, job_id: str, account_id: str | None = None) -> Job:
    """One job; of an account where that is given. Raises NotFound (JOB_NOT_FOUND)."""
    job = rows.job_by_id(instance.catalog, job_id)
    if job is None or account_id not in (None, job.account_id):
        raise job_not_found()
    return job


def cancel_job(instance: Instance, job: Job, by: Actor) -> Job:
    """Cancel a job. Raises Conflict (JOB_ENDED) when it has ended."""
    if not rows.ask_cancel(instance.catalog, job.id, instance.clock.now_ns(), by):
        raise Conflict("JOB_ENDED", "The job has ended already; there is nothing to cancel.")
    return get_job(instance, job.id)


def shown_job(instance: Instance, job: Job, *, for_operator: bool = False) -> schemas.Job:
    """A job as it is shown."""
    return schemas.job_of(job, instance.zone, instance.clock.now_ns(), for_operator=for_operator)
