"""Receiving bodies: pieces, and what ends them before their time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from litestar.types import Receive

from holdfast.web.http.envelope import failure
from holdfast.web.http.uploads import PIECE_BYTES, Body, RefusedBody, UploadBroken, body_pieces


def received(*messages: tuple[bytes, bool] | None) -> Receive:
    """An ASGI receive that gives chunks (and whether more come), None for a client that goes; then it blocks."""
    left = list(messages)

    async def receive() -> Any:
        if not left:
            await asyncio.Event().wait()
        message = left.pop(0)
        if message is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": message[0], "more_body": message[1]}

    return receive


def pieces(receive: Receive, idle_seconds: float = 5.0) -> list[bytes]:
    async def collect() -> list[bytes]:
        return [bytes(piece) async for piece in body_pieces(Body(receive), idle_seconds)]

    return asyncio.run(collect())


def test_small_chunks_become_large_pieces() -> None:
    chunk = bytes(range(256)) * 256
    got = pieces(received(*[(chunk, True)] * 40, (b"end", True), (b"", False)))
    assert b"".join(got) == chunk * 40 + b"end"
    assert [len(piece) for piece in got] == [PIECE_BYTES, PIECE_BYTES, 40 * len(chunk) - 2 * PIECE_BYTES + 3]


def test_an_empty_body_has_no_pieces() -> None:
    assert pieces(received((b"", False))) == []


def test_who_goes_and_who_stands_still() -> None:
    with pytest.raises(UploadBroken, match="closed before"):
        pieces(received((b"x", True), None))
    with pytest.raises(UploadBroken, match="Hardly anything of the body"):
        pieces(received((b"x", True)), idle_seconds=0.01)


@pytest.mark.parametrize(
    ("expect", "messages", "unread"),
    [
        ([], [(b"x", True), (b"y", False)], 0),
        ([(b"expect", b"100-continue")], [(b"x", False)], 1),  # to receive would be to ask for the body
        ([], [(b"x", True)], 0),  # never ends: given up
    ],
)
def test_a_refused_body_is_read_to_its_end(expect: list[tuple[bytes, bytes]], messages: list[Any], unread: int) -> None:
    sent: list[Any] = []
    read = 0
    inner = received(*messages)

    async def receive() -> Any:
        nonlocal read
        message = await inner()
        read += 1
        return message

    async def send(message: Any) -> None:
        sent.append(message)

    answer = RefusedBody(failure(413, "PAYLOAD_TOO_LARGE", "Too large."), Body(receive), linger_seconds=0.05)
    scope: Any = {"headers": expect, "method": "POST"}
    asyncio.run(answer(scope, receive, send))
    assert read == len(messages) - unread
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert [message.get("more_body") for message in sent[1:]] == [True, False]
