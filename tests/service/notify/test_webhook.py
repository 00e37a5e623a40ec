"""Webhooks: signed as the standard says, sent once, to the address that was looked at and no other."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from kit.receiver import Receiver, receiving

from holdfast.service.errors import Invalid
from holdfast.service.notify.egress import Egress
from holdfast.service.notify.webhook import Outcome, Target, new_secret, parse_url, post, signature

NOW_NS = 1_733_605_631_500_000_000
ANYWHERE = Egress(allow_private=True)
SECRET = new_secret()
TLS = ssl.create_default_context()  # made once: on a busy machine that takes as long as some of the time limits below
BODY = b'{"a":1}'
WAIT_SECONDS = 10


def send(target: Target, egress: Egress = ANYWHERE, seconds: float = 5.0) -> Outcome:
    return post(target, "msg_1", BODY, [SECRET], now_ns=NOW_NS, egress=egress, seconds=seconds, tls=TLS)


def at(receiver: Receiver) -> Target:
    return parse_url(receiver.url, allow_http=True)


def test_the_signature_of_the_standards_own_example() -> None:
    signed = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_check_what_it_got() -> None:
    other = new_secret()
    with receiving() as receiver:
        sent = post(at(receiver), "msg_1", b'{"a":1}', [SECRET, other], now_ns=NOW_NS, egress=ANYWHERE)
    assert sent == Outcome(200, None)
    (got,) = receiver.received
    assert got.body == b'{"a":1}'
    assert got.headers["webhook-id"] == "msg_1"
    assert got.headers["webhook-timestamp"] == "1733605631"
    assert got.headers["content-type"] == "application/json"
    assert got.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert got.is_signed_with(SECRET)
    assert got.is_signed_with(other)
    assert not got.is_signed_with(new_secret())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with receiving() as receiver, receiving() as elsewhere:
        receiver.answers = [(status, {"Location": elsewhere.url})]
        sent = send(at(receiver))
    assert sent.status == status
    assert "redirect" in (sent.error or "")
    assert not elsewhere.received


def test_a_failure_says_its_status_and_when_to_come_again() -> None:
    with receiving() as receiver:
        receiver.answers = [(503, {"Retry-After": "120"}), (500, {"Retry-After": "soon"})]
        assert send(at(receiver)) == Outcome(503, "The receiver answered with the status 503.", 120)
        assert send(at(receiver)) == Outcome(500, "The receiver answered with the status 500.", 0)


def test_an_endless_answer_is_not_read() -> None:
    with receiving() as receiver:
        receiver.answers = [(200, {"Content-Length": str(10**12)})]
        assert send(at(receiver), seconds=0.3) == Outcome(200, None)


def test_a_receiver_that_does_not_answer_costs_the_time_limit_and_no_more() -> None:
    with receiving() as receiver:
        wait = threading.Event()
        receiver.before = lambda: wait.wait(20)
        sent = send(at(receiver), seconds=0.3)
        wait.set()
    assert sent == Outcome(None, "The receiver took longer than 0.3 s.")


@contextmanager
def one_connection(talk: Callable[[socket.socket], None]) -> Iterator[Target]:
    """A receiver that handles one connection as `talk` does; no step of it waits longer than WAIT_SECONDS."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.settimeout(WAIT_SECONDS)
            talk(connection)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_SECONDS)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Target("http", "127.0.0.1", server.getsockname()[1], "/")
        finally:
            thread.join(3 * WAIT_SECONDS)
    assert not thread.is_alive()


def read_request(connection: socket.socket) -> None:
    """Read all that `send` sends: to close a connection with unread bytes resets it, and the answer may be lost."""
    got = b""
    while not got.endswith(BODY):
        part = connection.recv(10_000)
        assert part, "the sender closed before its request was whole"
        got += part


def test_a_receiver_that_answers_byte_by_byte_gains_no_time() -> None:
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        with suppress(OSError):  # the sender has gone away
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not stop.wait(0.02):
                connection.sendall(b"x")

    with one_connection(drip) as target:
        sent = send(target, seconds=0.4)
        stop.set()
    assert sent == Outcome(None, "The receiver took longer than 0.4 s.")


def test_nobody_there_and_no_http() -> None:
    def other_protocol(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"220 mail.example.org ESMTP\r\n")

    with one_connection(other_protocol) as target:
        assert send(target).error == "The receiver did not answer with HTTP."
    assert send(target).error == "The receiver refused the connection."


def test_a_receiver_without_tls_is_told_as_that() -> None:
    with receiving() as receiver:
        sent = send(Target("https", "127.0.0.1", receiver.port, "/"))
    assert sent.status is None
    assert "certificate or its TLS" in (sent.error or "")


def test_the_connection_is_made_to_the_address_that_was_looked_at() -> None:
    """A name whose address changes between looking and connecting (DNS rebinding) changes nothing."""
    asked = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["192.0.2.1"]

    with receiving() as receiver:
        target = Target("http", "hooks.example.org", receiver.port, "/x")
        assert send(target, Egress(True, resolve)) == Outcome(200, None)
    assert asked == ["hooks.example.org"]
    assert receiver.received[0].headers["host"] == f"hooks.example.org:{receiver.port}"


def test_a_name_that_turned_private_is_refused_at_the_sending() -> None:
    with receiving() as receiver:
        target = Target("http", "hooks.example.org", receiver.port, "/x")
        sent = send(target, Egress(resolve=lambda host, port: ["127.0.0.1"]))
    assert "private or reserved" in (sent.error or "")
    assert not receiver.received


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org/hook",
        "http://example.org/hook",
        "ftp://example.org/",
        "https://",
        "https:///path",
        "https://user:pw@example.org/",
        "https://user@example.org/",
        "https://example.org/#part",
        "https://example.org:0/",
        "https://example.org:70000/",
        "https://example.org:x/",
        "https://exa mple.org/",
        "https://example.org/a\r\nX: y",
        "https://example.org\\@10.0.0.1/",
        "https://münchen.example/",
        "https://[::1/",
        "https://example.org/" + "a" * 2048,
    ],
)
def test_urls_that_are_none_for_a_webhook(url: str) -> None:
    with pytest.raises(Invalid):
        parse_url(url, allow_http=False)


def test_what_is_shown_of_a_url_is_not_its_path() -> None:
    assert parse_url("https://Hooks.example.org/services/T1/s3cret?k=v", allow_http=False).shown == (
        "https://hooks.example.org/..."
    )
    assert parse_url("https://example.org:8443", allow_http=False) == Target("https", "example.org", 8443, "/")
    assert parse_url("https://[2606:4700::1111]:8443/", allow_http=False).authority == "[2606:4700::1111]:8443"
