"""Work: backups and jobs as one list, open and ended ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, literal, or_, select, true

from holdfast.catalog.backups.audited import enter_backup_event, enter_change, held
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app_of
from holdfast.catalog.database.tables import backups, jobs, open_backups, open_jobs
from holdfast.catalog.events.days import count
from holdfast.catalog.records import CANCELLED, OPEN_JOBS, Actor, EventKind, JobState, State, Work
from holdfast.vault.control import TimedProgress

BACKUP = "backup"
_FIELDS = Work.__struct_fields__
_JOB_COLUMNS = tuple(jobs.c[name] for name in _FIELDS)
_GIVEN = {"backup_id": backups.c.id, "kind": literal(BACKUP), "request": literal("{}"), "result": literal(None)}
_GIVEN |= {"is_hidden": literal(False)}
_BACKUP_COLUMNS = tuple(_GIVEN[name] if name in _GIVEN else backups.c[name] for name in _FIELDS)
_SIZES = (backups.c.zip_bytes, backups.c.files, backups.c.content_bytes, backups.c.stored_bytes)
_progress = msgspec.json.Decoder(TimedProgress)


def _jobs(*conditions: ColumnElement[bool]) -> Select[Any]:
    nothing = [literal(0).label(column.name) for column in _SIZES]
    return select(*_JOB_COLUMNS, *nothing).where(*conditions)


def _backups(*conditions: ColumnElement[bool]) -> Select[Any]:
    # One that is being deleted, or in the trash, is gone, as far as work goes.
    is_there = backups.c.state != State.DELETING, backups.c.deleted_at.is_(None)
    return select(*_BACKUP_COLUMNS, *_SIZES).where(*is_there, *conditions)


def _work_of(row: Row[Any]) -> Work:
    values = dict(zip(_FIELDS, row, strict=False))
    values["state"] = JobState(values["state"])
    if values["progress"] is not None:
        values["progress"] = _progress.decode(values["progress"])
    if values["kind"] == BACKUP and values["state"] is JobState.SUCCESSFUL:
        size, files, content, stored = row[len(_FIELDS) :]
        result = {"files": files, "size": size, "content_size": content, "stored_size": stored}
        values["result"] = msgspec.json.encode(result).decode()
    return Work(**values)


def work_by_id(catalog: Catalog, work_id: str) -> Work | None:
    """Return one job, or one backup that is not deleted."""
    with catalog.read() as connection:
        for query in (_jobs(jobs.c.id == work_id), _backups(backups.c.id == work_id)):
            row = connection.execute(query).first()
            if row:
                return _work_of(row)
    return None


def account_work(
    catalog: Catalog,
    account_id: str,
    limit: int,
    after: str | None = None,
    app_ids: Collection[str] | None = None,
) -> list[Work]:
    """Return an account's work, but for the operator's own doing, newest first.

    `after`: only work older than the one with that id; `app_ids`: of these of its applications only.
    """
    found: list[Work] = []
    with catalog.read() as connection:
        for make, table in ((_jobs, jobs), (_backups, backups)):
            query = make(table.c.account_id == account_id)
            if table is jobs:
                query = query.where(jobs.c.is_hidden.is_(False))
            if app_ids is not None:
                query = query.where(table.c.app_id.in_(app_ids))
            if after is not None:
                at = [
                    select(t.c.created_at).where(t.c.account_id == account_id, t.c.id == after).scalar_subquery()
                    for t in (jobs, backups)
                ]
                beyond = [
                    or_(table.c.created_at < one, and_(table.c.created_at == one, table.c.id < after)) for one in at
                ]
                query = query.where(or_(*beyond))
            query = query.order_by(table.c.created_at.desc(), table.c.id.desc()).limit(limit)
            found += map(_work_of, connection.execute(query).all())
    return _newest_first(found)[:limit]


def open_work(
    catalog: Catalog,
    states: Sequence[JobState] = OPEN_JOBS,
    *,
    node: str | None = None,
    limit: int | None = None,
    conditions: tuple[ColumnElement[bool], ColumnElement[bool]] = (true(), true()),
) -> list[Work]:
    """Return the queued and running work, oldest first; of one node, or of all; at most `limit`.

    `conditions`: further ones of the caller, for jobs and for backups.
    """
    with catalog.read() as connection:
        found: list[Work] = []
        tables = (_jobs, jobs, open_jobs), (_backups, backups, open_backups)
        for (make, table, is_open), condition in zip(tables, conditions, strict=True):
            query = make(table.c.state.in_(states)).where(is_open, condition)
            if node is not None:
                query = query.where(table.c.node == node)
            query = query.order_by(table.c.created_at, table.c.id).limit(limit)
            found += map(_work_of, connection.execute(query).all())
    return _newest_first(found)[::-1][:limit]


def ended_work(catalog: Catalog, since_ns: int, limit: int) -> list[Work]:
    """Return the ended work that was requested since a time, newest first, of all accounts."""
    first = f"{since_ns // 1_000_000:012x}"  # ids begin with their time, so this is a range of the primary key
    with catalog.read() as connection:
        found = [
            _work_of(row)
            for make, table in ((_jobs, jobs), (_backups, backups))
            for row in connection.execute(
                make(table.c.id >= first, table.c.state.not_in(OPEN_JOBS)).order_by(table.c.id.desc()).limit(limit)
            ).all()
        ]
    return _newest_first(found)[:limit]


def _newest_first(found: Iterable[Work]) -> list[Work]:
    return sorted(found, key=lambda work: (work.created_at, work.id), reverse=True)


# -- cancelling and stopping a backup ---------------------------------------------------------------------------------


def ask_cancel_backup(catalog: Catalog, backup_id: str, message: str, now_ns: int, by: Actor) -> bool:
    """Cancel an open backup: a queued one fails now, as CANCELLED, a running one at its next check. Return False if it
    had ended."""
    with catalog.write() as connection:
        app_id = hold_app_of(connection, backup_id)
        ended = connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state == State.QUEUED)
            .values(
                state=State.FAILED,
                error_code=CANCELLED,
                error_message=message,
                error_detail=message,
                finished_at=now_ns,
                is_customers_failure=True,
            )
        )
        if app_id is not None and ended.rowcount:
            why = {"code": CANCELLED, "message": message}
            enter_backup_event(connection, EventKind.BACKUP_FAILED, backup_id, now_ns, is_customers=True, **why)
            _enter_cancelled(connection, backup_id, "queued", now_ns, by)
            count(connection, catalog.zone, app_id, now_ns, cancelled=1)
            return True
        asked = connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state == State.RUNNING)
            .values(cancel_asked=True)
        )
        if asked.rowcount == 1:
            _enter_cancelled(connection, backup_id, "running", now_ns, by)
        return asked.rowcount == 1


def _enter_cancelled(connection: Connection, backup_id: str, state: str, now_ns: int, by: Actor) -> None:
    cancelled = held(connection, backup_id)
    if cancelled is not None:
        enter_change(connection, by, "backup.cancelled", cancelled, {"before": {"state": state}}, now_ns)


def is_backup_cancel_asked(catalog: Catalog, backup_id: str) -> bool:
    """Return True if a backup was asked to stop."""
    with catalog.read() as connection:
        return bool(connection.execute(select(backups.c.cancel_asked).where(backups.c.id == backup_id)).scalar())


def requeue(catalog: Catalog, backup_id: str, message: str, now_ns: int) -> bool:
    """running -> queued, for a backup that its process gave up. False when it was not running, or was cancelled."""
    with catalog.write() as connection:
        done = connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state == State.RUNNING, backups.c.cancel_asked.is_(False))
            .values(state=State.QUEUED, progress=None)
        )
        if done.rowcount == 1:
            enter_backup_event(connection, EventKind.BACKUP_QUEUED, backup_id, now_ns, message=message)
        return done.rowcount == 1
