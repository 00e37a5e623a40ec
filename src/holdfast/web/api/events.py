"""The stream of an account's events (server-sent events), which a client can resume where it broke off.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html. Durable events have their number as `id`;
progress is sent in between without one, so `Last-Event-ID` is always that of an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from holdfast.catalog.records import Event
from holdfast.schemas.events import GAP
from holdfast.schemas.fields import Shown
from holdfast.service.errors import ServiceError, unavailable_of
from holdfast.service.jobs.events import PAGE, Place, next_events, place_of, shown_event, shown_progress
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry.apps import get_app
from holdfast.vault.control import TimedProgress
from holdfast.web.auth import needs, require_backups
from holdfast.web.context import Context
from holdfast.web.event_hub import EventHub, Listener
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Headers
from holdfast.web.http.errors import ApiError
from holdfast.web.streaming import ASKED_FOR_HEAD, until_gone

HEARTBEAT_SECONDS = 15.0
KEY_SECONDS = 1.0
"""The interval at which the key is checked again."""

READ_SECONDS = 10.0
"""The interval at which the catalog is read also when the hub has told of nothing."""

STALL_SECONDS = 60
"""A client that takes nothing for this long is gone, whatever its connection says."""

RECONNECT_MS = 3000

_HEADERS: Headers = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def event_routes(context: Context, event_hub: EventHub) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""
    instance = context.instance

    @get("/v3/events", opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def stream_events(request: Request[Any, Any, Any]) -> EventStream:
        scope = request.scope
        caller = require_backups(context, scope)
        fields = inputs.query(scope, "after", "app_id")
        after = inputs.event_number(inputs.header(scope, b"last-event-id"), fields.get("after"))
        app_id = fields.get("app_id")
        if app_id is not None:
            if not inputs.is_id(app_id):
                raise inputs.invalid("app_id")
            await context.call(get_app, instance, caller.account.id, app_id)
            caller.require(Right.BACKUPS_READ, app_id)
        place = await context.call(place_of, instance, caller.account.id, after)
        return EventStream(context, event_hub, lambda: require_backups(context, scope), caller, app_id, place)

    return [stream_events]


class EventStream:
    """One answer that goes on until the client leaves, its key or session ends, or the server stops.

    `caller_now`: the caller, as the request's key or session has it now; raises when that has ended.
    """

    def __init__(
        self,
        context: Context,
        event_hub: EventHub,
        caller_now: Callable[[], Caller],
        caller: Caller,
        app_id: str | None,
        place: Place,
    ) -> None:
        self._context = context
        self._event_hub = event_hub
        self._caller_now = caller_now
        self._account = caller.account
        self._grant = caller.grant
        self._app_id = app_id
        self._after = place.after
        self._is_gap = place.is_gap
        self._reported: dict[str, TimedProgress | None] = {}
        """For each thing that runs, the progress that was told last."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Raises ApiError when the account has too many of them."""
        start = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
        if ASKED_FOR_HEAD in (scope.get("extensions") or {}):
            await send(start)  # type: ignore[arg-type]
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        with self._event_hub.listening(self._account.id, self._after) as listener:
            async with until_gone(receive) as gone:
                await send(start)  # type: ignore[arg-type]
                try:
                    await self._go(send, listener, gone)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                except TimeoutError:
                    self._context.log.info("events_stalled", account=self._account.id)

    async def _go(self, send: Send, listener: Listener, gone: asyncio.Task[None]) -> None:
        context = self._context
        gone.add_done_callback(lambda _: listener.wake())
        await self._send(send, b"retry: %d\n\n" % RECONNECT_MS)
        if self._is_gap:
            await self._send(send, _message("gap", GAP))
        sent_at = key_at = read_at = context.now()
        is_due = True
        while not (gone.done() or listener.is_over or context.draining):
            page = []
            if is_due:
                read_at = context.now()
                page = await self._next()
            body = b"".join(map(self._event, page)) + self._progress(listener)
            if not body and context.now() - sent_at >= HEARTBEAT_SECONDS:
                body = b": still here\n\n"
            if body:
                await self._send(send, body)
                sent_at = context.now()
            if context.now() - key_at >= KEY_SECONDS:
                key_at = context.now()
                if not self._is_open():
                    return
            if len(page) < PAGE:
                is_due = await listener.wait(KEY_SECONDS) or context.now() - read_at >= READ_SECONDS

    async def _next(self) -> list[Event]:
        context = self._context
        try:
            return await context.call(next_events, context.instance, self._account.id, self._app_id, self._after)
        except Exception as error:
            if unavailable_of(error) is None:
                raise
            return []  # it goes on when the catalog is back

    def _is_open(self) -> bool:
        try:
            caller = self._caller_now()
            self._grant = caller.grant
            if self._app_id is not None:
                caller.require(Right.BACKUPS_READ, self._app_id)
            return caller.account.id == self._account.id
        except Exception as error:
            if unavailable_of(error) is not None:
                return True
            if isinstance(error, ApiError | ServiceError):
                return False
            raise

    def _event(self, event: Event) -> bytes:
        self._after = event.seq
        if not self._shows(event.app_id):
            return b""
        return _message(str(event.kind), shown_event(self._context.instance, event), event.seq)

    def _progress(self, listener: Listener) -> bytes:
        """Return the work that moved since the last report."""
        running = [
            w
            for w in listener.running
            if self._app_id in (None, w.app_id) and w.progress is not None and self._shows(w.app_id)
        ]
        moved = [work for work in running if self._reported.get(work.id) != work.progress]
        self._reported = {work.id: work.progress for work in running}
        return b"".join(_message("progress", shown_progress(self._context.instance, work)) for work in moved)

    def _shows(self, app_id: str | None) -> bool:
        """True if the caller may see what happens to an application, or (None) to the account."""
        return self._grant.allows(Right.BACKUPS_READ, app_id)

    async def _send(self, send: Send, body: bytes) -> None:
        async with asyncio.timeout(STALL_SECONDS):
            await send({"type": "http.response.body", "body": body, "more_body": True})


def _message(kind: str, data: Shown, number: int | None = None) -> bytes:
    """One event as it goes over the wire; JSON has no line breaks, so it is one line of data."""
    head = b"" if number is None else b"id: %d\n" % number
    return b"%sevent: %s\ndata: %s\n\n" % (head, kind.encode("ascii"), msgspec.json.encode(data))
