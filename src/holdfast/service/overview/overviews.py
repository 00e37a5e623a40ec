"""Applications as pages show them: the standing in words, the strip, when the next backup is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from holdfast.catalog.events.days import Day, read_days
from holdfast.catalog.records import App
from holdfast.schemas.times import local_time
from holdfast.service.instance.home import Instance
from holdfast.service.overview.strip import STRIP_DAYS, Cell, strip_of
from holdfast.service.policy.standing import Standing, badness
from holdfast.service.standing.gather import gather
from holdfast.service.standing.words import Wording, wording_of

CHART_DAYS = 60
"""The days of the charts of one application."""


@dataclass(frozen=True, slots=True)
class Overview:
    """An application as it is now. `days`: the rows of the last 60 days that it has, and the one before them."""

    app: App
    standing: Standing
    words: Wording
    stored_bytes: int
    days: Sequence[Day]
    strip: Sequence[Cell]


def overviews(instance: Instance, apps: Sequence[App], days: int = STRIP_DAYS) -> list[Overview]:
    """Return applications as they are now, the worst first. A fixed number of queries for up to a thousand."""
    now, today = gather(instance, apps), local_time(instance.clock.now_ns(), instance.zone).date()
    first = today - timedelta(days=days - 1)
    rows = read_days(instance.catalog, [app.id for app in apps], first.isoformat(), today.isoformat())
    found = []
    for app in apps:
        standing = now[app.id].standing
        words = wording_of(standing, app.id, instance.zone, for_operator=False)
        strip = strip_of(rows[app.id], today, _first_day(rows[app.id]))
        found.append(Overview(app, standing, words, now[app.id].stored_bytes, rows[app.id], strip))
    return sorted(found, key=lambda one: (*badness(one.standing), one.app.name))


def overview(instance: Instance, app: App) -> Overview:
    """Return one application as it is now, with the days of its charts."""
    return overviews(instance, [app], CHART_DAYS)[0]


def _first_day(days: Sequence[Day]) -> date | None:
    return date.fromisoformat(days[0].day) if days else None
