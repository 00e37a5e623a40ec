"""The days of applications as strips, calendars and charts show them: each day of a range, without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from msgspec import structs

from holdfast.catalog.events import days as rows
from holdfast.catalog.records import Day
from holdfast.schemas import apps as schemas
from holdfast.service.instance.home import Instance
from holdfast.vault.control import NEVER, ControlOf

KEPT_DAYS = 400


def today(instance: Instance) -> date:
    """Return the day that it is in the instance's time zone."""
    return date.fromisoformat(rows.day_of(instance.clock.now_ns(), instance.zone))


def days_of(instance: Instance, app_ids: Sequence[str], first: date, last: date) -> dict[str, list[Day]]:
    """Return each day from `first` to `last`, both included, by application, with one query for all of them.

    On a day on which nothing happened all counts are 0, and `content_bytes` and `stored_bytes` are as they were before.
    """
    found = rows.read_days(instance.catalog, app_ids, str(first), str(last))
    wanted = [str(first + timedelta(days)) for days in range((last - first).days + 1)]
    return {app_id: list(_without_gaps(known, wanted)) for app_id, known in found.items()}


def _without_gaps(known: Sequence[Day], wanted: Sequence[str]) -> list[Day]:
    rows_of = {day.day: day for day in known}
    before = known[0] if known and known[0].day < wanted[0] else Day("")
    shown = []
    for day in wanted:
        row = rows_of.get(day)
        if row is None:
            row = Day(day, content_bytes=before.content_bytes, stored_bytes=before.stored_bytes)
        elif not row.good:
            row = structs.replace(row, content_bytes=before.content_bytes)
        shown.append(row)
        before = row
    return shown


def shown_days(instance: Instance, app_id: str, last_days: int) -> list[schemas.Day]:
    """Return the last days of an application, today among them, as they are shown."""
    last = today(instance)
    first = last - timedelta(last_days - 1)
    return [schemas.day_of(day) for day in days_of(instance, [app_id], first, last)[app_id]]


def forget_old(instance: Instance, control: ControlOf[object] = NEVER) -> int:
    """Remove what is older than 400 days; return the number of rows."""
    return rows.forget_days(instance.catalog, str(today(instance) - timedelta(KEPT_DAYS)))
