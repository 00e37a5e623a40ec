"""The strip of an application: its last days, each by the worst that happened on it. A pure decision.

A day is judged by what was counted on it: one on which nothing was due is quiet, whatever the schedule, and a missed
one is known since the application became overdue on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from holdfast.catalog.records import Day

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

    @property
    def is_proved(self) -> bool:
        """Return True if a test restore matched on the day."""
        return self.counts.proved > 0


def strip_of(days: Sequence[Day]) -> list[Cell]:
    """Return the cells of days that follow one another."""
    cells, has_begun = [], False
    for counts in days:
        kind = _kind(counts)
        has_begun = has_begun or kind is not CellKind.QUIET or counts.stored_bytes > 0
        cells.append(Cell(date.fromisoformat(counts.day), kind if has_begun else CellKind.BEFORE, counts))
    return cells


def _kind(counts: Day) -> CellKind:
    if counts.failed:
        return CellKind.FAILED
    if counts.missed:
        return CellKind.MISSED
    if counts.damaged:
        return CellKind.DAMAGED
    return CellKind.GOOD if counts.good else CellKind.QUIET
