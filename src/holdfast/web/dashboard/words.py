"""Times, sizes and names as pages show them. Numbers and units, days and months stay on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo

from holdfast.schemas.times import local_time
from holdfast.units import MINUTE_NS, SECOND_NS, size_text, span_text

_GLUE = "\u00a0"
_DEFAULT_NAME = re.compile(r"(Backup|Safety backup) at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: \(\d+\))?")

ORIGINS = {
    "manual": "By hand",
    "scheduled": "By schedule",
    "safety": "Before a restore",
    "imported": "Imported",
}
"""By the origin of a backup: the words of its row."""


_KEPT = {
    "newest": "it is the newest",
    "locked": "its lock",
    "locked_until": "its lock",
    "in_use": "somebody reads it",
    "under_way": "it is not finished",
    "safety": "a restore can be undone with it",
    "before_shrunk": "the application has shrunk since",
    "rests": "retention rests",
    "by_hand": "it was taken by hand",
    "no_rules": "every backup is kept",
    "failed_lately": "its failure is new",
}
"""By what keeps a backup, as the API names it; rules of retention are named by themselves."""


def kept(names: Iterable[str]) -> str:
    """Tell what keeps a backup, in words."""
    return ", ".join(dict.fromkeys(_KEPT.get(name, name.removeprefix("keep_").replace("_", " ")) for name in names))


def size(count: int) -> str:
    """Bytes: `81.9 MB`."""
    return size_text(count).replace(" ", _GLUE)


def number(count: int) -> str:
    """A count: `23,464`."""
    return f"{count:,}"


def ago(at: int, now: int) -> str:
    """The age of a time: `11 hours ago`."""
    return "just now" if now - at < MINUTE_NS else f"{span_text(now - at)} ago"


def span(length: int) -> str:
    """A span of time: `58 s`, `12 minutes`."""
    return f"{max(1, length // SECOND_NS)}{_GLUE}s" if length < 2 * MINUTE_NS else span_text(length).replace(" ", _GLUE)


def until(at: int, now: int) -> str:
    """The time that is left until another: `in 13 hours`."""
    return "now" if at - now < MINUTE_NS else f"in {span_text(at - now)}"


def when(at: int, now: int, zone: tzinfo) -> str:
    """A time, short: `today, 03:00`, `Fri 27 Nov, 03:00`; of another year with it."""
    local, today = local_time(at, zone), local_time(now, zone).date()
    named = {0: "today", -1: "yesterday", 1: "tomorrow"}.get((local.date() - today).days)
    return f"{named or _short_day(local, today)}, {local:%H:%M}"


def whole(at: int, zone: tzinfo) -> str:
    """A time with its day in full: `Friday 27 November 2026, 03:00`."""
    local = local_time(at, zone)
    return f"{local:%A} {local.day}{_GLUE}{local:%B} {local.year}, {local:%H:%M}"


def day(on: date) -> str:
    """A day: `Fri 27 Nov`."""
    return f"{on:%a} {on.day}{_GLUE}{on:%b}"


def name(given: str, at: int, zone: tzinfo) -> str:
    """The name of a backup; one that it got by itself says no more than when it began."""
    found = _DEFAULT_NAME.fullmatch(given)
    if found is None:
        return given
    local = local_time(at, zone)
    began = f"{local:%A} {local.day}{_GLUE}{local:%B}, {local:%H:%M}"
    return began if found[1] == "Backup" else f"Before the restore of {began}"


def group(at: int, now: int, zone: tzinfo) -> str:
    """The heading that a backup stands under: `Today`, `Yesterday`, `Last 7 days`, else its month."""
    local, today = local_time(at, zone).date(), local_time(now, zone).date()
    if local >= today:
        return "Today"
    if local == today - timedelta(days=1):
        return "Yesterday"
    if local > today - timedelta(days=7):
        return "Last 7 days"
    return f"{local:%B}" if local.year == today.year else f"{local:%B} {local.year}"


def _short_day(local: datetime, today: date) -> str:
    year = "" if local.year == today.year else f" {local.year}"
    return f"{local:%a} {local.day}{_GLUE}{local:%b}{year}"
