"""Receiving a body of any size, and refusing one that is still on its way.

A client that sends much reads the answer late. If the connection were closed with bytes unread, the kernel would reset
it and the client would see a broken pipe instead of our sentence. So a refusal is sent at once, and what still comes is
thrown away for a while (nginx calls it a lingering close); then the connection is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from litestar.types import Receive, Scope, Send

from holdfast.web.envelope import Answer
from holdfast.web.errors import ApiError
from holdfast.web.inputs import header

PIECE_BYTES = 1024 * 1024
IDLE_SECONDS = 60.0
LINGER_SECONDS = 30.0


class UploadBroken(ApiError):
    """The client went away, or stood still."""


async def body_pieces(receive: Receive, idle_seconds: float = IDLE_SECONDS) -> AsyncIterator[bytearray]:
    """The body of a request in pieces of about PIECE_BYTES, each the receiver's own; none for an empty body.

    Raises UploadBroken.
    """
    piece = bytearray()
    while True:
        try:
            message = await asyncio.wait_for(receive(), idle_seconds)
        except TimeoutError:
            raise UploadBroken(
                "INVALID_BODY", f"Nothing of the body came for {idle_seconds:.0f} s; send it again."
            ) from None
        if message["type"] == "http.disconnect":
            raise UploadBroken("INVALID_BODY", "The connection was closed before the body was complete.")
        if message["type"] != "http.request":
            continue
        piece += message["body"]
        if len(piece) >= PIECE_BYTES or (piece and not message["more_body"]):
            yield piece
            piece = bytearray()
        if not message["more_body"]:
            return


def announced_bytes(scope: Scope) -> int | None:
    """The Content-Length; None when the body is sent in chunks."""
    value = header(scope, b"content-length")
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


class LastAnswer:
    """An answer after which the connection is closed, but not under the feet of who still sends."""

    def __init__(self, answer: Answer, *, was_asked: bool, linger_seconds: float = LINGER_SECONDS) -> None:
        """`was_asked`: whether the body was read from already, and so a client that waits for "100 Continue" sends."""
        self._answer = answer
        self._was_asked = was_asked
        self._linger_seconds = linger_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, then read what still comes. ASGI."""
        answer = self._answer
        length = (b"content-length", b"%d" % len(answer.body))
        headers = [length, *answer.headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body, "more_body": True})
        # A client that waits to be asked reads this answer first and never sends; to receive would be to ask.
        if self._was_asked or (header(scope, b"expect") or "").lower() != "100-continue":
            with suppress(TimeoutError):
                async with asyncio.timeout(self._linger_seconds):
                    while (message := await receive())["type"] == "http.request" and message["more_body"]:
                        pass
        await send({"type": "http.response.body", "body": b"", "more_body": False})
