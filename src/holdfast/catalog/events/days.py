"""The days of applications: counts by calendar day in the instance's time zone, for strips, calendars and charts.

A day has a row when something happened on it. The row is written in the transaction of what it counts, which holds the
application's row, so that nothing is counted twice or lost, whatever is deleted later. Rows stay when the time zone is
changed: each has the day that it was when it was written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, func, literal, select, text, union_all

from holdfast.catalog.database.access_tables import days
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import apps, backups
from holdfast.catalog.records import Day
from holdfast.units import SECOND_NS

_COLUMNS = tuple(days.c[name] for name in Day.__struct_fields__)
_SUMMED = ("good", "failed", "cancelled", "missed", "damaged", "proved", "added_bytes")
_IN_RANGE, _BEFORE, _GOOD = "in_range", "before", "good"
"""The parts of what is read of days: those in a range, the newest before it, the newest good one."""
_GIVEN = ("app_id", "day", *_SUMMED, "content_bytes")
_ADDED = ", ".join(f"{name} = days.{name} + excluded.{name}" for name in _SUMMED)
_COUNT = text(
    f"INSERT INTO days ({', '.join(_GIVEN)}, stored_bytes) VALUES ({', '.join(f':{name}' for name in _GIVEN)},"
    " (SELECT coalesce(sum(stored_bytes), 0) FROM backups"
    " WHERE app_id = CAST(:app_id AS VARCHAR(32)) AND deleted_at IS NULL))"
    f" ON CONFLICT (app_id, day) DO UPDATE SET {_ADDED}, stored_bytes = excluded.stored_bytes,"
    " content_bytes = CASE WHEN excluded.good > 0 THEN excluded.content_bytes ELSE days.content_bytes END"
)


def day_of(at: int, zone: tzinfo) -> str:
    """Return the day of a time (nanoseconds since 1970) in a zone."""
    return datetime.fromtimestamp(at // SECOND_NS, zone).date().isoformat()


def count(connection: Connection, zone: tzinfo, app_id: str, at: int, **counts: int) -> None:
    """Add counts to an application's day within a transaction that holds the application's row.

    `counts`: by the names of Day. `stored_bytes` is always brought up to date, so this is called without counts when
    only that has changed.
    """
    connection.execute(_COUNT, {**dict.fromkeys(_GIVEN, 0), **counts, "app_id": app_id, "day": day_of(at, zone)})


def fill_days(connection: Connection, zone: tzinfo, app_id: str, now: int) -> None:
    """Bring an application's days up to its backups that are there, within a transaction that holds its row.

    Every such backup was counted on its day, so no number may be lower than they make it. Rows that have counted more,
    also backups that are gone, stay as they are: filling twice changes nothing. `now`: nanoseconds.
    """
    there = _there(connection, zone, app_id)
    query = select(*_COLUMNS).where(days.c.app_id == app_id, days.c.day.in_(there))
    known = {values[0]: Day(*values) for values in connection.execute(query)}
    for day, least in there.items():
        row = known.get(day, Day(day))
        filled = Day(
            day,
            **{name: max(getattr(row, name), getattr(least, name)) for name in (*_SUMMED, "stored_bytes")},
            content_bytes=least.content_bytes if least.good >= row.good else row.content_bytes,
        )
        if day not in known:
            connection.execute(days.insert().values(app_id=app_id, **msgspec.structs.asdict(filled)))
        elif filled != row:
            of_day = days.update().where(days.c.app_id == app_id, days.c.day == day)
            connection.execute(of_day.values(**msgspec.structs.asdict(filled)))
    if there:
        count(connection, zone, app_id, now)


def _there(connection: Connection, zone: tzinfo, app_id: str) -> dict[str, Day]:
    """Return the days that an application's backups make, those that they ended or came into the trash on."""
    names = ("finished_at", "deleted_at", "origin", "stored_bytes", "content_bytes")
    query = select(*(backups.c[name] for name in names)).where(
        backups.c.app_id == app_id, backups.c.finished_at.is_not(None), backups.c.error_code.is_(None)
    )
    found: dict[str, Day] = {}
    grown: Counter[str] = Counter()
    for finished_at, deleted_at, origin, stored, content in connection.execute(query.order_by(backups.c.finished_at)):
        day = day_of(finished_at, zone)
        before = found.get(day, Day(day))
        is_good = origin != "imported"
        found[day] = msgspec.structs.replace(
            before,
            good=before.good + is_good,
            added_bytes=before.added_bytes + stored,
            content_bytes=content if is_good else before.content_bytes,
        )
        grown[day] += stored
        if deleted_at is not None:
            gone = day_of(deleted_at, zone)
            found.setdefault(gone, Day(gone))
            grown[gone] -= stored
    stored_bytes = 0
    for day in sorted(found):
        stored_bytes += grown[day]
        found[day] = msgspec.structs.replace(found[day], stored_bytes=stored_bytes)
    return found


def read_days(catalog: Catalog, app_ids: Sequence[str], first: str, last: str) -> dict[str, list[Day]]:
    """Return the rows of applications from a day to another, both included, in order; by the application's id.

    Before them comes the newest row that is older than `first`, with the content of the last good backup until then:
    sizes go on from it.
    """
    of_apps, is_before = days.c.app_id.in_(app_ids), days.c.day < first
    in_range = select(literal(_IN_RANGE), days.c.app_id, *_COLUMNS).where(of_apps, days.c.day.between(first, last))
    query = union_all(
        in_range, _newest(_BEFORE, of_apps, is_before), _newest(_GOOD, of_apps, is_before, days.c.good > 0)
    )
    rows: dict[str, dict[str, list[Day]]] = {app_id: {_IN_RANGE: [], _BEFORE: [], _GOOD: []} for app_id in app_ids}
    with catalog.read() as connection:
        for part, app_id, *values in connection.execute(query):
            rows[app_id][part].append(Day(*values))
    return {app_id: _in_order(**of_app) for app_id, of_app in rows.items()}


def _in_order(in_range: Sequence[Day], before: Sequence[Day], good: Sequence[Day]) -> list[Day]:
    content = good[0].content_bytes if good else 0
    start = [msgspec.structs.replace(row, content_bytes=content) for row in before]
    return start + sorted(in_range, key=lambda row: row.day)


def _newest(part: str, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Return the query for the newest row of each application of those with some conditions, named as a part."""
    newest = select(days.c.app_id, func.max(days.c.day).label("day")).where(*conditions).group_by(days.c.app_id)
    one = newest.subquery()
    is_newest = and_(one.c.app_id == days.c.app_id, one.c.day == days.c.day)
    return select(literal(part), days.c.app_id, *_COLUMNS).join(one, is_newest)


def forget_days(catalog: Catalog, before: str) -> int:
    """Remove the rows of days before a day; return their number."""
    # By application, as the key begins with it: no row that stays is read.
    old = and_(days.c.app_id.in_(select(apps.c.id)), days.c.day < before)
    with catalog.write() as connection:
        return connection.execute(days.delete().where(old)).rowcount
