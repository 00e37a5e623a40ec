"""The time that all databases of a backup have together: waiting for locks, copying, and the checks at the end.

Each database alone has its limits too, but their sum has none: a thousand small databases that somebody keeps locked
would hold a place of the queue for hours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 600.0
"""All databases together have this long, and what their bytes on the disk take at SLOWEST_BYTES_PER_SECOND."""

SLOWEST_BYTES_PER_SECOND = 4 * 1024 * 1024
"""At least this fast must a copier be (after waiting for locks), or it is ended: the file must be faulty."""

VAIN_WAITS_MAX = 3
"""After this many databases that stayed locked, the others are not waited for."""

SLOW_MAX = 2
"""After this many databases whose copier had to be ended, no other is tried."""


class SharedTime:
    """The time of one backup's databases; only what is spent on them counts, not the reading of files between."""

    def __init__(self, wait_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`wait_seconds`: the longest wait for a locked database."""
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._left = SECONDS
        self._since: float | None = None
        self._vain_waits = 0
        self._slow = 0

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time until this is left."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._left -= self._clock() - self._since
            self._since = None

    def grow(self, size: int) -> None:
        """Add the time for another database to be copied; `size`: its bytes on the disk."""
        self._left += size / SLOWEST_BYTES_PER_SECOND

    @property
    def seconds_left(self) -> float:
        """Return the time that is left; 0 when it is over, or when copiers had to be ended too often."""
        if self._slow >= SLOW_MAX:
            return 0.0
        spent = 0.0 if self._since is None else self._clock() - self._since
        return max(0.0, self._left - spent)

    @property
    def wait_seconds(self) -> float:
        """Return the time for which the next locked database is waited for."""
        return 0.0 if self._vain_waits >= VAIN_WAITS_MAX else min(self._wait_seconds, self.seconds_left)

    def waited_in_vain(self) -> None:
        """Note that a database stayed locked."""
        self._vain_waits += 1

    def was_slow(self) -> None:
        """Note that a copier had to be ended."""
        self._slow += 1
