"""The route by which the host sends all of its accounts and applications at once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import msgspec
from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from holdfast.service.host.admin_keys import HostCaller
from holdfast.service.host.admin_keys import Scope as HostScope
from holdfast.service.host.sync import Sync
from holdfast.service.host.sync_lines import BYTES_MAX, SyncBody
from holdfast.web.api.host.queries import truth
from holdfast.web.auth import needs_scope, require_host
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.connection import abort_connection
from holdfast.web.http.envelope import JSON_HEADERS, Answer
from holdfast.web.http.errors import answer_error, known_error
from holdfast.web.http.pace import Pace
from holdfast.web.http.thread_stream import ThreadStream
from holdfast.web.http.uploads import Body, RefusedBody, announced_bytes, body_pieces
from holdfast.web.streaming import until_gone

AnyRequest = Request[Any, Any, Any]

NDJSON = "application/x-ndjson"
_HEADERS = [(b"content-type", NDJSON.encode("ascii")), *(one for one in JSON_HEADERS if one[0] != b"content-type")]


def host_sync_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""

    @post("/v3/admin/sync", request_max_body_size=None, opt=needs_scope(HostScope.ACCOUNTS, HostScope.APPS))
    async def sync(request: AnyRequest) -> Answer:
        body = Body(request.receive)
        try:
            host = require_host(context, request.scope)
            for scope in (HostScope.ACCOUNTS, HostScope.APPS):
                host.require((scope,))
            return SyncStream(context, await _received(context, request.scope, body, host))
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            return RefusedBody(answer_error(known), body)

    return [sync]


async def _received(context: Context, scope: Scope, body: Body, host: HostCaller) -> Sync:
    fields = inputs.query(scope, "dry_run", "end_missing", "force")
    is_dry, ends_missing, is_forced = (truth(fields, name) for name in ("dry_run", "end_missing", "force"))
    lines = await context.call(SyncBody, context.instance)
    try:
        if (announced_bytes(scope) or 0) > BYTES_MAX:
            raise lines.too_large()
        async for piece in body_pieces(body):
            await context.call(lines.write, piece)

        def begun() -> Sync:
            return Sync(
                context.instance, lines, host.actor, is_dry=is_dry, ends_missing=ends_missing, is_forced=is_forced
            )

        return await context.call(begun)
    except BaseException:
        # Not through a thread: a task that is cancelled could not wait for it.
        lines.close()
        raise


class SyncStream(Answer):
    """The answer: a line for each line, as they are done. A client that leaves ends the sync."""

    def __init__(self, context: Context, sync: Sync) -> None:
        super().__init__(200, b"", _HEADERS)
        self._context = context
        self._sync = sync

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        pace = Pace(self._context.large_buffers, self._context.now)
        stream = ThreadStream(self._buffers(), self._context.streams, pace)
        try:
            buffer = await stream.next()  # before the head: what fails until then can still be told as an error
            async with until_gone(receive) as gone:
                await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
                while buffer is not None and not gone.done():
                    await send({"type": "http.response.body", "body": bytes(buffer), "more_body": True})
                    try:
                        buffer = await stream.next()
                    except Exception as error:
                        self._context.log.error("sync_cut", exc_info=error)
                        abort_connection(scope)
                        return
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            stream.close()
            pace.close()
            self._context.memory.give_back_soon()

    def _buffers(self) -> Generator[bytes, None, None]:
        try:
            for answers in self._sync.answers():
                yield b"".join(msgspec.json.encode(answer) + b"\n" for answer in answers)
        finally:
            self._context.write_records(self._sync.changed_accounts())
            self._sync.close()
