"""The size of an answer's buffers: large for a client that is fast, small for all others.

A buffer that waits for a slow client holds memory for as long as it takes. So each answer begins with small ones, gets
large ones when its client has shown that it is fast, and only `LARGE_MAX` answers have those at once: a client that
stands still after it was fast costs no more than one of these.
"""

from __future__ import annotations

from collections.abc import Callable

SMALL_BYTES = 128 * 1024
LARGE_BYTES = 1024 * 1024
LARGE_MAX = 12
FAST_BYTES_PER_SECOND = 16 * 1024 * 1024
MEASURED_BYTES = 4 * 1024 * 1024
"""After this many bytes it is looked how fast they were taken."""


class LargeBuffers:
    """Counts, for one process, the answers that have large buffers. Used on the event loop only."""

    def __init__(self, most: int = LARGE_MAX) -> None:
        self._left = most

    def take(self) -> bool:
        """Take one of them; False when all are taken."""
        if not self._left:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """Give one back."""
        self._left += 1


class Pace:
    """The pace of one answer. `took` and `close` on the event loop; `buffer_bytes` may be read by any thread."""

    def __init__(self, large: LargeBuffers, now: Callable[[], float]) -> None:
        self._large = large
        self._now = now
        self._since = now()
        self._bytes = 0
        self._size = SMALL_BYTES

    def buffer_bytes(self) -> int:
        """The size of the next buffer."""
        return self._size

    @property
    def is_large(self) -> bool:
        """True while its client is fast, and there is room for that."""
        return self._size == LARGE_BYTES

    def took(self, size: int) -> None:
        """The client took this many bytes."""
        self._bytes += size
        if self._bytes < MEASURED_BYTES:
            return
        now = self._now()
        is_fast = self._bytes >= FAST_BYTES_PER_SECOND * (now - self._since)
        self._since, self._bytes = now, 0
        if not is_fast:
            self.close()
        elif not self.is_large and self._large.take():
            self._size = LARGE_BYTES

    def close(self) -> None:
        """Go back to small buffers; more than once is fine."""
        if self.is_large:
            self._size = SMALL_BYTES
            self._large.give_back()
