"""Jobs in the catalog: long operations on a backup. Every change of state checks the state that it changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.database.announce import announce
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app, hold_running_app
from holdfast.catalog.database.tables import apps, backups, jobs, open_jobs
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.records import OPEN_JOBS, Actor, EventKind, Job, JobState, State
from holdfast.vault.control import Progress, TimedProgress

_FIELDS = Job.__struct_fields__
_COLUMNS = JOB_COLUMNS = tuple(jobs.c[name] for name in _FIELDS)
_STATE, _PROGRESS = _FIELDS.index("state"), _FIELDS.index("progress")
_progress = msgspec.json.Decoder(TimedProgress)


class RestoreRunning(Exception):
    """The application is being restored already."""


class BackupRunning(Exception):
    """A backup of the application is being made."""


def job_of(row: Row[Any]) -> Job:
    """Return a record from a row of all columns."""
    values = list(row)
    values[_STATE] = JobState(values[_STATE])
    if values[_PROGRESS] is not None:
        values[_PROGRESS] = _progress.decode(values[_PROGRESS])
    return Job(*values)


def insert_job(
    catalog: Catalog,
    job: Job,
    by: Actor,
    data: dict[str, Any] | None = None,
    permit: Callable[[Connection], None] = lambda connection: None,
) -> None:
    """Add a queued job; `data`: of the audit's entry. Raises RestoreRunning, and BackupRunning for a restore; AppEnded
    for one into an application.

    `permit` looks at what there is in the same transaction; its exceptions undo everything.
    """
    values = {name: getattr(job, name) for name in _FIELDS}
    values["progress"] = None
    try:
        with catalog.write() as connection:
            # As `backups.insert_backup` does: a backup and a restore that are asked for at once see each other.
            if job.kind == "restore" and not job.is_hidden:
                hold_running_app(connection, job.app_id)
            else:
                hold_app(connection, job.app_id)
            permit(connection)
            if job.kind == "restore":
                making = select(backups.c.id).where(
                    backups.c.app_id == job.app_id, backups.c.state.in_((State.QUEUED, State.RUNNING))
                )
                if connection.execute(making).first():
                    raise BackupRunning
            connection.execute(jobs.insert().values(values))
            announce(connection, job.node)
            owner = (job.account_id, job.app_id, job.backup_id, job.id)
            enter_audit(connection, Change(by, f"{job.kind}.requested", *owner, data or {}), job.created_at)
    except IntegrityError:
        raise RestoreRunning from None


def job_by_id(catalog: Catalog, job_id: str) -> Job | None:
    """Return one job."""
    with catalog.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(jobs.c.id == job_id)).first()
    return job_of(row) if row else None


def jobs_in(catalog: Catalog, states: Sequence[JobState], node: str) -> list[Job]:
    """Return all jobs of a node in the given states, oldest first."""
    query = select(*_COLUMNS).where(jobs.c.state.in_(states), jobs.c.node == node).order_by(jobs.c.created_at)
    if set(OPEN_JOBS).issuperset(states):
        query = query.where(open_jobs)
    with catalog.read() as connection:
        return [job_of(row) for row in connection.execute(query).all()]


def open_verify(catalog: Catalog, backup_id: str) -> Job | None:
    """Return the verification of a backup that is queued or running."""
    query = select(*_COLUMNS).where(jobs.c.backup_id == backup_id, jobs.c.kind == "verify", jobs.c.state.in_(OPEN_JOBS))
    with catalog.read() as connection:
        row = connection.execute(query.limit(1)).first()
    return job_of(row) if row else None


def start_job(catalog: Catalog, job_id: str, now_ns: int, *conditions: ColumnElement[bool]) -> bool:
    """queued -> running. Return False when it was not queued (any more), or one of `conditions` does not hold."""
    app = select(jobs.c.app_id).where(jobs.c.id == job_id).scalar_subquery()
    with catalog.write() as connection:
        # Of two that begin something of the same application at once, the second one sees the first.
        connection.execute(select(apps.c.id).where(apps.c.id == app).with_for_update(key_share=True))
        done = connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED, *conditions)
            .values(state=JobState.RUNNING)
        )
        if done.rowcount == 1:
            _enter(connection, job_id, "started", now_ns)
        return done.rowcount == 1


def _enter(connection: Connection, job_id: str, what: str, now_ns: int, **data: Any) -> None:
    """Record that a job `started` or `finished`."""
    row = connection.execute(
        select(jobs.c.kind, jobs.c.account_id, jobs.c.app_id, jobs.c.backup_id, jobs.c.is_hidden).where(
            jobs.c.id == job_id
        )
    ).one()
    kind, account_id, app_id, backup_id, is_hidden = row
    name = connection.execute(select(backups.c.name).where(backups.c.id == backup_id)).scalar()
    enter_event(
        connection,
        EventKind(f"{kind}.{what}"),
        account_id,
        now_ns,
        app_id=app_id,
        backup_id=backup_id,
        job_id=job_id,
        name=name,
        is_hidden=is_hidden,
        **data,
    )


def record_job_progress(catalog: Catalog, job_id: str, progress: Progress) -> None:
    """Record the progress of a running job, without waiting for the disk."""
    with catalog.write(durable=False) as connection:
        connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING)
            .values(progress=msgspec.json.encode(progress).decode())
        )


def ask_cancel(catalog: Catalog, job_id: str, now_ns: int, by: Actor) -> bool:
    """Cancel an open job: a queued one now, a running one at its next check. Return False if it had ended."""
    with catalog.write() as connection:
        ended = connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.state == JobState.QUEUED)
            .values(state=JobState.CANCELLED, finished_at=now_ns)
        )
        if ended.rowcount:
            _enter(connection, job_id, "finished", now_ns, state=JobState.CANCELLED)
        asked = connection.execute(
            jobs.update().where(jobs.c.id == job_id, jobs.c.state == JobState.RUNNING).values(cancel_asked=True)
        )
        is_changed = ended.rowcount + asked.rowcount == 1
        if is_changed:
            j = jobs.c
            query = select(j.kind, j.account_id, j.app_id, j.backup_id).where(j.id == job_id)
            kind, account_id, app_id, backup_id = connection.execute(query).one()
            data = {"before": {"state": "queued" if ended.rowcount else "running"}}
            change = Change(by, f"{kind}.cancelled", account_id, app_id, backup_id, job_id, data)
            enter_audit(connection, change, now_ns)
        return is_changed


def is_cancel_asked(catalog: Catalog, job_id: str) -> bool:
    """Return True if a job was asked to stop."""
    with catalog.read() as connection:
        return bool(connection.execute(select(jobs.c.cancel_asked).where(jobs.c.id == job_id)).scalar())


def finish_job(catalog: Catalog, job_id: str, state: JobState, now_ns: int, **values: Any) -> bool:
    """queued or running -> `state`, with `result` or `error_code`, `error_message` and
    `error_detail`. False when it had ended."""
    with catalog.write() as connection:
        done = connection.execute(
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.state.in_(OPEN_JOBS))
            .values(state=state, finished_at=now_ns, progress=None, **values)
        )
        if done.rowcount == 1:
            error = {
                name: values[f"error_{name}"] for name in ("code", "message", "detail") if f"error_{name}" in values
            }
            _enter(connection, job_id, "finished", now_ns, state=state, **error)
        return done.rowcount == 1
