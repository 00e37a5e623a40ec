"""Jobs that an account asks for itself: one at a time and so many in a day, or once however often it is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.tables import jobs, open_jobs
from holdfast.catalog.jobs.rows import JOB_COLUMNS, insert_job, job_of
from holdfast.catalog.records import Actor, Job


class JobOpen(Exception):
    """The account has a `job` of this kind that is queued or running."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.id)
        self.job = job


def insert_requested(
    catalog: Catalog, job: Job, by: Actor, since: int, permit: Callable[[Sequence[int]], None]
) -> None:
    """Add a queued job, unless the account has one of its kind that is open, whoever asked for that. Raises JobOpen.

    `permit` gets the times, oldest first, of those of the same kind and request since a time; its exceptions undo
    everything. The account's row is held, so that of two requests at once the second sees the first.
    """

    def count(connection: Connection) -> None:
        hold_account(connection, job.account_id)
        same_kind = jobs.c.account_id == job.account_id, jobs.c.kind == job.kind
        query = select(*JOB_COLUMNS).where(open_jobs, *same_kind).order_by(jobs.c.created_at).limit(1)
        row = connection.execute(query).first()
        if row is not None:
            raise JobOpen(job_of(row))
        requested = select(jobs.c.created_at).where(
            *same_kind, jobs.c.created_at >= since, jobs.c.request == job.request
        )
        permit([int(at) for at in connection.execute(requested.order_by(jobs.c.created_at)).scalars()])

    insert_job(catalog, job, by, permit=count)


class RequestedBefore(Exception):
    """The same request was made before; it made a `job`."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.id)
        self.job = job


def insert_once(catalog: Catalog, job: Job, by: Actor, data: dict[str, Any] | None, once: str, since: int) -> None:
    """Add a queued job, unless its application has one of its kind that was requested since a time with the same token.

    `once`: the token, which is a part of the request. Raises RequestedBefore, and as `insert_job` does.
    """

    def seek(connection: Connection) -> None:
        same_kind = jobs.c.account_id == job.account_id, jobs.c.app_id == job.app_id, jobs.c.kind == job.kind
        has_token = jobs.c.request.contains(f'"once":"{once}"', autoescape=True)
        query = select(*JOB_COLUMNS).where(*same_kind, jobs.c.created_at >= since, has_token)
        row = connection.execute(query.limit(1)).first()
        if row is not None:
            raise RequestedBefore(job_of(row))

    insert_job(catalog, job, by, data, permit=seek)


def undoing_job(catalog: Catalog, job: Job, states: Sequence[str]) -> Job | None:
    """Return the newest restore in one of these states that undoes another one, of the same application."""
    same = jobs.c.account_id == job.account_id, jobs.c.app_id == job.app_id, jobs.c.kind == job.kind
    later = jobs.c.created_at >= job.created_at, jobs.c.state.in_(states), ~jobs.c.is_hidden
    undoes = jobs.c.request.contains(f'"undoes":"{job.id}"', autoescape=True)
    query = select(*JOB_COLUMNS).where(*same, *later, undoes).order_by(jobs.c.created_at.desc()).limit(1)
    with catalog.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else job_of(row)
