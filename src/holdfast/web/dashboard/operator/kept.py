"""Looks over the whole instance that take long, kept for a while: ten thousand applications are a second of CPU.

On a small instance every page looks anew. It must never keep a look for longer than `OLD_SECONDS`, or make one twice at
once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from holdfast.service.instance.home import Instance
from holdfast.web.context import Context
from holdfast.web.dashboard import words

T = TypeVar("T")

QUICK_SECONDS = 0.1
"""A look that took less of a processor is made anew for every page."""
SHARE = 20
"""Another look begins after this many times what the last one took, so that looks take a twentieth of a core."""
OLD_SECONDS = 120.0
"""A look that is older is not shown any more; the page waits for a new one."""


@dataclass(frozen=True, slots=True)
class Look(Generic[T]):
    """A look: what was found, at which time (nanoseconds), and the CPU seconds that it took."""

    found: T
    at: int
    made_at: float
    took: float


class Kept(Generic[T]):
    """The newest look of a kind. `look`: reads it."""

    def __init__(self, context: Context, look: Callable[[Instance], T]) -> None:
        self._context = context
        self._look = look
        self._running = threading.Lock()
        self._newest: Look[T] | None = None

    async def get(self) -> Look[T]:
        """Return the newest look, at once if there is one that may be shown; an old one is renewed behind the page."""
        newest, now = self._newest, self._context.now()
        if newest is None or newest.took < QUICK_SECONDS or now - newest.made_at > OLD_SECONDS:
            return await self._context.call(self._make, now)
        if now - newest.made_at > SHARE * newest.took and not self._running.locked():
            with suppress(RuntimeError):  # the server ends
                self._context.calls.submit(self._make, now)
        return newest

    def _make(self, asked_at: float) -> Look[T]:
        """Look, in this thread; or return the look that somebody began since this one was asked for."""
        with self._running:
            newest = self._newest
            if newest is None or newest.made_at < asked_at:
                made_at, at, began = self._context.now(), self._context.instance.clock.now_ns(), time.thread_time()
                found = self._look(self._context.instance)
                newest = self._newest = Look(found, at, made_at, time.thread_time() - began)
            return newest


def counted(look: Look[T], now_ns: int) -> str:
    """Say how old the numbers of a page are; nothing of those that were counted for it."""
    return f" Counted {words.ago(look.at, now_ns)}." if look.took >= QUICK_SECONDS else ""
