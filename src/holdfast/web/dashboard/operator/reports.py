"""The doctor's report as this process keeps it: the doctor looks at everything, which a page must not wait for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from holdfast.schemas.commands import DoctorLine
from holdfast.service.doctor.diagnose import examine
from holdfast.service.language.texts import ENGLISH, speaking
from holdfast.units import MINUTE_NS
from holdfast.web.context import Context

FRESH_NS = 15 * MINUTE_NS
"""A report that is older is made anew behind the page that shows it."""


@dataclass(frozen=True, slots=True)
class Report:
    """The lines of the doctor, and when it was done (nanoseconds)."""

    lines: Sequence[DoctorLine]
    at: int


class Reports:
    """The newest report, made once at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._running = threading.Lock()
        self.newest: Report | None = None

    def make(self) -> Report:
        """Run the doctor, in this thread, and return its report; or that of one who ran meanwhile."""
        instance, before = self._context.instance, self.newest
        with self._running:
            if self.newest is None or self.newest is before:
                with speaking(ENGLISH):  # it is kept: whoever sees it is told it in his language
                    self.newest = Report(examine(instance), instance.clock.now_ns())
            return self.newest

    def refresh(self) -> Report | None:
        """Return the newest report at once, and have another made when it is old or missing."""
        now_ns, newest = self._context.instance.clock.now_ns(), self.newest
        if (newest is None or now_ns - newest.at > FRESH_NS) and not self._running.locked():
            with suppress(RuntimeError):  # the server ends
                self._context.calls.submit(self.make)
        return newest
