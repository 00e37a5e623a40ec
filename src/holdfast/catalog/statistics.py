"""Statistics of a whole instance, for monitoring: each is one query, over all accounts."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import BindParameter, ScalarSelect, bindparam, case, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, apps, backups, deliveries, endpoints, events, jobs, packs
from holdfast.catalog.packs.ledger import LIVE
from holdfast.catalog.records import IMPORTED, OPEN_JOBS, State


class AppStatistics(msgspec.Struct, frozen=True):
    """The backups of an application. `good_...`: its newest successful one, imports aside; `last_...`: the newest of
    any state; None where there is none. Times in nanoseconds."""

    app_id: str
    name: str
    account_id: str
    path: str
    node: str
    overdue_since: int | None
    good_at: int | None
    good_bytes: int | None
    last_at: int | None
    last_state: str | None
    last_code: str | None
    last_message: str | None
    is_last_customers: bool | None


class BackupStatistics(msgspec.Struct, frozen=True):
    """Backups of one account in one state. `content_bytes`: of their files, each backup counted whole."""

    account_id: str
    state: str
    backups: int
    content_bytes: int
    damaged: int


class PackStatistics(msgspec.Struct, frozen=True):
    """Packs of one account in one state."""

    account_id: str
    state: str
    packs: int
    bytes: int


class Waiting(msgspec.Struct, frozen=True):
    """Queued or running work. `kind`: `backup`, or that of a job; `oldest_at`: when the first was requested."""

    kind: str
    state: str
    count: int
    oldest_at: int


class DeliveryStatistics(msgspec.Struct, frozen=True):
    """Deliveries in one state."""

    state: str
    count: int
    oldest_at: int


class ReadBack(msgspec.Struct, frozen=True):
    """The progress of the read-back: live packs never read since they were written, and the oldest reading."""

    unread: int
    oldest_read_at: int | None


class PruneWanted(msgspec.Struct, frozen=True):
    """Accounts whose prune is due, and since when."""

    accounts: int
    oldest_at: int | None


def app_statistics(catalog: Catalog, now_ns: int) -> list[AppStatistics]:
    """Return the statistics of all applications, but of those that the host has ended, themselves or their accounts:
    two index look-ups for each, however long its history is.

    An application is overdue as soon as its time has come, whether a process that works has reported it or not.
    """
    unreported = case((apps.c.overdue_at <= now_ns, apps.c.overdue_at))
    good, last = backups.alias("good"), backups.alias("last")
    query = (
        select(
            apps.c.id,
            apps.c.name,
            apps.c.account_id,
            apps.c.path,
            apps.c.node,
            func.coalesce(apps.c.overdue_since, unreported),
            good.c.created_at,
            good.c.content_bytes,
            last.c.created_at,
            last.c.state,
            last.c.error_code,
            func.coalesce(last.c.error_detail, last.c.error_message),
            last.c.is_customers_failure,
        )
        .select_from(apps.join(accounts, accounts.c.id == apps.c.account_id))
        .where(apps.c.ended_at.is_(None), accounts.c.ended_at.is_(None))
        .outerjoin(good, good.c.id == _newest(is_good=True))
        .outerjoin(last, last.c.id == _newest(is_good=False))
        .order_by(apps.c.created_at, apps.c.id)
    )
    with catalog.read() as connection:
        return [AppStatistics(*tuple(row)) for row in connection.execute(query).all()]


def _newest(*, is_good: bool) -> ScalarSelect[Any]:
    query = select(backups.c.id).where(backups.c.app_id == apps.c.id, backups.c.deleted_at.is_(None))
    query = query.correlate(apps)
    if is_good:
        query = query.where(backups.c.state == State.SUCCESSFUL, backups.c.origin != IMPORTED)
    return query.order_by(backups.c.created_at.desc(), backups.c.id.desc()).limit(1).scalar_subquery()


def backup_statistics(catalog: Catalog) -> list[BackupStatistics]:
    """Return backups by account and state. Reads all of them."""
    damaged = func.sum(case((backups.c.damage.is_not(None) & backups.c.deleted_at.is_(None), 1), else_=0))
    query = select(
        backups.c.account_id, backups.c.state, func.count(), func.sum(backups.c.content_bytes), damaged
    ).group_by(backups.c.account_id, backups.c.state)
    with catalog.read() as connection:
        return [BackupStatistics(a, s, int(n), int(c), int(d)) for a, s, n, c, d in connection.execute(query).all()]


def pack_statistics(catalog: Catalog) -> list[PackStatistics]:
    """Return packs by account and state."""
    query = select(packs.c.account_id, packs.c.state, func.count(), func.sum(packs.c.size)).group_by(
        packs.c.account_id, packs.c.state
    )
    with catalog.read() as connection:
        return [PackStatistics(a, s, int(n), int(size)) for a, s, n, size in connection.execute(query).all()]


def waiting(catalog: Catalog) -> list[Waiting]:
    """Return the work that is queued, running or being deleted."""
    of_backups = (
        select(backups.c.state, func.count(), func.min(backups.c.created_at))
        .where(backups.c.state.in_(_written_out(State.QUEUED, State.RUNNING, State.DELETING)))
        .group_by(backups.c.state)
    )
    of_jobs = (
        select(jobs.c.kind, jobs.c.state, func.count(), func.min(jobs.c.created_at))
        .where(jobs.c.state.in_(_written_out(*OPEN_JOBS)))
        .group_by(jobs.c.kind, jobs.c.state)
    )
    with catalog.read() as connection:
        found = [Waiting("backup", *row) for row in connection.execute(of_backups).all()]
        return found + [Waiting(*row) for row in connection.execute(of_jobs).all()]


def _written_out(*states: str) -> BindParameter[Any]:
    """States as the statement's text has them: SQLite takes a partial index only when it sees that they fit."""
    return bindparam("states", list(map(str, states)), expanding=True, literal_execute=True)


def delivery_statistics(catalog: Catalog) -> list[DeliveryStatistics]:
    """Deliveries by state."""
    query = select(deliveries.c.state, func.count(), func.min(deliveries.c.created_at)).group_by(deliveries.c.state)
    with catalog.read() as connection:
        return [DeliveryStatistics(*row) for row in connection.execute(query).all()]


def disabled_endpoints(catalog: Catalog) -> list[tuple[str, str, str]]:
    """Return endpoints that are switched off: id, account, label."""
    query = select(endpoints.c.id, endpoints.c.account_id, endpoints.c.label).where(
        endpoints.c.disabled_at.is_not(None)
    )
    with catalog.read() as connection:
        return [(row[0], row[1], row[2]) for row in connection.execute(query).all()]


def failing_deliveries(catalog: Catalog, since: int) -> list[tuple[str, int, str]]:
    """Return the endpoints to which deliveries failed for good since a time: label, count, latest reason."""
    query = (
        select(endpoints.c.label, deliveries.c.error)
        .join(deliveries, deliveries.c.endpoint_id == endpoints.c.id)
        .where(deliveries.c.state == "failed", deliveries.c.created_at >= since)
        .order_by(deliveries.c.created_at)
    )
    found: dict[str, tuple[int, str]] = {}
    with catalog.read() as connection:
        for label, error in connection.execute(query).all():
            found[label] = (found.get(label, (0, ""))[0] + 1, error or "no reason given")
    return [(label, count, error) for label, (count, error) in found.items()]


def read_back(catalog: Catalog) -> ReadBack:
    """Return the progress of the read-back of live packs."""
    with catalog.read() as connection:
        unread = connection.execute(
            select(func.count()).select_from(packs).where(packs.c.state == LIVE, packs.c.read_at.is_(None))
        ).scalar_one()
        oldest = connection.execute(select(func.min(packs.c.read_at)).where(packs.c.state == LIVE)).scalar()
    return ReadBack(int(unread), oldest)


def prune_wanted(catalog: Catalog) -> PruneWanted:
    """Return the vaults with something to prune."""
    query = select(func.count(), func.min(accounts.c.prune_wanted_at)).where(accounts.c.prune_wanted_at.is_not(None))
    with catalog.read() as connection:
        count, oldest = connection.execute(query).one()
    return PruneWanted(int(count), oldest)


def count_accounts(catalog: Catalog) -> int:
    """Return the number of accounts."""
    with catalog.read() as connection:
        return int(connection.execute(select(func.count()).select_from(accounts)).scalar_one())


def newest_time(catalog: Catalog) -> int:
    """Return the latest time in the catalog's backups and events; 0 when there is none."""
    query = select(
        func.max(backups.c.created_at), func.max(backups.c.finished_at), select(func.max(events.c.at)).scalar_subquery()
    )
    with catalog.read() as connection:
        return max(time or 0 for time in connection.execute(query).one())
