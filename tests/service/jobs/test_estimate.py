"""When running work should be done: steady, stalled, without a total, of one large file or of many small ones."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from holdfast.schemas.fields import progress_of
from holdfast.service.jobs.estimate import TOO_EARLY_NS, WINDOW_NS, Estimate, Sample, Timing, estimate
from holdfast.units import MIB, SECOND_NS
from holdfast.vault.control import STALLED_NS, Progress, TimedProgress

NOW = 1_733_605_631 * SECOND_NS
TEN = 10 * SECOND_NS


def after_ten_seconds(first: Progress, last: Progress) -> Estimate:
    return estimate(Sample(NOW, first), Sample(NOW + TEN, last))


@pytest.mark.parametrize(
    ("first", "last", "speed", "seconds_left"),
    [
        pytest.param((0, 0, 100, 100 * MIB), (20, 20 * MIB, 100, 100 * MIB), 2 * MIB, 40, id="steady"),
        pytest.param((50, 50 * MIB, 100, 100 * MIB), (60, 60 * MIB, 100, 100 * MIB), MIB, 40, id="half was unchanged"),
        pytest.param((20, MIB, 100, 2 * MIB), (20, MIB, 100, 2 * MIB), 0, None, id="stalled"),
        pytest.param((0, 0, 0, 0), (0, 30 * MIB, 0, 0), 3 * MIB, None, id="unknown total"),
        pytest.param((0, 0, 1, 100 * MIB), (0, 20 * MIB, 1, 100 * MIB), 2 * MIB, 40, id="one large file"),
        pytest.param((0, 0, 1000, 100), (100, 50, 1000, 100), 5, 90, id="many small files"),
        pytest.param((0, 0, 10, 0), (5, 0, 10, 0), 0, 10, id="empty files"),
        pytest.param((90, 90, 100, 100), (100, 100, 100, 100), 1, 0, id="all is read"),
        pytest.param((90, 90, 100, 100), (10, 10, 100, 100), 0, None, id="it began anew"),
    ],
)
def test_an_estimate(
    first: tuple[int, int, int, int], last: tuple[int, int, int, int], speed: int, seconds_left: int | None
) -> None:
    eta = None if seconds_left is None else NOW + TEN + seconds_left * SECOND_NS
    assert after_ten_seconds(Progress(*first), Progress(*last)) == Estimate(speed, eta)


def test_the_first_seconds_tell_nothing() -> None:
    first, last = Progress(0, 0, 10, 10), Progress(5, 5, 10, 10)
    assert estimate(Sample(NOW, first), Sample(NOW + TOO_EARLY_NS - 1, last)) == Estimate(None, None)
    assert estimate(Sample(NOW, first), Sample(NOW + TOO_EARLY_NS, last)).eta == NOW + 2 * TOO_EARLY_NS


def test_work_is_timed_by_its_last_half_minute() -> None:
    timing = Timing(NOW - TEN)
    first = timing.timed(Progress(0, 0, 0, 1000), NOW)
    assert (first.started_at, first.reported_at, first.bytes_per_second, first.eta) == (NOW - TEN, NOW, None, None)
    for second in range(1, 61):  # a hundred bytes in each of thirty seconds, then one
        done = 10 * min(second, 30) + max(0, second - 30)
        timed = timing.timed(Progress(0, done, 0, 1000), NOW + second * SECOND_NS)
    assert timed.bytes_per_second == 1
    assert timed.eta == NOW + 60 * SECOND_NS + 670 * WINDOW_NS // 30


def test_work_that_begins_anew_is_timed_anew() -> None:
    timing = Timing(NOW)
    for second, done in ((0, 0), (5, 500), (6, 10), (9, 40)):
        timed = timing.timed(Progress(0, done, 0, 100), NOW + second * SECOND_NS)
    assert (timed.bytes_per_second, timed.eta) == (10, NOW + 15 * SECOND_NS)


def test_work_that_reports_nothing_any_more_stands_still() -> None:
    record = TimedProgress(1, 2, 3, 4, NOW - TEN, NOW, 5, NOW + TEN)
    zone = ZoneInfo("Europe/Berlin")
    lately, long_ago = (progress_of(record, zone, NOW + STALLED_NS + more) for more in (0, 1))
    assert lately is not None
    assert (lately.started_at, lately.eta) == ("2024-12-07T22:07:01+01:00", "2024-12-07T22:07:21+01:00")
    assert lately.bytes_per_second == 5
    assert long_ago is not None
    assert (long_ago.started_at, long_ago.eta, long_ago.bytes_per_second) == (lately.started_at, None, 0)
