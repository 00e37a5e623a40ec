"""Units: a size as people read it."""

from __future__ import annotations

import pytest

from holdfast.units import DAY_NS, GIB, HOUR_NS, SECOND_NS, size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (81_920_000, "81.9 MB"),
        (GIB, "1.1 GB"),
        (10**12, "1.0 TB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_a_size_is_in_the_largest_unit_of_which_there_is_one(size: int, text: str) -> None:
    assert size_text(size) == text


def test_times_are_in_nanoseconds() -> None:
    assert (SECOND_NS, HOUR_NS, DAY_NS) == (10**9, 3600 * 10**9, 86_400 * 10**9)
