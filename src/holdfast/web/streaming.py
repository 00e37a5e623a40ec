"""Send content of known length from any byte on: conditions, ranges, and buffers as they come.

A *cut* is a connection closed before the promised length, which tells the client that the rest is unavailable. What it
must never do: send a byte that the vault has not verified; keep a thread for a client that does not read.
"""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from datetime import datetime
from typing import Protocol, cast
from urllib.parse import quote

from litestar.types import HTTPScope, Receive, Send

from holdfast.web.context import Context
from holdfast.web.download_audit import Downloaded, Window
from holdfast.web.http.connection import abort_connection
from holdfast.web.http.envelope import Answer, Headers
from holdfast.web.http.errors import ConditionFailed, RangeOutside
from holdfast.web.http.pace import Pace
from holdfast.web.http.ranges import UNSATISFIABLE, Condition, Span, condition, http_date, parse_range, range_holds
from holdfast.web.http.thread_stream import Buffer, ThreadStream
from holdfast.web.places import Downloader, Place

STALL_SECONDS = 300
"""A client that takes nothing for this long is gone, whatever its connection says."""

SLOW_PIECE_BYTES = 32 * 1024

ASKED_FOR_HEAD = "holdfast.head"
"""An extension of the scope of a HEAD request that is routed as GET."""


class Thing(Protocol):
    """A body that can be sent: a download, a file of a backup, a folder as a zip."""

    @property
    def filename(self) -> str: ...
    @property
    def length(self) -> int: ...
    @property
    def etag(self) -> str: ...
    @property
    def last_modified(self) -> datetime: ...
    @property
    def media_type(self) -> str: ...
    @property
    def sha256(self) -> bytes | None: ...
    def stream(self, start: int, stop: int, buffer_bytes: Callable[[], int]) -> Iterator[memoryview]: ...


async def send_thing(
    context: Context,
    thing: Thing,
    caller: Downloader,
    of: Downloaded,
    scope: HTTPScope,
    receive: Receive,
    send: Send,
    request_id: str,
    path: str = "",
) -> None:
    """Answer a GET or HEAD. `of`, `path`: for the audit: whose it is, and which file of a backup.

    Raises ApiError, or what the vault raised before the first byte.
    """
    is_head = scope["method"] == "HEAD" or ASKED_FOR_HEAD in (scope.get("extensions") or {})
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    match condition(headers, thing.etag, thing.last_modified):
        case Condition.REFUSED:
            raise ConditionFailed("PRECONDITION_FAILED", "It is not the one that If-Match or its date names.")
        case Condition.UNCHANGED:
            await Answer(304, b"", _validators(thing))(scope, receive, send)
            return
    span = _wanted(thing, headers) if not is_head else None
    if span is UNSATISFIABLE:
        raise RangeOutside(
            "RANGE_NOT_SATISFIABLE",
            f"It has {thing.length} bytes; the range lies outside of it.",
            [(b"content-range", b"bytes */%d" % thing.length), (b"accept-ranges", b"bytes")],
        )
    status, head = _head(thing, span)
    if is_head:
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    with context.places.taken(caller) as place, context.download_audit.counted(of, path) as window:
        sending = _Sending(context, place, window, scope, request_id)
        try:
            await sending.send_span(thing, span or Span(0, thing.length), status, head, receive, send)
        finally:
            context.memory.give_back_soon()


def _wanted(thing: Thing, headers: dict[str, str]) -> Span | None:
    value = headers.get("range")
    if value is None or not range_holds(headers.get("if-range"), thing.etag, thing.last_modified):
        return None
    return parse_range(value, thing.length)


def _validators(thing: Thing) -> Headers:
    return [
        (b"etag", thing.etag.encode("ascii")),
        (b"last-modified", http_date(thing.last_modified).encode("ascii")),
        # no-transform: a proxy that compressed the body again would break ranges and the length.
        (b"cache-control", b"private, no-transform"),
    ]


def _head(thing: Thing, span: Span | None) -> tuple[int, Headers]:
    headers: Headers = [
        (b"content-type", thing.media_type.encode("ascii")),
        (b"content-disposition", content_disposition(thing.filename).encode("ascii")),
        (b"accept-ranges", b"bytes"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
        *_validators(thing),
    ]
    if thing.sha256 is not None:  # of the whole, also in the answer to a range (RFC 9530)
        headers.append((b"repr-digest", b"sha-256=:%b:" % b64encode(thing.sha256)))
    if span is None:
        return 200, [*headers, (b"content-length", b"%d" % thing.length)]
    return 206, [
        *headers,
        (b"content-length", b"%d" % (span.stop - span.start)),
        (b"content-range", b"bytes %d-%d/%d" % (span.start, span.stop - 1, thing.length)),
    ]


def content_disposition(filename: str) -> str:
    """`attachment` with a plain ASCII name that is safe on every system, and the true one beside it (RFC 6266)."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in " .-_()") else "_" for char in filename)
    plain = plain.strip(" .") or "backup"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"


class _Sending:
    """The body of one answer on its way."""

    def __init__(self, context: Context, place: Place, window: Window, scope: HTTPScope, request_id: str) -> None:
        self._context = context
        self._place = place
        self._window = window
        self._pace = Pace(context.large_buffers, context.now)
        self._scope = scope
        self._request_id = request_id
        self._left = 0

    async def send_span(
        self, thing: Thing, span: Span, status: int, head: Headers, receive: Receive, send: Send
    ) -> None:
        """Send head and bytes. Raises what the vault raised before the first byte."""
        stream = thing.stream(span.start, span.stop, self._pace.buffer_bytes)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._pace.close)
            thread_stream = ThreadStream(
                cast("Generator[Buffer, None, None]", stream), self._context.streams, self._pace
            )
            stack.callback(thread_stream.close)
            # The first buffer comes before the head: what fails until then can still be told as an error.
            buffer = await thread_stream.next()
            gone = await stack.enter_async_context(until_gone(receive))
            await send({"type": "http.response.start", "status": status, "headers": head})
            self._left = span.stop - span.start
            try:
                await self._send_all(buffer, thread_stream, send, gone)
            except TimeoutError:
                event = "download_ended_for_others" if self._place.is_ended else "download_stalled"
                self._log(event)
                abort_connection(self._scope)
            except Exception as error:
                # Too late for another status: returning with bytes owed makes the server close the connection.
                self._context.log.error(
                    "download_cut", request_id=self._request_id, bytes_left=self._left, exc_info=error
                )

    async def _send_all(
        self, buffer: Buffer | None, thread_stream: ThreadStream, send: Send, gone: asyncio.Task[None]
    ) -> None:
        """Send buffers until all is sent, the client is gone or the source ends early. Raises TimeoutError."""
        async with asyncio.timeout(None) as limit:
            with self._place.limited(limit):
                while buffer is not None and len(buffer) <= self._left:
                    await self._send_buffer(buffer, send, limit)
                    if not self._left:
                        return
                    if gone.done():
                        self._log("download_left")
                        return
                    buffer = await thread_stream.next()
        self._context.log.error(
            "download_cut", request_id=self._request_id, bytes_left=self._left, error="the length is not as promised"
        )

    async def _send_buffer(self, buffer: Buffer, send: Send, limit: asyncio.Timeout) -> None:
        """Send a buffer in pieces that are small for a client that is slow, so that its speed is known."""
        loop = asyncio.get_running_loop()
        piece_bytes = len(buffer) if self._pace.is_large else SLOW_PIECE_BYTES
        for at in range(0, len(buffer), piece_bytes):
            if self._place.is_ended:
                raise TimeoutError
            limit.reschedule(loop.time() + STALL_SECONDS)
            piece = buffer[at : at + piece_bytes]
            is_last = len(piece) == self._left
            await send({"type": "http.response.body", "body": cast("bytes", piece), "more_body": not is_last})
            self._left -= len(piece)
            self._place.took(len(piece))
            self._window.sent += len(piece)
            self._pace.took(len(piece))
        limit.reschedule(None)

    def _log(self, event: str) -> None:
        self._context.log.info(event, request_id=self._request_id, bytes_left=self._left)


@contextlib.asynccontextmanager
async def until_gone(receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """A task that is done as soon as the client has closed the connection: `send` itself doesn't tell."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(watch())
    try:
        yield task
    finally:
        task.cancel()
