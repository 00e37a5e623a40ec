"""Where and how a call goes wrong, and the count of calls that says when."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")
SLOW_SECONDS = 0.02


class Place(StrEnum):
    """Where it goes wrong."""

    STORE = "store"
    HOME = "home"
    """The catalog."""
    RUN = "run"
    """The home's folder of locks, journals, marks and scratch."""


class Kind(StrEnum):
    """What goes wrong at the n-th call."""

    ERROR = "error"
    """This call alone fails."""
    FULL = "full disk"
    """This call and all later ones that write fail."""
    READ_ONLY = "read-only"
    """As FULL, with another error."""
    TORN = "torn write"
    """Half of the write is done, or all of a commit, and the call fails."""
    GONE = "gone away"
    """This call and all later ones fail, reading too."""
    SLOW = "slow"
    """This call takes its time."""


CODES = {Kind.FULL: errno.ENOSPC, Kind.READ_ONLY: errno.EROFS, Kind.GONE: errno.ENOENT}


@dataclass
class Faults:
    """Counts calls to one place; at number `at` (-1: never) the fault strikes."""

    place: Place
    kind: Kind
    at: int = -1
    count: int = 0

    def call(
        self,
        operation: Callable[[], T],
        error: Callable[[], Exception],
        *,
        writes: bool,
        half: Callable[[], object] | None = None,
        is_repeated: bool = False,
    ) -> T:
        """Make one call; one that is repeated counts with that before it. Raises what `error` makes when it strikes."""
        if self.kind in (Kind.FULL, Kind.READ_ONLY, Kind.TORN) and not writes:
            return operation()
        lasts = self.kind in (Kind.FULL, Kind.READ_ONLY, Kind.GONE)
        if is_repeated and self.count:
            if 0 <= self.at < self.count and lasts:
                raise error()
            return operation()
        number, self.count = self.count, self.count + 1
        if self.at < 0 or number < self.at or (number > self.at and not lasts):
            return operation()
        if self.kind is Kind.SLOW:
            threading.Event().wait(SLOW_SECONDS)
            return operation()
        if self.kind is Kind.TORN and half is not None:
            half()
        raise error()
