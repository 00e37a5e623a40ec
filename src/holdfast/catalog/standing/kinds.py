"""The applications that may have a kind of standing, and the newest of their backups."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    and_,
    func,
    or_,
    select,
)

from holdfast.catalog.backups.damage import DAMAGED as DAMAGED
from holdfast.catalog.backups.damage import NOT_PROVED as NOT_PROVED
from holdfast.catalog.database.tables import (
    apps,
    backups,
    jobs,
    open_backups,
    open_jobs,
)
from holdfast.catalog.records import CANCELLED, IMPORTED, State

RESTORE = "restore"
"""The kind of the jobs that are work on an application's own files."""


def may_stand(kind: str, now_ns: int) -> ColumnElement[bool] | None:
    """Return a condition on applications that those with a kind of standing meet, and few others; None: all may.

    For the kinds that few applications have, so that to list these not every other one has to be looked at.
    """
    match kind:
        case "overdue":
            return or_(apps.c.overdue_since.is_not(None), apps.c.overdue_at <= now_ns)
        case "failed":
            tried = backups.alias("tried")
            is_newest = tried.c.id == newest(ended_by_itself(backups))
            return select(tried.c.id).where(is_newest, tried.c.state == State.FAILED).correlate(apps).exists()
        case "damaged":
            return apps.c.id.in_(select(backups.c.app_id).where(backups.c.damage.is_not(None)))
        case "running" | "first_running":
            unfinished = select(backups.c.app_id).where(
                open_backups, backups.c.state.in_((State.QUEUED, State.RUNNING))
            )
            return apps.c.id.in_(unfinished)
        case "restoring":
            return apps.c.id.in_(select(jobs.c.app_id).where(open_jobs, jobs.c.kind == RESTORE))
        case "warnings":
            warned = backups.alias("warned")
            is_newest = warned.c.id == newest(backups.c.state == State.SUCCESSFUL)
            return select(warned.c.id).where(is_newest, warned.c.warnings != "[]").correlate(apps).exists()
        case "empty":
            return newest(backups.c.state == State.SUCCESSFUL).is_(None)
    return None


def newest(condition: ColumnElement[bool]) -> ScalarSelect[Any]:
    """Return the id of an application's newest backup, imports aside, that meets a condition."""
    of_app = backups.c.app_id == apps.c.id, backups.c.origin != IMPORTED
    query = select(backups.c.id).where(*of_app, condition).correlate(apps)
    return query.order_by(backups.c.created_at.desc(), backups.c.id.desc()).limit(1).scalar_subquery()


def ended_by_itself(one: FromClause) -> ColumnElement[bool]:
    """Return the condition for backups that were finished or failed; one that somebody cancelled did neither."""
    is_failure = and_(one.c.state == State.FAILED, func.coalesce(one.c.error_code, "") != CANCELLED)
    return or_(one.c.state.in_((State.SUCCESSFUL, State.TRASHED)), is_failure)
