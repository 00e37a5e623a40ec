"""Ranges and conditions: the bytes that a client wants, if it needs them at all (RFC 9110, sections 13 and 14).

Pure functions over header values; they know nothing of connections. Dates have whole seconds, as in HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from enum import Enum

_ONE_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `start` up to, not including, `stop`."""

    start: int
    stop: int


class Condition(Enum):
    """The verdict of the conditional headers on a GET or HEAD."""

    SEND = 200
    UNCHANGED = 304
    REFUSED = 412


UNSATISFIABLE = Span(0, 0)
"""A range that lies wholly outside: answered 416."""


def parse_range(value: str, length: int) -> Span | None:
    """The span that a Range header asks for, of a thing of `length` bytes.

    None for everything that is to be answered with the whole: another unit, several ranges, or no valid range
    (section 14.2 lets a server ignore those). UNSATISFIABLE when it is valid, but not one byte of it exists.
    """
    match = _ONE_RANGE.fullmatch(value.strip())
    if match is None:
        return None
    first, last = match.groups()
    if not first:
        if not last:
            return None
        wanted = min(int(last), length)
        return Span(length - wanted, length) if wanted else UNSATISFIABLE
    start = int(first)
    if last and int(last) < start:
        return None
    if start >= length:
        return UNSATISFIABLE
    return Span(start, min(int(last) + 1, length) if last else length)


def range_holds(if_range: str | None, etag: str, last_modified: datetime) -> bool:
    """True if a Range may be answered in parts: no If-Range, the same strong ETag, or the very same date."""
    if if_range is None:
        return True
    if_range = if_range.strip()
    if if_range.endswith('"'):
        return if_range == etag and not etag.startswith("W/")
    date = parse_date(if_range)
    return date is not None and date == last_modified.replace(microsecond=0)


def condition(headers: Mapping[str, str], etag: str, last_modified: datetime | None) -> Condition:
    """Evaluate If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since, in the order of section 13.2.2.

    `headers` has lower-case names.
    """
    modified = last_modified.replace(microsecond=0) if last_modified is not None else None
    if (match := headers.get("if-match")) is not None:
        if match.strip() != "*" and etag not in _ETAG.findall(match):
            return Condition.REFUSED
    elif modified is not None and (date := parse_date(headers.get("if-unmodified-since"))) and modified > date:
        return Condition.REFUSED
    if (none_match := headers.get("if-none-match")) is not None:
        return Condition.UNCHANGED if matches_any(none_match, etag) else Condition.SEND
    if modified is not None and (date := parse_date(headers.get("if-modified-since"))) is not None and modified <= date:
        return Condition.UNCHANGED
    return Condition.SEND


def matches_any(none_match: str, etag: str) -> bool:
    """True if an If-None-Match names this ETag; W/ makes no difference here (weak comparison)."""
    if none_match.strip() == "*":
        return True
    bare = etag.removeprefix("W/")
    return any(candidate.removeprefix("W/") == bare for candidate in _ETAG.findall(none_match))


def parse_date(value: str | None) -> datetime | None:
    """An HTTP date in UTC; None when there is none or it is not a date, which HTTP says to ignore."""
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)
