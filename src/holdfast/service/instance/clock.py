"""Time, as something that is handed in, so that tests own it."""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from typing import Protocol

from holdfast.units import SECOND_NS


class Clock(Protocol):
    """Tells the time."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        return time.time_ns()


def local_time(ns: int, zone: tzinfo) -> datetime:
    """A time in the instance's zone, whole seconds."""
    return datetime.fromtimestamp(ns // SECOND_NS, zone)


def iso(ns: int, zone: tzinfo) -> str:
    """A time as the API shows it: `2024-12-07T22:07:11+01:00`."""
    return local_time(ns, zone).isoformat()
