"""The history of the whole instance: sums over the days of all applications, and how long backups took."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select, union_all

from holdfast.catalog.database.access_tables import days
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import apps, backups, jobs
from holdfast.catalog.records import CANCELLED, State
from holdfast.units import SECOND_NS


class DaySums(msgspec.Struct, frozen=True):
    """The counts of all applications on a day. `grown`: by how many bytes what is stored for them changed."""

    day: str
    good: int
    failed: int
    cancelled: int
    missed: int
    proved: int
    added_bytes: int
    grown: int


_SUMMED = (days.c.good, days.c.failed, days.c.cancelled, days.c.missed, days.c.proved, days.c.added_bytes)


def day_sums(catalog: Catalog, first: str, last: str) -> list[DaySums]:
    """Return the sums of the days from one to another that have any, in their order.

    Growth is counted from the application's row before; its first row in the range counts what it added.
    """
    of_all = days.c.app_id.in_(select(apps.c.id)), days.c.day.between(first, last)
    before = func.lag(days.c.stored_bytes).over(partition_by=days.c.app_id, order_by=days.c.day)
    rows = select(
        days.c.day, *_SUMMED, func.coalesce(days.c.stored_bytes - before, days.c.added_bytes).label("grown")
    ).where(*of_all)
    one = rows.subquery()
    query = select(one.c.day, *(func.sum(column) for column in list(one.c)[1:])).group_by(one.c.day)
    with catalog.read() as connection:
        return [DaySums(row[0], *map(int, row[1:])) for row in connection.execute(query.order_by(one.c.day))]


def durations(catalog: Catalog, since_ns: int, limit: int) -> list[tuple[int, float]]:
    """Return (end, seconds from the request to it) of the newest good backups requested since a time."""
    first = f"{since_ns // 1_000_000:012x}"  # ids begin with their time, so this is a range of the primary key
    query = (
        select(backups.c.finished_at, backups.c.created_at)
        .where(backups.c.id >= first, backups.c.state == State.SUCCESSFUL, backups.c.finished_at.is_not(None))
        .order_by(backups.c.id.desc())
        .limit(limit)
    )
    with catalog.read() as connection:
        return [(end, max(0, end - begin) / SECOND_NS) for end, begin in connection.execute(query)]


class Failures(msgspec.Struct, frozen=True):
    """Backups and jobs that failed with a code. `text`: of one of them, for the operator; `last_at`: the newest."""

    code: str
    count: int
    apps: int
    last_at: int
    text: str


def failures(catalog: Catalog, since_ns: int) -> list[Failures]:
    """Return the failures of what was requested since a time, by their codes, the most frequent first."""
    first = f"{since_ns // 1_000_000:012x}"
    parts = [
        select(t.c.error_code, t.c.app_id, t.c.finished_at, func.coalesce(t.c.error_detail, t.c.error_message)).where(
            t.c.id >= first, t.c.state == State.FAILED, t.c.error_code != CANCELLED, t.c.finished_at.is_not(None)
        )
        for t in (backups, jobs)
    ]
    one = union_all(*parts).subquery()
    code, app_id, at, text = one.c
    query = (
        select(code, func.count(), func.count(app_id.distinct()), func.max(at), func.max(text))
        .group_by(code)
        .order_by(func.count().desc(), code)
    )
    with catalog.read() as connection:
        return [
            Failures(row[0], int(row[1]), int(row[2]), int(row[3]), row[4] or "") for row in connection.execute(query)
        ]
