"""Times as they are shown: ISO 8601 with the instance's UTC offset, whole seconds."""

from __future__ import annotations

from datetime import datetime, tzinfo


def local_time(ns: int, zone: tzinfo) -> datetime:
    """A time (nanoseconds since 1970) in the instance's zone, whole seconds."""
    return datetime.fromtimestamp(ns // 1_000_000_000, zone)


def iso(ns: int, zone: tzinfo) -> str:
    """A time as it is shown: `2024-12-07T22:07:11+01:00`."""
    return local_time(ns, zone).isoformat()


def iso_or_none(ns: int | None, zone: tzinfo) -> str | None:
    """The same, where there may be none."""
    return None if ns is None else iso(ns, zone)


def time_text(ns: int, zone: tzinfo) -> str:
    """A time as people read it in a sentence: `2024-12-07 22:07 CET`."""
    return local_time(ns, zone).strftime("%Y-%m-%d %H:%M %Z")
