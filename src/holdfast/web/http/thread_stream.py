"""Carries the bytes of a synchronous generator to the event loop, a few buffers ahead of the client.

Terms: a *thread stream* belongs to one answer. A *fill* is one job on the shared thread pool that asks the generator
for buffers until enough of them are ready. When the client is slow the fill ends and its thread is free: a connection
that does not read holds a buffer or a few, as its `Pace` says, and no thread.

It must never run the generator in two threads at once, block the loop, or outlive `close`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from holdfast.web.http.pace import Pace

Buffer = bytes | memoryview

AHEAD_BUFFERS_MAX = 3
"""Large buffers that may lie ready; of small ones, one."""

FILL_BUFFERS_MAX = 32
"""After at most this many buffers a fill goes to the end of the queue, so that fast clients don't starve the others."""


class ThreadStream:
    """One generator's way to the loop. Made and used on the loop; only `_fill` runs elsewhere."""

    def __init__(self, source: Generator[Buffer, None, None], threads: ThreadPoolExecutor, pace: Pace) -> None:
        self._source = source
        self._threads = threads
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._lock = Lock()
        self._ready: deque[Buffer] = deque()
        self._filling = False
        self._ended = False
        self._closed = False
        self._failure: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def next(self) -> Buffer | None:
        """The next buffer, or None at the end. What the generator raised is raised here, after its last buffer."""
        while True:
            with self._lock:
                buffer = self._ready.popleft() if self._ready else None
                if not self._filling and not self._ended and len(self._ready) <= self._ahead_max() // 2:
                    self._start(self._fill)
                if buffer is not None:
                    return buffer
                if self._ended:
                    if self._failure is not None:
                        raise self._failure
                    return None
                waiter = self._waiter = self._loop.create_future()
            await waiter

    def _ahead_max(self) -> int:
        return AHEAD_BUFFERS_MAX if self._pace.is_large else 1

    def close(self) -> None:
        """Stop and let the generator go; more than once is fine. The generator is closed where it runs."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._ready.clear()
            if not self._filling:
                self._start(self._let_go)

    def _start(self, job: Callable[[], None]) -> None:
        self._filling = True
        try:
            self._threads.submit(job)
        except RuntimeError:
            # The pool is shut down, so the process is about to end: nobody else runs the generator any more.
            self._ended = True
            self._failure = RuntimeError("The server is shutting down.")

    def _fill(self) -> None:
        for _ in range(FILL_BUFFERS_MAX):
            with self._lock:
                if self._closed:
                    break
                if len(self._ready) >= self._ahead_max():
                    self._filling = False
                    return
            try:
                buffer = next(self._source, None)
            except BaseException as failure:  # it belongs to the reader, whatever it is
                self._end(failure)
                return
            if buffer is None:
                self._end(None)
                return
            with self._lock:
                if not self._closed:
                    self._ready.append(buffer)
                self._wake()
        else:
            with self._lock:
                self._start(self._fill)
                self._wake()
            return
        self._let_go()

    def _let_go(self) -> None:
        self._source.close()
        self._end(None)

    def _end(self, failure: BaseException | None) -> None:
        with self._lock:
            self._ended = True
            self._failure = failure
            self._filling = False
            self._wake()

    def _wake(self) -> None:
        """Tell the loop that something lies ready (called with the lock held, from a thread of the pool)."""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, waiter)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
