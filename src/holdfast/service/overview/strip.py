"""The strip of an application: 30 days, each by the worst that happened on it. A pure decision.

A day is judged by what was counted on it: a day on which nothing was due is quiet, whatever the schedule, and a missed
one is known since the application became overdue on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from holdfast.catalog.events.days import Day

STRIP_DAYS = 30


class CellKind(StrEnum):
    """The worst that happened on a day; `before`: the application had no backup yet."""

    FAILED = "failed"
    MISSED = "missed"
    DAMAGED = "damaged"
    GOOD = "good"
    QUIET = "quiet"
    BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Cell:
    """A day of a strip. `is_proved`: a test restore matched on it."""

    day: date
    kind: CellKind
    counts: Day
    is_proved: bool = False


def strip_of(days: Sequence[Day], today: date, first_good: date | None) -> list[Cell]:
    """Return the cells of the days up to today, in their order. `days`: the rows that there are."""
    by_day = {one.day: one for one in days}
    cells = []
    for back in range(STRIP_DAYS - 1, -1, -1):
        day = today - timedelta(days=back)
        counts = by_day.get(day.isoformat(), Day(day.isoformat()))
        kind = _kind(counts)
        if kind is CellKind.QUIET and (first_good is None or day < first_good):
            kind = CellKind.BEFORE
        cells.append(Cell(day, kind, counts, counts.proved > 0))
    return cells


def _kind(counts: Day) -> CellKind:
    if counts.failed:
        return CellKind.FAILED
    if counts.missed:
        return CellKind.MISSED
    if counts.damaged:
        return CellKind.DAMAGED
    return CellKind.GOOD if counts.good else CellKind.QUIET
