"""The event hub: one query of the catalog per second for all event streams of this process, while there are any.

Terms: a *listener* is one open stream. The hub tells it that there is something new, and which work runs; each listener
reads the events from the catalog itself, from its own position. So nothing is buffered for one that reads slowly.

It must never run while nobody listens, or show an account another one's work.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from holdfast.catalog.records import Work
from holdfast.service.jobs.events import newer_events, running_work
from holdfast.web.context import Context
from holdfast.web.http.errors import keep_calm, unavailable

POLL_SECONDS = 1.0
LISTENERS_MAX = 500
"""Of one process: each holds a connection."""

LISTENERS_OF_ACCOUNT_MAX = 8
RETRY_SECONDS = 30


class Listener:
    """One open stream. Used on the event loop only."""

    def __init__(self, account_id: str, seen: int) -> None:
        self.account_id = account_id
        self.seen = seen
        """The number of the newest event that its account had when it began."""
        self.running: tuple[Work, ...] = ()
        """The running work of its account at the last reading."""
        self.is_over = False
        """The server stops."""
        self._woken = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait until there may be something to report, at most this long; return True if there may."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        is_woken = self._woken.is_set()
        self._woken.clear()
        return is_woken

    def wake(self) -> None:
        """Wake the listener, as there may be something to report."""
        self._woken.set()


class EventHub:
    """All listeners of a process. Used on the event loop; only `_watch` runs elsewhere."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._listeners: set[Listener] = set()
        self._count: Counter[str] = Counter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @contextmanager
    def listening(self, account_id: str, seen: int) -> Iterator[Listener]:
        """A listener for as long as it is used. Raises ApiError when there are too many."""
        if self._count[account_id] >= LISTENERS_OF_ACCOUNT_MAX:
            what = f"{LISTENERS_OF_ACCOUNT_MAX} streams of events of this account are open already"
            raise keep_calm(RETRY_SECONDS, what)
        if len(self._listeners) >= LISTENERS_MAX:
            raise unavailable("As many streams of events are open as this server has; try again in a moment.")
        listener = Listener(account_id, seen)
        self._listeners.add(listener)
        self._count[account_id] += 1
        self._start()
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            self._count[account_id] -= 1
            if not self._count[account_id]:
                del self._count[account_id]

    def _start(self) -> None:
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._watch, name="watch-events", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        """Poll the catalog and wake listeners until nobody listens any more."""
        seen: dict[str, int] = {}
        pause = threading.Event()
        loop = self._loop
        assert loop is not None
        while not loop.is_closed():
            try:
                wanted = asyncio.run_coroutine_threadsafe(self._wanted(), loop).result(POLL_SECONDS * 10)
            except TimeoutError:
                continue  # the loop is busy, or has just ended
            if wanted is None:
                return
            seen = {account: seen.get(account, first) for account, first in wanted.items()}
            try:
                newer = newer_events(self._context.instance, seen)
                running = running_work(self._context.instance)
            except Exception as error:  # the catalog can't be reached: streams stay, and go on when it is back
                self._context.log.warning("events_unreachable", error=str(error))
                newer, running = {}, []
            seen |= newer
            running_of = {account: tuple(work for work in running if work.account_id == account) for account in wanted}
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._notify, set(newer), running_of)
            pause.wait(POLL_SECONDS)

    async def _wanted(self) -> dict[str, int] | None:
        """Return the accounts that listen, each with the event that all of its listeners have seen; None: nobody
        listens.
        """
        if not self._listeners:
            self._thread = None
            return None
        wanted: dict[str, int] = {}
        for listener in self._listeners:
            wanted[listener.account_id] = min(listener.seen, wanted.get(listener.account_id, listener.seen))
        return wanted

    def _notify(self, newer: set[str], running: dict[str, tuple[Work, ...]]) -> None:
        for listener in self._listeners:
            listener.is_over = self._context.draining
            found = running.get(listener.account_id)
            has_moved = found is not None and found != listener.running
            if found is not None:
                listener.running = found
            if has_moved or listener.account_id in newer or listener.is_over:
                listener.wake()
