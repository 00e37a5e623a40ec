"""The download of a backup: `/{account_id}_{name}.zip?{key}` and `.tar.gz`, GET and HEAD, from any byte on.

Terms: the *link* is what stands in the request (account, name, key, format). A *cut* is a connection closed before
the promised length, which is how a client learns that the rest can't be had.

A plain ASGI application, not a route of Litestar: it reads the raw path (a name may have an encoded slash in it) and
hands the buffers on as they come. What it must never do: answer a link in another way, or another time, because of
which part of it is wrong; send a byte that the vault has not verified; keep a thread for a client that doesn't read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import quote, unquote

from litestar.types import HTTPScope, Receive, Send

from holdfast.service.download import Download, find_download
from holdfast.web.desk import Desk
from holdfast.web.envelope import Answer, Headers
from holdfast.web.errors import ApiError
from holdfast.web.pump import Buffer, Pump
from holdfast.web.ranges import UNSATISFIABLE, Condition, Span, condition, http_date, parse_range, range_holds

Format = Literal["zip", "tar.gz"]

STALL_SECONDS = 300
"""A client that takes no buffer for so long is gone, whatever its connection says."""

_SUFFIXES: tuple[tuple[str, Format], ...] = ((".zip", "zip"), (".tar.gz", "tar.gz"))


@dataclass(frozen=True, slots=True)
class Link:
    """A download's address, decoded; nothing of it is known to be right yet."""

    account_id: str
    name: str
    key: str
    format: Format


def parse_link(raw_path: bytes, query: bytes) -> Link | None:
    """The link in a raw path and query; None when it can't be one.

    One segment, percent-encoded UTF-8; account ids have no `_`, so the first one ends the account's. Some clients
    write a bare query as `?key=`; the sign is no part of the key.
    """
    segment = raw_path[1:]
    if b"/" in segment:
        return None
    text = unquote(segment.decode("latin-1"), errors="replace")
    for suffix, format_ in _SUFFIXES:
        if text.endswith(suffix):
            account_id, underscore, name = text.removesuffix(suffix).partition("_")
            if not underscore or not name:
                return None
            return Link(account_id, name, unquote(query.decode("latin-1"), errors="replace").removesuffix("="), format_)
    return None


async def serve_download(
    desk: Desk, link: Link, scope: HTTPScope, receive: Receive, send: Send, request_id: str
) -> None:
    """Answer one request for a link. Raises ApiError, or what the vault raised before the first byte."""
    if scope["method"] not in ("GET", "HEAD"):
        raise ApiError("METHOD_NOT_ALLOWED", "A download knows only GET and HEAD.", [(b"allow", b"GET, HEAD")])
    download = await desk.call(find_download, desk.instance, link.account_id, link.name, link.key, link.format)
    if download is None:
        refusal = ApiError("BACKUP_NOT_FOUND", "There is no such backup, or the key is not the one of this backup.")
        raise desk.refuse_after_failure(desk.link_throttle, scope, refusal)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    match condition(headers, download.etag, download.last_modified):
        case Condition.REFUSED:
            raise ApiError("PRECONDITION_FAILED", "The backup is not the one that If-Match or its date names.")
        case Condition.UNCHANGED:
            await Answer(304, b"", _validators(download))(scope, receive, send)
            return
    span = _wanted(download, headers) if scope["method"] == "GET" else None
    if span is UNSATISFIABLE:
        raise ApiError(
            "RANGE_NOT_SATISFIABLE",
            f"The download has {download.length} bytes; the range lies outside of it.",
            [(b"content-range", b"bytes */%d" % download.length), (b"accept-ranges", b"bytes")],
        )
    status, head = _head(download, span)
    if scope["method"] == "HEAD":
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return
    with desk.one_more_download(download.backup.account_id):
        await _send_span(desk, download, span or Span(0, download.length), status, head, receive, send, request_id)


def _wanted(download: Download, headers: dict[str, str]) -> Span | None:
    value = headers.get("range")
    if value is None or not range_holds(headers.get("if-range"), download.etag, download.last_modified):
        return None
    return parse_range(value, download.length)


def _validators(download: Download) -> Headers:
    return [
        (b"etag", download.etag.encode("ascii")),
        (b"last-modified", http_date(download.last_modified).encode("ascii")),
        # no-transform: a proxy that compressed the body again would break ranges and the length.
        (b"cache-control", b"private, no-transform"),
    ]


def _head(download: Download, span: Span | None) -> tuple[int, Headers]:
    headers: Headers = [
        (b"content-type", download.media_type.encode("ascii")),
        (b"content-disposition", content_disposition(download.filename).encode("ascii")),
        (b"accept-ranges", b"bytes"),
        (b"content-security-policy", b"default-src 'none'; sandbox"),
        *_validators(download),
    ]
    if span is None:
        return 200, [*headers, (b"content-length", b"%d" % download.length)]
    return 206, [
        *headers,
        (b"content-length", b"%d" % (span.stop - span.start)),
        (b"content-range", b"bytes %d-%d/%d" % (span.start, span.stop - 1, download.length)),
    ]


def content_disposition(filename: str) -> str:
    """`attachment` with a plain ASCII name that is safe on every system, and the true one beside it (RFC 6266)."""
    plain = "".join(char if char.isascii() and (char.isalnum() or char in " .-_()") else "_" for char in filename)
    plain = plain.strip(" .") or "backup"
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"


async def _send_span(
    desk: Desk,
    download: Download,
    span: Span,
    status: int,
    head: Headers,
    receive: Receive,
    send: Send,
    request_id: str,
) -> None:
    source = cast("Generator[Buffer, None, None]", download.stream(span.start, span.stop))
    async with contextlib.AsyncExitStack() as stack:
        pump = Pump(source, desk.streams)
        stack.callback(pump.close)
        # The first buffer comes before the head: what fails until then can still be told as an error.
        buffer = await pump.next()
        gone = await stack.enter_async_context(_until_gone(receive))
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
                    desk.log.info("download_left", request_id=request_id, bytes_left=left)
                    return
                buffer = await pump.next()
            desk.log.error(
                "download_cut", request_id=request_id, bytes_left=left, error="the length is not as promised"
            )
        except TimeoutError:
            desk.log.info("download_stalled", request_id=request_id, bytes_left=left)
        except Exception as error:
            # Too late for another status: returning with bytes owed makes the server close the connection.
            desk.log.error("download_cut", request_id=request_id, bytes_left=left, exc_info=error)


@contextlib.asynccontextmanager
async def _until_gone(receive: Receive) -> AsyncIterator[asyncio.Task[None]]:
    """A task that is done as soon as the client has closed the connection: `send` itself doesn't tell."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    task = asyncio.create_task(watch())
    try:
        yield task
    finally:
        task.cancel()
