"""Due times in the catalog: the applications that are due or overdue, by one indexed query each, and their claims.

A claim is one transaction that finds the application due, advances the time and records the result. However many
processes try at once, and wherever one dies, it is done once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.accounts.apps import COLUMNS, app_of
from holdfast.catalog.backups.changes.asked import enter_backup, is_name_taken, is_restoring
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app
from holdfast.catalog.database.tables import accounts, apps, backups
from holdfast.catalog.events.audit import Change, changed, enter_audit
from holdfast.catalog.events.days import count
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.records import IMPORTED, PRIVATE, Actor, App, Backup, EventKind, State


class DueTimes(msgspec.Struct, frozen=True):
    """The due times of one application, in nanoseconds; None: nothing is due."""

    next_run_at: int | None
    overdue_at: int | None
    overdue_since: int | None

    def overdue_by(self, now_ns: int) -> int | None:
        """The time since when the application is overdue, reported or not; None: it is not."""
        if self.overdue_since is None and self.overdue_at is not None and self.overdue_at <= now_ns:
            return self.overdue_at
        return self.overdue_since


class Claimed(msgspec.Struct, frozen=True):
    """A run that was claimed. `backup`: what was queued for it; None: it was left out, `because` of what."""

    app: App
    backup: Backup | None
    because: str = ""


class LastTry(msgspec.Struct, frozen=True):
    """The newest backup of an application's folder that has ended or runs, and what it came to."""

    backup_id: str
    state: State
    error_code: str | None
    error_message: str | None
    error_detail: str | None


_TIMES = tuple(apps.c[name] for name in DueTimes.__struct_fields__)


def due_query(node: str, now_ns: int, limit: int) -> Select[str]:
    """Select the applications of a node that are due, the longest due first."""
    return (
        select(apps.c.id)
        .where(apps.c.node == node, apps.c.next_run_at <= now_ns)
        .order_by(apps.c.next_run_at)
        .limit(limit)
    )


def overdue_query(now_ns: int, limit: int) -> Select[str]:
    """Select the overdue applications that were not reported yet, the longest overdue first."""
    return select(apps.c.id).where(apps.c.overdue_at <= now_ns).order_by(apps.c.overdue_at).limit(limit)


def ids_of(catalog: Catalog, query: Select[str]) -> list[str]:
    """Return the ids that a query of this module finds."""
    with catalog.read() as connection:
        return [row[0] for row in connection.execute(query).all()]


def claim_run(
    catalog: Catalog,
    app_id: str,
    now_ns: int,
    next_run_at: Callable[[App], int | None],
    backup: Callable[[App, Callable[[str], bool]], Backup | None],
    by: Actor,
) -> Claimed | None:
    """Claim the run of an application that is due; None when it is not (any more), or something came between.

    Moves `next_run_at` on and enters `backup(app, is_name_taken)`, unless a backup or a restore is under way.
    """
    try:
        return _claim_run(catalog, app_id, now_ns, next_run_at, backup, by)
    except IntegrityError:  # another process took the backup's name meanwhile; nothing was changed
        return None


def _claim_run(
    catalog: Catalog,
    app_id: str,
    now_ns: int,
    next_run_at: Callable[[App], int | None],
    backup: Callable[[App, Callable[[str], bool]], Backup | None],
    by: Actor,
) -> Claimed | None:
    with catalog.write() as connection:
        # Locked, so that a restore that is asked for at once is seen (as `backups.insert_backup` does).
        row = connection.execute(
            select(*COLUMNS).where(apps.c.id == app_id, apps.c.next_run_at <= now_ns).with_for_update(key_share=True)
        ).first()
        if row is None:
            return None
        app = app_of(row)
        connection.execute(apps.update().where(apps.c.id == app_id).values(next_run_at=next_run_at(app)))
        if (rests := _rests(connection, app)) is not None:
            return Claimed(app, None, rests)
        if _is_backing_up(connection, app_id):
            return Claimed(app, None, "a backup of it is under way")
        if is_restoring(connection, app_id):
            return Claimed(app, None, "it is being restored")
        made = backup(app, lambda name: is_name_taken(connection, app_id, name))
        if made is None:
            return Claimed(app, None, "its schedule cannot be read")
        enter_backup(connection, made, by)
        return Claimed(app, made)


def _rests(connection: Connection, app: App) -> str | None:
    """Return why the schedule of an application rests; None: it does not."""
    query = select(accounts.c.is_suspended, accounts.c.ended_at).where(accounts.c.id == app.account_id)
    row = connection.execute(query).one()
    if app.ended_at is not None or row.ended_at is not None:
        return "the host has ended it"
    return "its account is suspended" if row.is_suspended else None


def _is_backing_up(connection: Connection, app_id: str) -> bool:
    unfinished = backups.c.state.in_((State.QUEUED, State.RUNNING))
    return connection.execute(select(backups.c.id).where(backups.c.app_id == app_id, unfinished)).first() is not None


def stop_schedule(catalog: Catalog, app_id: str) -> str | None:
    """Clear an application's due times because it is being removed; `set_times` would set them again.

    Return what prevents it, with nothing changed: `backup` or `restore`.
    """
    return _change_idle(catalog, app_id, {"next_run_at": None, "overdue_at": None, "prove_at": None})


def move_app(catalog: Catalog, app: App, path: str, node: str, now_ns: int, by: Actor) -> str | None:
    """Set the folder and the node of an application. Return what is in the way, as `stop_schedule` does."""
    data = {PRIVATE: changed({"path": app.path, "node": app.node}, {"path": path, "node": node})}
    change = Change(by, "app.moved", app.account_id, app.id, data=data)
    return _change_idle(catalog, app.id, {"path": path, "node": node, "updated_at": now_ns}, change, now_ns)


def _change_idle(
    catalog: Catalog, app_id: str, values: dict[str, Any], change: Change | None = None, now_ns: int = 0
) -> str | None:
    with catalog.write() as connection:
        hold_app(connection, app_id)
        if _is_backing_up(connection, app_id):
            return "backup"
        if is_restoring(connection, app_id):
            return "restore"
        connection.execute(apps.update().where(apps.c.id == app_id).values(values))
        if change is not None:
            enter_audit(connection, change, now_ns)
        return None


def raise_overdue(
    catalog: Catalog, app_id: str, now_ns: int, data: Callable[[App, int | None, LastTry | None], dict[str, Any]]
) -> App | None:
    """Record that an application is overdue, once; None when it is not (any more), or it was recorded.

    `data(app, good, last)`: what the event says; `good`: when the last good backup was started; `last`: the last try.
    """
    with catalog.write() as connection:
        row = connection.execute(
            select(*COLUMNS, apps.c.overdue_since)
            .where(apps.c.id == app_id, apps.c.overdue_at <= now_ns)
            .with_for_update(key_share=True)
        ).first()
        if row is None:
            return None
        *of_app, since = row
        app = app_of(of_app)
        if _rests(connection, app) is not None:  # `recompute` gives it another time while its schedule is there
            connection.execute(apps.update().where(apps.c.id == app_id).values(overdue_at=None))
            return None
        values = {"overdue_at": None, "overdue_since": now_ns if since is None else since}
        connection.execute(apps.update().where(apps.c.id == app_id).values(values))
        if since is not None:
            return None
        facts = data(app, _last_good_at(connection, app_id), _last_try(connection, app_id))
        enter_event(connection, EventKind.BACKUP_OVERDUE, app.account_id, now_ns, app_id=app_id, **facts)
        count(connection, catalog.zone, app_id, now_ns, missed=1)
        return app


def _tries(app_id: str) -> Any:
    return (backups.c.app_id == app_id) & (backups.c.origin != IMPORTED) & backups.c.deleted_at.is_(None)


def _last_good_at(connection: Connection, app_id: str) -> int | None:
    query = select(backups.c.created_at).where(_tries(app_id), backups.c.state == State.SUCCESSFUL)
    found: int | None = connection.execute(query.order_by(backups.c.created_at.desc()).limit(1)).scalar()
    return found


def _last_try(connection: Connection, app_id: str) -> LastTry | None:
    columns = (backups.c.id, backups.c.state, backups.c.error_code, backups.c.error_message, backups.c.error_detail)
    query = select(*columns).where(_tries(app_id), backups.c.state != State.QUEUED)
    row = connection.execute(query.order_by(backups.c.created_at.desc()).limit(1)).first()
    return LastTry(row[0], State(row[1]), *row[2:]) if row else None


def due_times(catalog: Catalog, app_id: str) -> DueTimes:
    """Return the due times of an application."""
    with catalog.read() as connection:
        row = connection.execute(select(*_TIMES).where(apps.c.id == app_id)).first()
    return DueTimes(*row) if row else DueTimes(None, None, None)


def apps_with_times(catalog: Catalog, node: str | None, after_id: str, limit: int) -> list[tuple[App, DueTimes]]:
    """Return the applications with ids above `after_id`, in the order of their ids; of one node, or of all."""
    query = select(*COLUMNS, *_TIMES).where(apps.c.id > after_id).order_by(apps.c.id).limit(limit)
    if node is not None:
        query = query.where(apps.c.node == node)
    with catalog.read() as connection:
        rows: Sequence[Any] = connection.execute(query).all()
    return [(app_of(row[: len(COLUMNS)]), DueTimes(*row[len(COLUMNS) :])) for row in rows]


def set_times(catalog: Catalog, app: App, seen: DueTimes, times: DueTimes) -> bool:
    """Set the due times of an application. False, with nothing changed, when it is not as it was seen."""
    with catalog.write() as connection:
        row = connection.execute(
            select(*COLUMNS, *_TIMES).where(apps.c.id == app.id).with_for_update(key_share=True)
        ).first()
        if row is None or app_of(row[: len(COLUMNS)]) != app or DueTimes(*row[len(COLUMNS) :]) != seen:
            return False
        values = {name: getattr(times, name) for name in DueTimes.__struct_fields__}
        connection.execute(apps.update().where(apps.c.id == app.id).values(values))
        return True
