"""Applications as pages show them: the standing in words, the strip, the sizes of the last days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from holdfast.catalog.backups.retention import Candidate
from holdfast.catalog.records import App, Day
from holdfast.service.instance.home import Instance
from holdfast.service.overview.strip import STRIP_DAYS, Cell, strip_of
from holdfast.service.policy.standing import Standing, badness
from holdfast.service.standing.days import days_of, today
from holdfast.service.standing.gather import gather
from holdfast.service.standing.words import Wording, wording_of

CHART_DAYS = 60
"""The days of the charts of one application."""
YEAR_DAYS = 366
"""The days of its calendar, and of its charts of a year."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of an application on a day, in bytes: the content of a backup, and all of them in the store."""

    day: date
    content: int
    stored: int


@dataclass(frozen=True, slots=True)
class Overview:
    """An application as it is now. `content_bytes`: of all its backups, as if each had its own files; `cells`: the days
    that were asked for, of which `strip` are the last; `sizes`: of each of them since its first backup; `event_seq`:
    the number of its account's newest event when the standing was read, before all else; `backups`: as retention sees
    them, if they were asked for."""

    app: App
    standing: Standing
    words: Wording
    stored_bytes: int
    content_bytes: int
    cells: Sequence[Cell]
    strip: Sequence[Cell]
    sizes: Sequence[Sizes]
    event_seq: int
    backups: Sequence[Candidate]


def overviews(
    instance: Instance, apps: Sequence[App], days: int = STRIP_DAYS, *, with_backups: bool = False
) -> list[Overview]:
    """Return applications as they are now, the worst first; `with_backups`: with all of each.

    At most four queries for up to a thousand.
    """
    now, last = gather(instance, apps, with_backups=with_backups), today(instance)
    counted = days_of(instance, [app.id for app in apps], last - timedelta(days - 1), last)
    found = []
    for app in apps:
        of_now = now[app.id]
        standing = of_now.standing
        words = wording_of(standing, app.id, for_operator=False)
        of_app = counted[app.id]
        cells = strip_of(of_app)
        found.append(
            Overview(
                app=app,
                standing=standing,
                words=words,
                stored_bytes=of_now.stored_bytes,
                content_bytes=of_now.content_bytes,
                cells=cells,
                strip=cells[-STRIP_DAYS:],
                sizes=_sizes(of_app),
                event_seq=of_now.event_seq,
                backups=of_now.backups,
            )
        )
    return sorted(found, key=lambda one: (*badness(one.standing), one.app.name))


def overview(instance: Instance, app: App, days: int = CHART_DAYS, *, with_backups: bool = False) -> Overview:
    """Return one application as it is now, with the days of its charts."""
    return overviews(instance, [app], days, with_backups=with_backups)[0]


def _sizes(days: Sequence[Day]) -> list[Sizes]:
    found = [Sizes(date.fromisoformat(one.day), one.content_bytes, one.stored_bytes) for one in days]
    first = next((index for index, one in enumerate(found) if one.content or one.stored), len(found))
    return found[first:]
