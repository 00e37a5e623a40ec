"""Control: one object that carries a cancel into work that takes long, and the work's progress out of it.

*Cancel*: somebody asked for the work to end; it raises Cancelled at its next check. *Stop*: the process that does the
work ends; a function that is asked raises Stopped itself. A periodic task is cancelled by a stop: it returns early, and
the next run goes on. *Throttle*: the limit on how often others are asked and told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

import msgspec

from holdfast.vault.errors import Cancelled


class Progress(msgspec.Struct, frozen=True):
    """The progress of a backup, a check or a restore. Sizes in bytes."""

    files: int
    bytes: int
    total_files: int
    total_bytes: int


STALLED_NS = 30_000_000_000
"""Work that reported nothing for so long stands still, as far as anybody can tell."""


class TimedProgress(Progress, frozen=True):
    """Progress with its times, for those who wait; nanoseconds, None: not known. `eta`: when it should be done."""

    started_at: int | None = None
    reported_at: int | None = None
    bytes_per_second: int | None = None
    eta: int | None = None

    def is_stalled(self, now_ns: int) -> bool:
        """Return True if nothing was reported for so long that the estimate holds no more."""
        return self.reported_at is not None and now_ns - self.reported_at > STALLED_NS


Shown = TypeVar("Shown", contravariant=True)


class ControlOf(Generic[Shown]):
    """The control over work that reports `Shown`. Work calls `check` and `progress` as often as it likes."""

    def __init__(
        self,
        asked: Callable[[], bool] = lambda: False,
        report: Callable[[Shown], None] = lambda progress: None,
        *,
        outer: ControlOf[Shown] | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
        every_ns: int = 0,
    ) -> None:
        """`asked` returns True when a cancel was asked for, and may raise Stopped; `report` gets the progress.

        Each is called at most every `every_ns` of the clock `now_ns`. A cancel of `outer` counts too, and `outer` is
        told all progress; it has throttles of its own.
        """
        self._asked = asked
        self._report = report
        self._outer = outer
        self._asking = _Throttle(now_ns, every_ns)
        self._reporting = _Throttle(now_ns, every_ns)
        self._is_cancelled = False

    def is_cancelled(self) -> bool:
        """Return True once a cancel was seen. Raises Stopped, and what `asked` raises."""
        if not self._is_cancelled and self._asking.is_due():
            self._is_cancelled = self._asked()
        return self._is_cancelled or (self._outer is not None and self._outer.is_cancelled())

    def check(self, sentence: str) -> None:
        """Raise Cancelled with the sentence if a cancel was asked for. Raises as `is_cancelled`."""
        if self.is_cancelled():
            raise Cancelled(sentence)

    def progress(self, progress: Shown) -> None:
        """Report progress."""
        if self._outer is not None:
            self._outer.progress(progress)
        if self._reporting.is_due():
            self._report(progress)


class _Throttle:
    """Allows something at most once in an interval, the first time at once."""

    def __init__(self, now_ns: Callable[[], int], every_ns: int) -> None:
        self._now_ns = now_ns
        self._every_ns = every_ns
        self._last_ns: int | None = None

    def is_due(self) -> bool:
        """Return True, and count it, if the interval since the last time has passed."""
        if self._every_ns:
            now_ns = self._now_ns()
            if self._last_ns is not None and now_ns - self._last_ns < self._every_ns:
                return False
            self._last_ns = now_ns
        return True


Control: TypeAlias = ControlOf[Progress]
"""The control over nearly all work; a prune's is `vault.maintenance.prune.PruneControl`."""

NEVER: ControlOf[object] = ControlOf()
"""The control of work that nobody cancels or watches."""
