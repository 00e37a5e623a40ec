"""The facts that an application's standing is made of, for many applications at once: a query each, never one for each.

The queries that ask for an application's newest rows cost a few index look-ups for each of them, however long its
history is; that of the sums reads all of its backups.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, FromClause, Integer, ScalarSelect, and_, case, func, or_, select

from holdfast.catalog.backups.damage import DAMAGED as DAMAGED
from holdfast.catalog.backups.damage import NOT_PROVED as NOT_PROVED
from holdfast.catalog.backups.limits import plans_of
from holdfast.catalog.backups.retention import BY_HAND
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import (
    apps,
    backups,
    deliveries,
    endpoints,
    events,
    jobs,
    open_backups,
    open_jobs,
)
from holdfast.catalog.events.records import DeliveryState
from holdfast.catalog.records import CANCELLED, IMPORTED, OPEN_JOBS, EventKind, State
from holdfast.vault.control import TimedProgress

BACKUP, RESTORE = "backup", "restore"
"""Kinds of open work."""
_A_CODE = '"code":'
"""Occurs once in each of a backup's warnings as they are stored: in a text within them its quotes are escaped."""

_progress = msgspec.json.Decoder(TimedProgress)


class NewestBackups(msgspec.Struct, frozen=True):
    """The due times of an application and its newest backups, imports aside. `good_...`: of the successful ones;
    `tried_...`: of those that ended by themselves; None where there is none. `failing_since`: the end of the first
    failure behind the good one. Times in nanoseconds."""

    app_id: str
    next_run_at: int | None = None
    overdue_at: int | None = None
    overdue_since: int | None = None
    prove_at: int | None = None
    good_id: str | None = None
    good_at: int | None = None
    good_warnings: int | None = None
    tried_id: str | None = None
    tried_state: str | None = None
    tried_code: str | None = None
    tried_message: str | None = None
    tried_detail: str | None = None
    is_tried_customers: bool | None = None
    failing_since: int | None = None


class Sums(msgspec.Struct, frozen=True):
    """All backups of an application together. `proved_at`: when a test restore of one last matched; `fixed`: the number
    of those that were taken by hand or are locked."""

    stored_bytes: int = 0
    proved_at: int | None = None
    fixed: int = 0


class OpenWork(msgspec.Struct, frozen=True):
    """A queued or running backup, or a job of some kind. `is_hidden`: the account is not shown it."""

    app_id: str
    id: str
    kind: str
    state: str
    created_at: int
    progress: TimedProgress | None
    is_hidden: bool = False


class DamagedBackups(msgspec.Struct, frozen=True):
    """The damaged backups of an application. `newest_id`: of the newest one; `is_not_proved`: a test restore found it;
    `found_at`: when it was last reported, None if that is forgotten."""

    count: int
    newest_id: str
    is_not_proved: bool
    found_at: int | None = None


class EndedRestore(msgspec.Struct, frozen=True):
    """The newest restore of an application that has ended. `code`, `message`, `detail`: of its failure."""

    app_id: str
    id: str
    state: str
    finished_at: int
    code: str | None
    message: str | None
    detail: str | None


class Notified(msgspec.Struct, frozen=True):
    """When the notice that an application is overdue was first taken, by an endpoint of its account and of the
    operator; None: by none."""

    account_at: int | None = None
    operator_at: int | None = None


class StandingRows(msgspec.Struct, frozen=True):
    """The rows of some applications; each by the application's id, `plans` by the account's."""

    work: list[OpenWork]
    newest: dict[str, NewestBackups]
    sums: dict[str, Sums]
    damaged: dict[str, DamagedBackups]
    restores: dict[str, EndedRestore]
    plans: dict[str, str]
    notified: dict[str, Notified]


def standing_rows(
    catalog: Catalog, app_ids: Collection[str], account_ids: Collection[str], now_ns: int, restores_since: int
) -> StandingRows:
    """Return the rows of applications of these accounts; of restores those requested since a time. Raises CatalogError.

    Open work is read first: a backup that is finished meanwhile is seen as running and as good, never as neither.
    """
    with catalog.read() as connection:
        work, newest = _open_work(connection, app_ids), _newest_backups(connection, app_ids)
        overdue = {app_id: one.overdue_since for app_id, one in newest.items() if one.overdue_since is not None}
        return StandingRows(
            work,
            newest,
            _sums(connection, app_ids, now_ns),
            _damaged_backups(connection, account_ids),
            _ended_restores(connection, account_ids, restores_since),
            plans_of(connection, account_ids),
            _notified(connection, account_ids, overdue) if overdue else {},
        )


def may_stand(kind: str, now_ns: int) -> ColumnElement[bool] | None:
    """Return a condition on applications that those with a kind of standing meet, and few others; None: all may.

    For the kinds that few applications have, so that to list these not every other one has to be looked at.
    """
    match kind:
        case "overdue":
            return or_(apps.c.overdue_since.is_not(None), apps.c.overdue_at <= now_ns)
        case "failed":
            tried = backups.alias("tried")
            newest = tried.c.id == _newest(_ended_by_itself(backups))
            return select(tried.c.id).where(newest, tried.c.state == State.FAILED).correlate(apps).exists()
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
            newest = warned.c.id == _newest(backups.c.state == State.SUCCESSFUL)
            return select(warned.c.id).where(newest, warned.c.warnings != "[]").correlate(apps).exists()
        case "empty":
            return _newest(backups.c.state == State.SUCCESSFUL).is_(None)
    return None


def _newest_backups(connection: Connection, app_ids: Collection[str]) -> dict[str, NewestBackups]:
    """Return the newest backups of applications, by their ids."""
    good, tried = backups.alias("good"), backups.alias("tried")
    query = (
        select(
            apps.c.id,
            apps.c.next_run_at,
            apps.c.overdue_at,
            apps.c.overdue_since,
            apps.c.prove_at,
            good.c.id,
            good.c.created_at,
            _warnings_count(good),
            tried.c.id,
            tried.c.state,
            tried.c.error_code,
            tried.c.error_message,
            tried.c.error_detail,
            tried.c.is_customers_failure,
            _failing_since(good),
        )
        .select_from(apps)
        .outerjoin(good, good.c.id == _newest(backups.c.state == State.SUCCESSFUL))
        .outerjoin(tried, tried.c.id == _newest(_ended_by_itself(backups)))
        .where(apps.c.id.in_(app_ids))
    )
    return {row[0]: NewestBackups(*row) for row in connection.execute(query).all()}


def _newest(condition: ColumnElement[bool]) -> ScalarSelect[Any]:
    of_app = backups.c.app_id == apps.c.id, backups.c.origin != IMPORTED
    query = select(backups.c.id).where(*of_app, condition).correlate(apps)
    return query.order_by(backups.c.created_at.desc(), backups.c.id.desc()).limit(1).scalar_subquery()


def _ended_by_itself(one: FromClause) -> ColumnElement[bool]:
    """Return the condition for backups that were finished or failed; one that somebody cancelled did neither."""
    is_failure = and_(one.c.state == State.FAILED, func.coalesce(one.c.error_code, "") != CANCELLED)
    return or_(one.c.state.in_((State.SUCCESSFUL, State.TRASHED)), is_failure)


def _failing_since(good: FromClause) -> ScalarSelect[Any]:
    failed = backups.alias("failed")
    of_app = failed.c.app_id == apps.c.id, failed.c.origin != IMPORTED
    is_failure = failed.c.state == State.FAILED, func.coalesce(failed.c.error_code, "") != CANCELLED
    query = select(failed.c.finished_at).where(
        *of_app, *is_failure, failed.c.created_at > func.coalesce(good.c.created_at, 0)
    )
    return query.correlate(apps, good).order_by(failed.c.created_at, failed.c.id).limit(1).scalar_subquery()


def _warnings_count(one: FromClause) -> ColumnElement[int]:
    """Return the number of a backup's warnings without reading them: there may be a MiB of them."""
    text = one.c.warnings
    without = func.length(func.replace(text, _A_CODE, ""), type_=Integer)
    return (func.length(text, type_=Integer) - without) // len(_A_CODE)


def _sums(connection: Connection, app_ids: Collection[str], now_ns: int) -> dict[str, Sums]:
    """Return the sums over the backups of applications, by their ids; of those that have any."""
    proved_at = case((backups.c.state == State.SUCCESSFUL, backups.c.restore_proved_at))
    is_fixed = or_(backups.c.origin.in_(BY_HAND), backups.c.is_locked, backups.c.locked_until > now_ns)
    stored = case((backups.c.deleted_at.is_(None), backups.c.stored_bytes), else_=0)
    fixed = func.sum(case((and_(backups.c.state == State.SUCCESSFUL, is_fixed), 1), else_=0))
    query = (
        select(backups.c.app_id, func.sum(stored), func.max(proved_at), fixed)
        .where(backups.c.app_id.in_(app_ids))
        .group_by(backups.c.app_id)
    )
    return {row[0]: Sums(int(row[1]), row[2], int(row[3])) for row in connection.execute(query).all()}


def _open_work(connection: Connection, app_ids: Collection[str]) -> list[OpenWork]:
    """Return the queued and running backups (imports aside) and jobs of applications."""
    b, j = backups.c, jobs.c
    of_backups = select(b.app_id, b.id, b.state, b.created_at, b.progress).where(
        open_backups, b.state.in_((State.QUEUED, State.RUNNING)), b.origin != IMPORTED
    )
    of_jobs = select(j.app_id, j.id, j.kind, j.state, j.created_at, j.progress, j.is_hidden).where(
        open_jobs, j.state.in_(OPEN_JOBS)
    )
    wanted = set(app_ids)  # few are open, so that to compare them here is cheaper than to send all ids
    found = []
    for app_id, work_id, state, at, progress in connection.execute(of_backups):
        if app_id in wanted:
            found.append(OpenWork(app_id, work_id, BACKUP, state, at, _decoded(progress)))
    for app_id, work_id, kind, state, at, progress, is_hidden in connection.execute(of_jobs):
        if app_id in wanted:
            found.append(OpenWork(app_id, work_id, kind, state, at, _decoded(progress), is_hidden))
    return found


def _decoded(progress: str | None) -> TimedProgress | None:
    return None if progress is None else _progress.decode(progress)


def _damaged_backups(connection: Connection, account_ids: Collection[str]) -> dict[str, DamagedBackups]:
    """Return the damaged backups of the accounts' applications, by these; of those that have any."""
    is_damaged = (
        backups.c.account_id.in_(account_ids),
        backups.c.damage.is_not(None),
        backups.c.state == State.SUCCESSFUL,
    )
    not_proved = func.max(case((backups.c.damage.contains(f'"{NOT_PROVED}"', autoescape=True), 1), else_=0))
    # Ids sort as what they name was made.
    query = (
        select(backups.c.app_id, func.count(), func.max(backups.c.id), not_proved)
        .where(*is_damaged)
        .group_by(backups.c.app_id)
    )
    found = {row[0]: DamagedBackups(int(row[1]), row[2], bool(row[3])) for row in connection.execute(query).all()}
    if found:
        reported = (
            select(events.c.app_id, func.max(events.c.at))
            .where(
                events.c.backup_id.in_(select(backups.c.id).where(*is_damaged)),
                events.c.kind == EventKind.VERIFY_FAILED,
            )
            .group_by(events.c.app_id)
        )
        for app_id, at in connection.execute(reported).all():
            if app_id in found:
                found[app_id] = msgspec.structs.replace(found[app_id], found_at=at)
    return found


def _notified(connection: Connection, account_ids: Collection[str], overdue: Mapping[str, int]) -> dict[str, Notified]:
    """Return who was told that applications are overdue, each since a time; of those of which anybody was."""
    e, d = events.c, deliveries.c
    is_theirs = or_(endpoints.c.account_id.in_(account_ids), endpoints.c.account_id.is_(None))
    query = (
        select(e.app_id, e.at, endpoints.c.account_id, d.finished_at)
        .join_from(deliveries, endpoints, endpoints.c.id == d.endpoint_id)
        .join(events, e.seq == d.event_seq)
        .where(
            is_theirs,
            d.created_at >= min(overdue.values()),
            d.kind == EventKind.BACKUP_OVERDUE,
            d.state == DeliveryState.DELIVERED,
        )
        .order_by(d.finished_at.desc())
    )
    found: dict[str, Notified] = {}
    for app_id, at, account_id, notified_at in connection.execute(query):
        if at >= overdue.get(app_id, at + 1):
            name = "operator_at" if account_id is None else "account_at"
            found[app_id] = msgspec.structs.replace(found.get(app_id, Notified()), **{name: notified_at})
    return found


def _ended_restores(connection: Connection, account_ids: Collection[str], since: int) -> dict[str, EndedRestore]:
    """Return the newest restore of each of the accounts' applications that was requested since a time and has ended."""
    j = jobs.c
    query = (
        select(j.app_id, j.id, j.state, j.finished_at, j.error_code, j.error_message, j.error_detail)
        .where(
            j.account_id.in_(account_ids),
            j.created_at >= since,
            j.kind == RESTORE,
            j.is_hidden.is_(False),
            j.finished_at.is_not(None),
        )
        .order_by(j.finished_at)
    )
    return {row[0]: EndedRestore(*row) for row in connection.execute(query).all()}
