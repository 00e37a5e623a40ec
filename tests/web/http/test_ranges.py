from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.web.http.ranges import UNSATISFIABLE, Condition, Span, condition, http_date, parse_range, range_holds

MODIFIED = datetime(2024, 12, 7, 21, 7, 20, 123456, tzinfo=UTC)
MODIFIED_TEXT = "Sat, 07 Dec 2024 21:07:20 GMT"
EARLIER_TEXT = "Sat, 07 Dec 2024 21:07:19 GMT"
ETAG = '"abc-zip"'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-99", Span(0, 100)),
        ("bytes=0-1000000", Span(0, 100)),
        ("bytes=10-", Span(10, 100)),
        ("bytes=99-", Span(99, 100)),
        ("bytes=-1", Span(99, 100)),
        ("bytes=-100", Span(0, 100)),
        ("bytes=-1000", Span(0, 100)),
        ("BYTES=5-6", Span(5, 7)),
        (" bytes= 5-6 ", Span(5, 7)),
        ("bytes=100-", UNSATISFIABLE),
        ("bytes=100-200", UNSATISFIABLE),
        ("bytes=-0", UNSATISFIABLE),
        # Answered with the whole:
        ("bytes=0-1,3-4", None),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("bytes=a-b", None),
        ("bytes=0x1-2", None),
        ("bytes=٣-٤", None),
        ("bytes=1 -2", None),
        ("bytes=99999999999999999999999-", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_a_range_header_against_100_bytes(value: str, expected: Span | None) -> None:
    assert parse_range(value, 100) == expected


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        (None, True),
        (ETAG, True),
        ('"other"', False),
        (f"W/{ETAG}", False),
        (MODIFIED_TEXT, True),
        (EARLIER_TEXT, False),
        ("nonsense", False),
    ],
)
def test_if_range(if_range: str | None, expected: bool) -> None:
    assert range_holds(if_range, ETAG, MODIFIED) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, Condition.SEND),
        ({"if-none-match": ETAG}, Condition.UNCHANGED),
        ({"if-none-match": f'"x", W/{ETAG}'}, Condition.UNCHANGED),
        ({"if-none-match": "*"}, Condition.UNCHANGED),
        ({"if-none-match": '"x"'}, Condition.SEND),
        ({"if-none-match": "not quoted"}, Condition.SEND),
        # If-None-Match wins over the date.
        ({"if-none-match": '"x"', "if-modified-since": MODIFIED_TEXT}, Condition.SEND),
        ({"if-modified-since": MODIFIED_TEXT}, Condition.UNCHANGED),
        ({"if-modified-since": EARLIER_TEXT}, Condition.SEND),
        ({"if-modified-since": "yesterday"}, Condition.SEND),
        ({"if-match": ETAG}, Condition.SEND),
        ({"if-match": "*"}, Condition.SEND),
        ({"if-match": '"x"'}, Condition.REFUSED),
        ({"if-match": f"W/{ETAG}"}, Condition.REFUSED),
        ({"if-unmodified-since": MODIFIED_TEXT}, Condition.SEND),
        ({"if-unmodified-since": EARLIER_TEXT}, Condition.REFUSED),
    ],
)
def test_conditions(headers: dict[str, str], expected: Condition) -> None:
    assert condition(headers, ETAG, MODIFIED) is expected


def test_dates_are_written_as_http_wants_them() -> None:
    assert http_date(MODIFIED) == MODIFIED_TEXT
