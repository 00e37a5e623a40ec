"""Readings of the whole instance that take long, kept for a while: ten thousand applications are a second of CPU.

On a small instance every page reads anew. It must never keep a reading for longer than `OLD_SECONDS`, or make one
twice at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.web.context import Context
from holdfast.web.dashboard import words

T = TypeVar("T")

QUICK_SECONDS = 0.1
"""A reading that took less of a processor is made anew for every page."""
SHARE = 20
"""Another reading begins after this many times what the last one took, so that readings take a twentieth of a core."""
OLD_SECONDS = 120.0
"""A reading that is older is not shown any more; the page waits for a new one."""


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """A reading: what was found, at which time (nanoseconds), and the CPU seconds that it took."""

    found: T
    at: int
    made_at: float
    took: float


class Kept(Generic[T]):
    """The newest reading of a kind. `read`: reads it."""

    def __init__(self, context: Context, read: Callable[[Instance], T]) -> None:
        self._context = context
        self._read = read
        self._running = threading.Lock()
        self._newest: Reading[T] | None = None

    async def get(self) -> Reading[T]:
        """Return the newest reading, at once if it may be shown; an old one is renewed behind the page."""
        newest, now = self._newest, self._context.now()
        if newest is None or newest.took < QUICK_SECONDS or now - newest.made_at > OLD_SECONDS:
            return await self._context.call(self._make, now)
        if now - newest.made_at > SHARE * newest.took and not self._running.locked():
            with suppress(RuntimeError):  # the server ends
                self._context.calls.submit(self._make, now)
        return newest

    def _make(self, asked_at: float) -> Reading[T]:
        """Read, in this thread; or return the reading that somebody began since this one was asked for."""
        with self._running:
            newest = self._newest
            if newest is None or newest.made_at < asked_at:
                made_at, at, began = self._context.now(), self._context.instance.clock.now_ns(), time.thread_time()
                found = self._read(self._context.instance)
                newest = self._newest = Reading(found, at, made_at, time.thread_time() - began)
            return newest


def counted(reading: Reading[T], now_ns: int) -> str:
    """Say how old the numbers of a page are."""
    return " " + _("Counted %(ago)s.", ago=words.ago(reading.at, now_ns))
