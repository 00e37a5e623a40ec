"""Cron expressions: what they say, what is refused, and the days on which clocks are changed."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from holdfast.service.errors import Invalid
from holdfast.service.policy.cron import jitter_of, next_due, next_dues, next_runs, parse_cron, shortest_interval

BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
SECOND = 1_000_000_000
APP = "0123456789abcdef0123456789abcdef"


def ns(text: str, zone: ZoneInfo) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND


def runs(text: str, after: str, zone: ZoneInfo, count: int) -> list[str]:
    found = next_runs(parse_cron(text), ns(after, zone), zone, count)
    return [datetime.fromtimestamp(run // SECOND, zone).strftime("%m-%d %H:%M %Z") for run in found]


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("0 3 * * *", "2025-01-01T03:00", ["01-02 03:00 CET", "01-03 03:00 CET"]),
        ("*/20 4 * * *", "2025-01-01T00:00", ["01-01 04:00 CET", "01-01 04:20 CET"]),
        ("0 12 * * mon-fri", "2025-01-03T13:00", ["01-06 12:00 CET", "01-07 12:00 CET"]),
        ("5 0 1,15 jan,JUL *", "2025-01-02T00:00", ["01-15 00:05 CET", "07-01 00:05 CEST"]),
        ("0 0 13 * 5", "2025-06-01T00:00", ["06-06 00:00 CEST", "06-13 00:00 CEST"]),
        ("@weekly", "2025-01-01T00:00", ["01-05 00:00 CET", "01-12 00:00 CET"]),
        ("0 0 29 2 *", "2025-01-01T00:00", ["02-29 00:00 CET", "02-29 00:00 CET"]),
        ("0 0 L * *", "2025-02-01T00:00", ["02-28 00:00 CET", "03-31 00:00 CEST"]),
    ],
)
def test_what_an_expression_says(text: str, after: str, expected: list[str]) -> None:
    assert runs(text, after, BERLIN, 2) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "five fields"),
        ("0 3 * *", "five fields"),
        ("0 0 3 * * *", "no seconds"),
        ("0 3 ? * *", "'?'"),
        ("@reboot", "@daily"),
        ("60 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 32 * *", "day of month"),
        ("0 0 * XYZ *", "month"),
        ("0 0 * * 8", "day of week"),
        ("*/0 * * * *", "minute"),
        ("0 0 31 2 *", "matches no day"),
        ("0 0 31 4,6,9,11 *", "matches no day"),
        ("0 0 \u0663 * *", "ASCII"),
        ("0 " * 100, "at most"),
    ],
)
def test_what_is_refused_and_why(text: str, part: str) -> None:
    with pytest.raises(Invalid, match=r"^[^\n]*\.$") as refused:
        parse_cron(text)
    assert refused.value.code == "INVALID_CRON"
    assert part in refused.value.message


@pytest.mark.parametrize(
    ("text", "after", "zone", "expected"),
    [
        # The clock leaps from 02:00 to 03:00: what would be between is due at 03:00, once.
        ("30 2 * * *", "2025-03-30T00:00", BERLIN, ["03-30 03:00 CEST", "03-31 02:30 CEST"]),
        ("*/30 2 * * *", "2025-03-30T00:00", BERLIN, ["03-30 03:00 CEST", "03-31 02:00 CEST"]),
        ("0 2,3 * * *", "2025-03-30T00:00", BERLIN, ["03-30 03:00 CEST", "03-31 02:00 CEST"]),
        ("30 2 * * *", "2025-03-09T00:00", NEW_YORK, ["03-09 03:00 EDT", "03-10 02:30 EDT"]),
        ("30 * * * *", "2025-03-30T01:00", BERLIN, ["03-30 01:30 CET", "03-30 03:30 CEST"]),
        ("*/30 * * * *", "2025-03-09T01:00", NEW_YORK, ["03-09 01:30 EST", "03-09 03:00 EDT"]),
        # The hour comes twice: a time in it is due the first time only, what runs every hour goes on.
        ("30 2 * * *", "2025-10-26T00:00", BERLIN, ["10-26 02:30 CEST", "10-27 02:30 CET"]),
        ("30 1 * * *", "2025-11-02T00:00", NEW_YORK, ["11-02 01:30 EDT", "11-03 01:30 EST"]),
        ("30 * * * *", "2025-10-26T02:00", BERLIN, ["10-26 02:30 CEST", "10-26 02:30 CET"]),
        ("30 0-23 * * *", "2025-11-02T01:00", NEW_YORK, ["11-02 01:30 EDT", "11-02 01:30 EST"]),
        # Midnight itself is left out.
        ("@daily", "2026-04-23T12:00", ZoneInfo("Africa/Cairo"), ["04-24 01:00 EEST", "04-25 00:00 EEST"]),
    ],
)
def test_when_clocks_are_changed(text: str, after: str, zone: ZoneInfo, expected: list[str]) -> None:
    assert runs(text, after, zone, 2) == expected


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
@pytest.mark.parametrize("text", ["30 2 * * *", "0 0 * * *", "59 1 * * *", "15 3 * * *"])
def test_a_daily_one_comes_on_every_day_of_a_year_once(text: str, zone: ZoneInfo) -> None:
    """Asked anew after each run, and at odd times in between, as the tick does."""
    at, days = ns("2025-01-01T00:00", zone) - SECOND, []
    for _ in range(365):
        (at,) = next_runs(parse_cron(text), at, zone, 1)
        days.append(datetime.fromtimestamp(at // SECOND, zone).date())
        assert next_runs(parse_cron(text), at - SECOND, zone, 1) == [at]
    assert len(set(days)) == 365
    assert str(days[-1]) == "2025-12-31"


def test_asked_in_the_second_of_two_equal_hours_a_time_does_not_come_again() -> None:
    second = ns("2025-10-26T02:10", BERLIN) + 3600 * SECOND
    assert datetime.fromtimestamp(second // SECOND, BERLIN).fold == 1
    (found,) = next_runs(parse_cron("30 2 * * *"), second, BERLIN, 1)
    assert found == ns("2025-10-27T02:30", BERLIN)


def test_applications_with_the_same_expression_are_spread() -> None:
    cron, after = parse_cron("0 3 * * *"), ns("2025-01-01T00:00", BERLIN)
    run = ns("2025-01-01T03:00", BERLIN)
    ids = [f"{number:032x}" for number in range(600)]
    late = [next_due(cron, after, BERLIN, app_id, 300).at - run for app_id in ids]
    assert min(late) >= 0
    assert max(late) <= 300 * SECOND
    assert len(set(late)) > 200
    assert late == [next_due(cron, after, BERLIN, app_id, 300).at - run for app_id in ids]
    assert all(0 <= jitter_of(app_id) < 1 for app_id in ids)
    assert next_due(cron, after, BERLIN, APP, 0).at == run


def test_a_minute_wise_one_still_comes_every_minute() -> None:
    dues = next_dues(parse_cron("* * * * *"), ns("2025-01-01T00:00", BERLIN), BERLIN, "f" * 32, 300, 200)
    assert {later.at - due.at for due, later in pairwise(dues)} == {60 * SECOND}
    assert max(due.at % (60 * SECOND) for due in dues) <= 6 * SECOND


def test_each_due_time_follows_from_the_one_before() -> None:
    cron, at = parse_cron("0 */6 * * *"), ns("2025-10-25T00:00", BERLIN)
    together = [due.at for due in next_dues(cron, at, BERLIN, APP, 300, 12)]
    one_by_one = []
    for _ in range(12):
        at = next_due(cron, at, BERLIN, APP, 300).at
        one_by_one.append(at)
    assert one_by_one == together


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("* * * * *", 1), ("0,59 * * * *", 1), ("*/15 8-10 * * *", 15), ("0 3 * * *", 24 * 60), ("0 3,4 * * 1", 60)],
)
def test_the_shortest_interval(text: str, minutes: int) -> None:
    found = shortest_interval(parse_cron(text), ns("2025-06-01T12:00", BERLIN), BERLIN)
    assert found == minutes * 60 * SECOND
