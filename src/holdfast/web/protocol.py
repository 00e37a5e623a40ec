"""The HTTP/1.1 protocol of the server: uvicorn's, with bounds on what a client can have it hold.

An error before any route is an envelope. Bounded are heads (also those that come at once), the number of their fields,
trailers and whatever else frames a chunked body, requests that wait behind another one, and all waiting.

It must never write an error into an answer that has begun, or let a trailer count as a header.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from litestar.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from holdfast.web.app import Front
from holdfast.web.http.connection import offer_abort
from holdfast.web.http.envelope import SECURITY_HEADERS, Answer, failure
from holdfast.web.http.errors import answer_error, unavailable

HEAD_BYTES_MAX = 64 * 1024
"""Request line and headers together; llhttp itself has no limit."""

FIELDS_MAX = 100
"""Headers of a request; each costs far more memory than its bytes."""

TRAILER_BYTES_MAX = 8 * 1024
FRAMING_BYTES_MAX = 64 * 1024
"""The part of a body that may come without a byte of content: sizes of chunks, their extensions, trailers."""

PIPELINED_MAX = 16
"""Requests that may wait behind the one that is answered."""


class TooMuch(Exception):
    """A request passes a bound; its parser stops."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config.app, Front)
        self._connections = config.app.context.connections
        self.peer = ""
        self.deadline: float | None = None
        self.is_idle = False
        self._is_refused = False
        self._in_head = False
        self._is_whole = True
        """The request that came last has come to its end."""
        self._field_bytes = self._fields = 0
        """Of the head, or of the trailers, that is being read."""
        self._raw_bytes = 0
        """Received of a head, or of a body without content, before the newest piece."""
        self._begun = 0
        """Heads that began in the newest piece."""
        self._has_content = False
        """Something of the newest piece was content of a body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = self.client[0] if self.client else ""
        if not self._connections.enter(self):
            self._is_refused = True
            self._send_and_close(answer_error(unavailable("All connections are taken; try again in a moment.")))

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        starts_with_head = self._is_whole
        self._begun, self._has_content = 0, False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._is_whole:
            self._count_raw(len(data), starts_with_head)
        if self.is_idle:
            self.is_idle = False
            self.deadline = self._connections.now() + self._connections.deadlines.head

    def on_message_begin(self) -> None:
        self._in_head, self._is_whole = True, False
        self._begun += 1
        self._field_bytes = self._fields = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url), HEAD_BYTES_MAX)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._count(len(name) + len(value) + 4, HEAD_BYTES_MAX if self._in_head else TRAILER_BYTES_MAX)
        if self._in_head:  # else it is a trailer, which nobody here asks for
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._has_content = False, True
        self._field_bytes = self._fields = 0
        if len(self.pipeline) >= PIPELINED_MAX:
            raise TooMuch
        super().on_headers_complete()
        offer_abort(cast("Scope", self.scope), self.transport.abort)
        self.deadline, self.is_idle = None, False

    def on_body(self, body: bytes) -> None:
        self._has_content = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_whole = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unset_keepalive_if_required()  # uvicorn's own, which a byte now and then puts off for ever
        if self.cycle.response_complete:
            deadlines = self._connections.deadlines
            self.is_idle = self._is_whole and not self._in_head
            self.deadline = self._connections.now() + (deadlines.keep_alive if self.is_idle else deadlines.head)

    def send_400_response(self, msg: str) -> None:
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and (self.cycle.response_started or self.pipeline):
            self.transport.abort()  # an error in the midst of an answer would be read as part of it
            return
        if is_answering:
            self.cycle.disconnected = True  # its own answer must not follow this one
            self.cycle.message_event.set()
        message = "This is not a valid HTTP request, or its headers are too long."
        self._send_and_close(failure(400, "INVALID_HTTP_REQUEST", message))

    def pending_bytes(self) -> int | None:
        return self.transport.get_write_buffer_size()

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    def _count_raw(self, size: int, starts_with_head: bool) -> None:
        """Count a piece of a head that is not whole, or of a body without content."""
        if self._in_head and self._begun == 1 and starts_with_head:
            self._raw_bytes = size
        elif self._begun or self._has_content:
            self._raw_bytes = 0  # a part of it is something else, and all of it at most what uvloop reads at once
        else:
            self._raw_bytes += size
        if self._raw_bytes > (HEAD_BYTES_MAX if self._in_head else FRAMING_BYTES_MAX):
            self.send_400_response("")

    def _count(self, size: int, most: int) -> None:
        self._field_bytes += size
        if self._field_bytes > most or self._fields > FIELDS_MAX:
            raise TooMuch

    def _send_and_close(self, answer: Answer) -> None:
        head = [(b"content-length", b"%d" % len(answer.body)), (b"connection", b"close")]
        lines = [STATUS_LINE[answer.status]]
        for name, value in [*self.server_state.default_headers, *answer.headers, *SECURITY_HEADERS, *head]:
            lines += [name, b": ", value, b"\r\n"]
        self.transport.write(b"".join([*lines, b"\r\n", answer.body]))
        self.deadline = self._connections.now()
        self.transport.close()
