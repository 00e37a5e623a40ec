"""The export of an account: its route, and its answer, which is sent while it is made: no length is known before."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, HTTPResponseBodyEvent, Receive, Scope, Send

from holdfast.service.export.export import Export, export_account
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs, require_caller
from holdfast.web.context import Context
from holdfast.web.http.connection import abort_connection
from holdfast.web.http.envelope import Headers
from holdfast.web.http.pace import Pace
from holdfast.web.http.thread_stream import Buffer, ThreadStream
from holdfast.web.places import Downloader
from holdfast.web.streaming import STALL_SECONDS, content_disposition, until_gone


def account_export_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get("/v3/account/export", opt=needs(Right.ACCOUNT_READ))
    async def get_export(request: Request[Any, Any, Any]) -> ASGIApp:
        caller = require_caller(context, request.scope)
        return Exported(context, await context.call(export_account, context.instance, caller), caller.account.id)

    return [get_export]


class Exported:
    """An export that is sent; itself an ASGI application, so that a handler can return it."""

    def __init__(self, context: Context, export: Export, account_id: str) -> None:
        self._context, self._export, self._account_id = context, export, account_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. A connection that breaks off leaves the client with a transfer that has no end, which it notices."""
        context = self._context
        caller = Downloader(self._account_id, context.addresses.capped(scope), link=None, is_keyed=True)
        pace = Pace(context.large_buffers, context.now)
        with context.places.taken(caller) as place, contextlib.closing(pace):
            stream = ThreadStream(self._export.chunks, context.streams, pace)
            try:
                # The first chunk comes before the head: what fails until then can still be told as an error.
                chunk = await stream.next()
                async with until_gone(receive) as gone:
                    await send({"type": "http.response.start", "status": 200, "headers": self._headers()})
                    async with asyncio.timeout(None) as limit:
                        with place.limited(limit):
                            while chunk is not None and not gone.done():
                                limit.reschedule(asyncio.get_running_loop().time() + STALL_SECONDS)
                                await send(_body(chunk, is_last=False))
                                place.took(len(chunk))
                                pace.took(len(chunk))
                                limit.reschedule(None)
                                chunk = await stream.next()
                    await send(_body(b"", is_last=True))
            except TimeoutError:
                context.log.info("export_stalled", account=self._account_id)
                abort_connection(scope)
            finally:
                stream.close()

    def _headers(self) -> Headers:
        return [
            (b"content-type", b"application/zip"),
            (b"content-disposition", content_disposition(self._export.filename).encode("ascii")),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            (b"cache-control", b"no-store, no-transform"),
        ]


def _body(content: Buffer, *, is_last: bool) -> HTTPResponseBodyEvent:
    return {"type": "http.response.body", "body": cast("bytes", content), "more_body": not is_last}
