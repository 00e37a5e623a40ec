"""Estimate how fast running work is and when it should be done, from what it reported in the last half minute."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from holdfast.units import SECOND_NS
from holdfast.vault.control import Progress, TimedProgress

WINDOW_NS = 30 * SECOND_NS
"""Older reports are of other files: large ones are read faster than many small ones."""

TOO_EARLY_NS = 2 * SECOND_NS
"""Work that runs for less tells nothing yet."""


class Sample(NamedTuple):
    """The progress of work at a time (nanoseconds)."""

    at: int
    progress: Progress


class Estimate(NamedTuple):
    """None: it cannot be told. `eta`: when the work should be done, nanoseconds."""

    bytes_per_second: int | None
    eta: int | None


def estimate(first: Sample, last: Sample) -> Estimate:
    """Return the speed between two samples, and when the work is done if it goes on so.

    Files and bytes are each taken for the measure of what is left, and the later time counts: of many small files the
    bytes say too little, of one large file the count. Without a total, and while nothing moves, none is told.
    """
    span = last.at - first.at
    if span < TOO_EARLY_NS:
        return Estimate(None, None)
    then, now = first.progress, last.progress
    speed = max(0, now.bytes - then.bytes) * SECOND_NS // span
    totals = [
        (done - before, total - done)
        for before, done, total in ((then.bytes, now.bytes, now.total_bytes), (then.files, now.files, now.total_files))
        if total > 0
    ]
    if totals and all(left <= 0 for _, left in totals):
        return Estimate(speed, last.at)
    spans = [left * span // moved for moved, left in totals if left > 0 and moved > 0]
    return Estimate(speed, last.at + max(spans) if spans else None)


class Timing:
    """The times of one run of work. Used by the thread that reports its progress."""

    def __init__(self, started_at: int) -> None:
        self._started_at = started_at
        self._samples: deque[Sample] = deque()

    def timed(self, progress: Progress, now_ns: int) -> TimedProgress:
        """Return progress with its times; it is remembered for the next estimates."""
        samples = self._samples
        if samples and progress.bytes < samples[-1].progress.bytes:  # the work began anew
            samples.clear()
        samples.append(Sample(now_ns, progress))
        while len(samples) > 2 and samples[1].at <= now_ns - WINDOW_NS:
            samples.popleft()
        speed, eta = estimate(samples[0], samples[-1])
        counts = progress.files, progress.bytes, progress.total_files, progress.total_bytes
        return TimedProgress(*counts, self._started_at, now_ns, speed, eta)
