"""The envelope around every JSON answer, and the answer itself as bytes.

It must never send an error in another shape, or without the headers that keep browsers from guessing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from litestar.types import Receive, Scope, Send

from holdfast.schemas.envelope import Error, Success

Headers = list[tuple[bytes, bytes]]

SECURITY_HEADERS: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
"""On every answer of any kind; `app.Front` adds them."""

JSON_HEADERS: Headers = [
    (b"content-type", b"application/json"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"private, no-cache"),
]
"""JSON is data, never a page; `no-cache` lets a client keep it as long as it asks with the ETag first."""


class Answer:
    """A whole response in memory; itself an ASGI application, so that a handler can return it."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: Headers) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Without a body where HTTP allows none; Content-Length then tells what GET would have sent."""
        headers = self.headers
        if self.status not in (204, 304):
            headers = [(b"content-length", b"%d" % len(self.body)), *headers]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        body = b"" if scope.get("method") == "HEAD" or self.status in (204, 304) else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})


def success(
    response: msgspec.Struct | Sequence[msgspec.Struct],
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = (),
) -> Answer:
    """A successful answer around what is shown: a struct of `schemas/`, or a list of them."""
    body = msgspec.json.encode(Success("success", response))
    return Answer(status, body, [*JSON_HEADERS, *headers])


def failure(status: int, code: str, message: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """An error's answer."""
    body = msgspec.json.encode(Error("error", code, message))
    return Answer(status, body, [*JSON_HEADERS, *headers])
