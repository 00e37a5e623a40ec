"""Units: times are in nanoseconds and sizes in bytes; these are the larger units, and both as people read them.

It imports nothing of Holdfast, so every floor may use it.
"""

from __future__ import annotations

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS
DAY_NS = 24 * HOUR_NS
MIB = 1024**2
GIB = 1024**3
TIB = 1024**4


def size_text(size: int) -> str:
    """Return bytes for people, in the largest unit of which there is one: `81.9 MB` (a kB is 1,000 bytes)."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def span_text(ns: int) -> str:
    """Return a span of time for people, in the largest unit of which there are two: `47 minutes`, `2 days`."""
    for unit, name in ((DAY_NS, "day"), (HOUR_NS, "hour"), (MINUTE_NS, "minute")):
        if ns >= 2 * unit:
            return f"{ns // unit} {name}s"
    return "1 minute" if ns >= MINUTE_NS else "less than a minute"
