"""The strip of 30 days: the worst of a day wins, and what was before the first backup is told apart."""

from __future__ import annotations

import pytest

from holdfast.catalog.records import Day
from holdfast.service.overview.strip import CellKind, strip_of


@pytest.mark.parametrize(
    ("counts", "kind"),
    [
        ({"good": 24, "failed": 1}, CellKind.FAILED),
        ({"failed": 1, "missed": 1}, CellKind.FAILED),
        ({"good": 1, "missed": 1}, CellKind.MISSED),
        ({"good": 1, "damaged": 1}, CellKind.DAMAGED),
        ({"good": 1, "proved": 1}, CellKind.GOOD),
        ({"cancelled": 1}, CellKind.QUIET),
        ({}, CellKind.QUIET),
    ],
)
def test_the_worst_of_a_day_wins(counts: dict[str, int], kind: CellKind) -> None:
    _, cell = strip_of([Day("2024-12-06", good=1, stored_bytes=5), Day("2024-12-07", stored_bytes=5, **counts)])
    assert (cell.kind, cell.is_proved) == (kind, "proved" in counts)


def test_days_before_the_first_backup_are_no_quiet_days() -> None:
    days = [Day("2024-12-05"), Day("2024-12-06", failed=1), Day("2024-12-07")]
    assert [cell.kind for cell in strip_of(days)] == [CellKind.BEFORE, CellKind.FAILED, CellKind.QUIET]
    older = [Day("2024-12-05", stored_bytes=5), Day("2024-12-06", stored_bytes=5)]
    assert [cell.kind for cell in strip_of(older)] == [CellKind.QUIET, CellKind.QUIET]
