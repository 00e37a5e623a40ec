"""The envelope around every JSON answer, and the answer itself as bytes.

What it must never do: let an error out in another shape, or without the headers that keep browsers from guessing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

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

_STATUS_OF_CODE = {
    "ACCESS_DENIED": 401,
    "UPGRADE_REQUIRED": 402,
    "METHOD_NOT_ALLOWED": 405,
    "BACKUP_IN_PROGRESS": 409,
    "RESTORE_IN_PROGRESS": 409,
    "BACKUP_LOCKED": 409,
    "BACKUP_NOT_USABLE": 409,
    "BACKUP_NAME_TAKEN": 409,
    "JOB_ENDED": 409,
    "TOO_MANY_WEBHOOKS": 409,
    "WEBHOOK_DISABLED": 409,
    "NOT_A_WEBHOOK": 409,
    "APP_NOT_READABLE": 409,
    "TARGET_IN_THE_WAY": 409,
    "PRECONDITION_FAILED": 412,
    "PAYLOAD_TOO_LARGE": 413,
    "RANGE_NOT_SATISFIABLE": 416,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "KEEP_CALM": 429,
    "INTERNAL_SERVER_ERROR": 500,
    "UNAVAILABLE": 503,
}


def status_of(code: str) -> int:
    """The HTTP status that goes with an error code; 500 for one that API.md doesn't know."""
    if code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[code]
    if code.startswith("INVALID_"):
        return 400
    if code.endswith("_NOT_FOUND"):
        return 404
    if code.endswith("_LIMIT_REACHED"):
        return 429
    return 500


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


def success(response: Any, status: int = 200, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """A successful answer around anything that msgspec can encode."""
    body = msgspec.json.encode({"status": "success", "response": response})
    return Answer(status, body, [*JSON_HEADERS, *headers])


def failure(code: str, message: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Answer:
    """An error's answer; the status follows from the code."""
    body = msgspec.json.encode({"status": "error", "code": code, "message": message})
    return Answer(status_of(code), body, [*JSON_HEADERS, *headers])
