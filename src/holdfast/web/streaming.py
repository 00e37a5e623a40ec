"""Send content of known length from any byte on: conditions, ranges, and buffers as they come.

A *cut* is a connection closed before the promised length, which tells the client that the rest is unavailable. What it
must never do: send a byte that the vault has not verified; keep a thread for a client that does not read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator, Iterator
from datetime import datetime
from typing import Protocol, cast
from urllib.parse import quote

from litestar.types import HTTPScope, Receive, Send

from holdfast.web.context import Context
from holdfast.web.http.envelope import Answer, Headers
from holdfast.web.http.errors import ConditionFailed, RangeOutside
from holdfast.web.http.ranges import UNSATISFIABLE, Condition, Span, condition, http_date, parse_range, range_holds
from holdfast.web.http.thread_stream import Buffer, ThreadStream

STALL_SECONDS = 300
"""A client that takes no buffer for this long is gone, whatever its connection says."""

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
    def stream(self, start: int, stop: int) -> Iterator[memoryview]: ...


async def send_thing(
    context: Context, thing: Thing, account_id: str, scope: HTTPScope, receive: Receive, send: Send, request_id: str
) -> None:
    """Answer a GET or HEAD. Raises ApiError, or what the vault raised before the first byte."""
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
    with context.one_more_download(account_id):
        await _send_span(context, thing, span or Span(0, thing.length), status, head, receive, send, request_id)


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


async def _send_span(
    context: Context,
    thing: Thing,
    span: Span,
    status: int,
    head: Headers,
    receive: Receive,
    send: Send,
    request_id: str,
) -> None:
    source = cast("Generator[Buffer, None, None]", thing.stream(span.start, span.stop))
    async with contextlib.AsyncExitStack() as stack:
        thread_stream = ThreadStream(source, context.streams)
        stack.callback(thread_stream.close)
        # The first buffer comes before the head: what fails until then can still be told as an error.
        buffer = await thread_stream.next()
        gone = await stack.enter_async_context(until_gone(receive))
        await send({"type": "http.response.start", "status": status, "headers": head})
        left = span.stop - span.start
        try:
            while buffer is not None and len(buffer) <= left:
                left -= len(buffer)
                async with asyncio.timeout(STALL_SECONDS):
                    await send({"type": "http.response.body", "body": cast("bytes", buffer), "more_body": left > 0})
                if not left:
                    return
                if gone.done():
                    context.log.info("download_left", request_id=request_id, bytes_left=left)
                    return
                buffer = await thread_stream.next()
            context.log.error(
                "download_cut", request_id=request_id, bytes_left=left, error="the length is not as promised"
            )
        except TimeoutError:
            context.log.info("download_stalled", request_id=request_id, bytes_left=left)
        except Exception as error:
            # Too late for another status: returning with bytes owed makes the server close the connection.
            context.log.error("download_cut", request_id=request_id, bytes_left=left, exc_info=error)


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
