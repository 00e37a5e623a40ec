"""A mail server that keeps what it gets."""

from __future__ import annotations

import email
import email.policy
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from aiosmtpd.controller import Controller


class Mails:
    """A mail server's URL, as apprise has it, and the messages that it got."""

    def __init__(self, port: int) -> None:
        self.url = f"mailto://localhost:{port}"
        self.received: list[EmailMessage] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:
        self.received.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"

    def only(self) -> tuple[EmailMessage, str]:
        """The one message that came, and its text."""
        (mail,) = self.received
        body = mail.get_body(("plain", "html"))
        assert body is not None
        return mail, body.get_content()


@pytest.fixture
def mails() -> Iterator[Mails]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    got = Mails(port)
    controller = Controller(got, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield got
    finally:
        controller.stop()
