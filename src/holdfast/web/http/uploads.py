"""Receive a body of any size, and refuse one that is still arriving.

A client that sends much reads the answer late. If the connection were closed with bytes unread, the kernel would reset
it and the client would see a broken pipe instead of our sentence. So a refusal is sent at once, and whatever still
arrives is discarded for a while (nginx calls this a lingering close); then the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from litestar.types import Receive, Scope, Send

from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import BadRequest
from holdfast.web.http.request import header

PIECE_BYTES = 1024 * 1024
IDLE_SECONDS = 60.0
"""In this time at least IDLE_SECONDS * SLOW_BYTES_PER_SECOND of a body come, or it is refused."""

SLOW_BYTES_PER_SECOND = 1024
LINGER_SECONDS = 30.0


class UploadBroken(BadRequest):
    """The client went away, or stood still."""


async def body_pieces(body: Body, idle_seconds: float = IDLE_SECONDS) -> AsyncIterator[bytearray]:
    """The body of a request in pieces of about PIECE_BYTES, each the receiver's own; none for an empty body.

    Raises UploadBroken.
    """
    piece = bytearray()
    loop = asyncio.get_running_loop()
    until, came = loop.time() + idle_seconds, 0
    while True:
        try:
            async with asyncio.timeout_at(until):
                message = await body.receive()
        except TimeoutError:
            raise UploadBroken(
                "INVALID_BODY", f"Hardly anything of the body came for {idle_seconds:.0f} s; send it again."
            ) from None
        if message["type"] == "http.disconnect":
            raise UploadBroken("INVALID_BODY", "The connection was closed before the body was complete.")
        if message["type"] != "http.request":
            continue
        piece += message["body"]
        came += len(message["body"])
        if came >= SLOW_BYTES_PER_SECOND * idle_seconds:
            until, came = loop.time() + idle_seconds, 0
        if len(piece) >= PIECE_BYTES or (piece and not message["more_body"]):
            since = loop.time()
            yield piece
            until += loop.time() - since  # the receiver's own time
            piece = bytearray()
        if not message["more_body"]:
            return


def announced_bytes(scope: Scope) -> int | None:
    """The Content-Length; None when the body is sent in chunks."""
    value = header(scope, b"content-length")
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


class Body:
    """Receives for a request, and knows how far the body is."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.was_asked = False
        """True once anything was received, so that a client that waits for "100 Continue" sends."""
        self.is_complete = False

    async def receive(self) -> Any:
        """As ASGI's."""
        self.was_asked = True
        message = await self._receive()
        self.is_complete = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message


class RefusedBody(Answer):
    """An answer to a request whose body may still be coming; then the connection is closed behind it."""

    def __init__(self, answer: Answer, body: Body, linger_seconds: float = LINGER_SECONDS) -> None:
        super().__init__(answer.status, answer.body, answer.headers)
        self._body = body
        self._linger_seconds = linger_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, then throw away what still comes. ASGI."""
        body = self._body
        if body.is_complete:
            await super().__call__(scope, receive, send)
            return
        length = (b"content-length", b"%d" % len(self.body))
        headers = [length, *self.headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # A client that waits to be asked reads this answer first and never sends; to receive would be to ask.
        if body.was_asked or (header(scope, b"expect") or "").lower() != "100-continue":
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger_seconds):
                    while not body.is_complete:
                        await body.receive()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
