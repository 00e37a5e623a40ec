"""Units: times are in nanoseconds and sizes in bytes; these are the larger units, and a size as people read it.

It imports nothing of Holdfast, so every floor may use it.
"""

from __future__ import annotations

SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS
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
