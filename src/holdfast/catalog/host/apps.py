"""Applications under the host's own ids, as rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, select, tuple_

from holdfast.catalog.accounts.apps import COLUMNS, app_of
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app
from holdfast.catalog.database.tables import accounts, apps, backups, jobs
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.host.records import HostApp
from holdfast.catalog.records import OPEN_JOBS, App, State

_WITH_ACCOUNT = apps.join(accounts, accounts.c.id == apps.c.account_id)
NOTHING_DUE: dict[str, int | None] = {"next_run_at": None, "overdue_at": None, "overdue_since": None, "prove_at": None}


def _selected() -> Select[Any]:
    return select(*COLUMNS, apps.c.updated_at, accounts.c.external_id).select_from(_WITH_ACCOUNT)


def _host_app_of(row: Row[Any]) -> HostApp:
    values = tuple(row)
    return HostApp(app_of(values[:-2]), *values[-2:])


def apps_by_external(
    connection: Connection, external_ids: Collection[str], *, are_held: bool = False
) -> dict[str, HostApp]:
    """Return the applications with these external ids, by them. `are_held`: nobody changes them meanwhile."""
    query = _selected().where(apps.c.external_id.in_(external_ids)).order_by(apps.c.id)
    if are_held:
        query = query.with_for_update(key_share=True, of=apps)
    found = map(_host_app_of, connection.execute(query).all())
    return {one.app.external_id or "": one for one in found}


def existing_ids(connection: Connection, app_ids: Collection[str]) -> set[str]:
    """Return those of the ids that applications have."""
    return set(connection.execute(select(apps.c.id).where(apps.c.id.in_(app_ids))).scalars())


def owners_of_names(connection: Connection, names: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the ids of the applications with these (id of the account, name), by them."""
    query = select(apps.c.account_id, apps.c.name, apps.c.id)
    rows = connection.execute(query.where(tuple_(apps.c.account_id, apps.c.name).in_(names)))
    return {(row.account_id, row.name): row.id for row in rows}


def busy_apps(connection: Connection, app_ids: Collection[str]) -> dict[str, str]:
    """Return those of the applications that are at work, each with `backup` or `restore`."""
    restores = select(jobs.c.app_id).where(
        jobs.c.app_id.in_(app_ids), jobs.c.kind == "restore", jobs.c.state.in_(OPEN_JOBS)
    )
    unfinished = backups.c.state.in_((State.QUEUED, State.RUNNING))
    taken = select(backups.c.app_id).where(backups.c.app_id.in_(app_ids), unfinished)
    found = dict.fromkeys(connection.execute(restores).scalars(), "restore")
    return found | dict.fromkeys(connection.execute(taken).scalars(), "backup")


def app_by_external(catalog: Catalog, external_id: str) -> HostApp | None:
    """Return the application with an external id."""
    with catalog.read() as connection:
        return apps_by_external(connection, [external_id]).get(external_id)


def host_apps(
    catalog: Catalog,
    after_id: str,
    limit: int,
    updated_after: int | None,
    condition: ColumnElement[bool] | None = None,
) -> list[HostApp]:
    """Return applications with ids above `after_id`, in the order of their ids. `updated_after`: nanoseconds.

    `condition`: only those that meet it.
    """
    query = _selected().where(apps.c.id > after_id).order_by(apps.c.id).limit(limit)
    if updated_after is not None:
        query = query.where(apps.c.updated_at > updated_after)
    if condition is not None:
        query = query.where(condition)
    with catalog.read() as connection:
        return [_host_app_of(row) for row in connection.execute(query).all()]


def folders_of(catalog: Catalog, node: str, after_id: str, limit: int) -> list[tuple[str, str]]:
    """Return (id, path) of the applications of a node that have not ended, in the order of their ids, after one."""
    query = (
        select(apps.c.id, apps.c.path)
        .where(apps.c.node == node, apps.c.ended_at.is_(None), apps.c.id > after_id)
        .order_by(apps.c.id)
        .limit(limit)
    )
    with catalog.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def folders_changed(catalog: Catalog, node: str, since: int) -> list[tuple[str, str, bool]]:
    """Return (id, path, True if it has ended) of the applications of a node that were changed since a time."""
    query = select(apps.c.id, apps.c.path, apps.c.ended_at).where(apps.c.node == node, apps.c.updated_at >= since)
    with catalog.read() as connection:
        return [(row[0], row[1], row[2] is not None) for row in connection.execute(query)]


def active_apps(catalog: Catalog, after: str, limit: int) -> list[tuple[str, str]]:
    """Return (external id, id) of the host's applications that have not ended, above an external id, in their order."""
    query = (
        select(apps.c.external_id, apps.c.id)
        .where(apps.c.external_id > after, apps.c.ended_at.is_(None))
        .order_by(apps.c.external_id)
        .limit(limit)
    )
    with catalog.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def end_app(catalog: Catalog, app_id: str, ended_at: int, kept_ns: int, change: Change, *, moves: bool) -> bool:
    """End an application: nothing of it is due any more, and its backups stay for `kept_ns` from its end on.

    Return False when nothing changed. `change`: for the audit; `moves`: how long they stay is changed of one that has
    ended too.
    """
    with catalog.write() as connection:
        query = select(apps.c.ended_at, apps.c.keep_until).where(apps.c.id == app_id)
        row = connection.execute(query.with_for_update(key_share=True)).first()
        if row is None or (row.ended_at is not None and not moves):
            return False
        since = row.ended_at or ended_at
        if row.keep_until == since + kept_ns:
            return False
        values = {"ended_at": since, "keep_until": since + kept_ns, "updated_at": ended_at}
        connection.execute(apps.update().where(apps.c.id == app_id).values(**values, **NOTHING_DUE))
        enter_audit(connection, change, ended_at)
        return True


def apps_to_remove(catalog: Catalog, now_ns: int) -> list[App]:
    """Return the ended applications whose backups need not stay any longer."""
    query = select(*COLUMNS).where(apps.c.keep_until <= now_ns, apps.c.ended_at.is_not(None))
    with catalog.read() as connection:
        return [app_of(row) for row in connection.execute(query.order_by(apps.c.keep_until)).all()]


def give_up(catalog: Catalog, app_id: str, now_ns: int) -> bool:
    """Take the external id from an ended application whose time is over, so that no PUT brings it back half-removed.

    Return False when it has been brought back, or when a backup of it is locked until a time that is ahead.
    """
    with catalog.write() as connection:
        hold_app(connection, app_id)
        locked = select(backups.c.id).where(backups.c.app_id == app_id, backups.c.locked_until > now_ns)
        if connection.execute(locked).first() is not None:
            return False
        over = apps.update().where(apps.c.id == app_id, apps.c.keep_until <= now_ns, apps.c.ended_at.is_not(None))
        return connection.execute(over.values(external_id=None)).rowcount == 1
