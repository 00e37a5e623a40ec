from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.web.http.pace import MEASURED_BYTES, LargeBuffers, Pace
from holdfast.web.http.thread_stream import AHEAD_BUFFERS_MAX, FILL_BUFFERS_MAX, ThreadStream

PACE = Pace(LargeBuffers(), lambda: 0.0)
"""Of a client that is fast: no time passes."""
PACE.took(MEASURED_BYTES)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


class Source:
    """A generator that tells how far it was asked, and that it was closed."""

    def __init__(self, count: int, failure: Exception | None = None) -> None:
        self.count = count
        self.failure = failure
        self.given = 0
        self.closed = threading.Event()

    def stream(self) -> Generator[bytes, None, None]:
        try:
            for number in range(self.count):
                self.given = number + 1
                yield b"%d" % number
            if self.failure is not None:
                raise self.failure
        finally:
            self.closed.set()


def test_every_buffer_comes_in_order_and_then_the_end(threads: ThreadPoolExecutor) -> None:
    source = Source(FILL_BUFFERS_MAX * 3 + 1)

    async def read() -> list[bytes | memoryview]:
        thread_stream = ThreadStream(source.stream(), threads, PACE)
        buffers = []
        while (buffer := await thread_stream.next()) is not None:
            buffers.append(buffer)
        assert await thread_stream.next() is None
        thread_stream.close()
        return buffers

    assert asyncio.run(read()) == [b"%d" % number for number in range(source.count)]
    assert source.closed.wait(5)


def test_it_stays_ahead_by_a_bounded_number_and_holds_no_thread_meanwhile(threads: ThreadPoolExecutor) -> None:
    source = Source(1000)

    async def read_one_and_wait() -> None:
        thread_stream = ThreadStream(source.stream(), threads, PACE)
        await thread_stream.next()
        # Both threads of the pool are free as soon as the fill is done: this would never meet otherwise.
        meeting = threading.Barrier(2, timeout=5)
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(threads, meeting.wait) for _ in range(2)))
        assert source.given <= 1 + AHEAD_BUFFERS_MAX
        thread_stream.close()
        assert await loop.run_in_executor(None, source.closed.wait, 5)

    asyncio.run(read_one_and_wait())
    assert source.given <= 1 + AHEAD_BUFFERS_MAX


def test_a_failure_comes_after_the_buffers_before_it(threads: ThreadPoolExecutor) -> None:
    source = Source(2, ValueError("damaged"))

    async def read() -> None:
        thread_stream = ThreadStream(source.stream(), threads, PACE)
        assert [await thread_stream.next(), await thread_stream.next()] == [b"0", b"1"]
        with pytest.raises(ValueError, match="damaged"):
            await thread_stream.next()
        thread_stream.close()

    asyncio.run(read())
    assert source.closed.wait(5)


def test_closing_while_the_generator_runs_closes_it_when_it_comes_back(threads: ThreadPoolExecutor) -> None:
    entered, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def stuck() -> Generator[bytes, None, None]:
        try:
            entered.set()
            go_on.wait(5)
            yield b"late"
        finally:
            closed.set()

    async def leave() -> None:
        thread_stream = ThreadStream(stuck(), threads, PACE)
        reader = asyncio.create_task(thread_stream.next())
        await asyncio.get_running_loop().run_in_executor(None, entered.wait, 5)
        thread_stream.close()
        thread_stream.close()
        reader.cancel()
        assert not closed.is_set()
        go_on.set()
        assert await asyncio.get_running_loop().run_in_executor(None, closed.wait, 5)

    asyncio.run(leave())


def test_one_that_was_never_read_is_closed_too(threads: ThreadPoolExecutor) -> None:
    source = Source(3)

    async def leave() -> None:
        ThreadStream(source.stream(), threads, PACE).close()

    asyncio.run(leave())
    assert source.given == 0
