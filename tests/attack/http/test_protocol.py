"""Requests that are made to be misread, and framing without end: each is refused, or bounded."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from kit.site import WAIT_SECONDS, Site

from holdfast.web.protocol import FIELDS_MAX, HEAD_BYTES_MAX, PIPELINED_MAX

HOST = b"Host: 127.0.0.1\r\n"
GOOD = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = b"GET /healthz HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
"""The server closes behind it."""
KB = 1024

Connect = Callable[[], socket.socket]


@pytest.fixture
def connect(site: Site) -> Iterator[Connect]:
    host, port = site.url.removeprefix("http://").split(":")
    opened: list[socket.socket] = []

    def connected() -> socket.socket:
        opened.append(socket.create_connection((host, int(port)), timeout=WAIT_SECONDS))
        return opened[-1]

    yield connected
    for connection in opened:
        connection.close()


def until_closed(connection: socket.socket) -> bytes:
    """All that comes until the server closes; a reset ends it too."""
    got = io.BytesIO()
    try:
        while part := connection.recv(65536):
            got.write(part)
    except ConnectionError:
        pass
    return got.getvalue()


def answers(connection: socket.socket, sent: bytes) -> list[int]:
    """The statuses that come for what is sent, until the server closes."""
    connection.sendall(sent)
    return [int(part[:3]) for part in until_closed(connection).split(b"HTTP/1.1 ")[1:]]


SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 0x5\r\n\r\nhello",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\n" + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"GET /healthz HTTP/1.1\n" + HOST + b"\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HOST + b"X : b\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n" + HOST + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_a_request_of_two_meanings_is_refused_and_nothing_behind_it_is_answered(connect: Connect, head: bytes) -> None:
    assert answers(connect(), head + SMUGGLED) == [400]


def test_nothing_behind_a_request_that_closes_is_answered(connect: Connect) -> None:
    assert answers(connect(), LAST + SMUGGLED) == [200]


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"", 400),
        (HOST + HOST, 400),
        (HOST + b"host: other.example\r\n", 400),
        (b"Host: a b\r\n", 400),
        (b"Host: a,b\r\n", 400),
        (b"Host: a@b\r\n", 400),
        (b"Host: a/b\r\n", 400),
        (b"Host: a:port\r\n", 400),
        (b"Host:\r\n", 400),
        (b"Host: example.org:8420\r\n", 200),
        (b"Host: [::1]:8420\r\n", 200),
    ],
)
def test_a_request_has_one_host(connect: Connect, lines: bytes, status: int) -> None:
    """B9: a missing Host and two of them answered 200."""
    connection = connect()
    connection.sendall(b"GET /healthz HTTP/1.1\r\nConnection: close\r\n" + lines + b"\r\n")
    head, _, body = until_closed(connection).partition(b"\r\n\r\n")
    assert int(head[9:12]) == status
    if status == 400:
        assert json.loads(body)["code"] == "INVALID_HOST"


def test_http_1_0_needs_no_host(connect: Connect) -> None:
    assert answers(connect(), b"GET /healthz HTTP/1.0\r\n\r\n") == [200]


@pytest.mark.parametrize(
    "fields",
    [
        b"X: " + b"a" * HEAD_BYTES_MAX + b"\r\n",
        b"".join(b"X%d: %s\r\n" % (n, b"a" * KB) for n in range(65)),
        b"".join(b"X%d:\r\n" % n for n in range(FIELDS_MAX)),
    ],
    ids=["one", "many", "more than FIELDS_MAX"],
)
def test_a_head_that_comes_at_once_is_bounded_as_one_that_trickles(connect: Connect, fields: bytes) -> None:
    """B9: heads over 64 KiB passed when they came at once."""
    assert answers(connect(), b"GET /healthz HTTP/1.1\r\n" + HOST + fields + b"\r\n") == [400]


def test_a_head_below_the_bounds_passes(connect: Connect) -> None:
    fields = b"".join(b"X%d: %s\r\n" % (n, b"a" * 600) for n in range(FIELDS_MAX - 2))
    assert answers(connect(), b"GET /healthz HTTP/1.1\r\n" + HOST + fields + b"\r\n" + LAST) == [200, 200]


def chunked(path: bytes = b"/v3/apps/x/schedule") -> bytes:
    return b"PUT " + path + b" HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"


def is_cut_off(connection: socket.socket, start: bytes, more: bytes) -> bool:
    """True if the server ends the connection while 13 MB more are on their way."""
    try:
        connection.sendall(start)
        for _ in range(200):
            connection.sendall(more)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize(
    "endless",
    [b"0\r\n" + b"T: " + b"a" * 10**6, b"0\r\n" + b"T: a\r\n" * 10**5, b"1;" + b"e" * 10**6],
    ids=["one trailer", "many trailers", "extension"],
)
def test_what_frames_a_body_is_bounded(connect: Connect, endless: bytes) -> None:
    """B4: 494 MB of trailers took the process from 1.6 to 4.2 GB."""
    assert is_cut_off(connect(), chunked() + endless, endless[-65536:])


def test_trailers_are_no_headers(site: Site, connect: Connect) -> None:
    """Neither for the one who asks nor for the address: they come when all was decided."""
    trailers = b"0\r\nAuthorization: %s\r\nHost: evil\r\n\r\n" % site.silver.api_key.encode()
    path = b"/v3/apps/%s/schedule" % site.app.id.encode()
    assert answers(connect(), chunked(path) + trailers + LAST) == [401, 200]


def test_requests_that_wait_behind_another_are_bounded(connect: Connect) -> None:
    connection = connect()
    connection.sendall(GOOD * PIPELINED_MAX)
    got = b""
    while got.count(b"HTTP/1.1 200") < PIPELINED_MAX:
        got += connection.recv(65536)
    assert len(answers(connect(), GOOD * 5000)) <= PIPELINED_MAX


def test_an_error_is_never_written_into_an_answer(site: Site, connect: Connect) -> None:
    backup = site.take()
    link = site.link(backup).encode()
    connection = connect()
    connection.sendall(b"GET " + link + b" HTTP/1.1\r\n" + HOST + b"\r\n\x00rubbish\r\n\r\n")
    got = until_closed(connection)
    assert got.count(b"HTTP/1.1 ") <= 1


def test_a_client_that_leaves_amid_a_body_is_no_fault(site: Site, connect: Connect, log: io.BytesIO) -> None:
    """B9: it was logged as `request_failed` with a traceback."""
    path = f"/v3/apps/{site.app.id}/schedule".encode()
    key = site.silver.api_key.encode()
    with closing(connect()) as connection:
        head = b"PUT %s HTTP/1.1\r\n%sAuthorization: %s\r\nContent-Length: 500\r\n\r\n{" % (path, HOST, key)
        connection.sendall(head)
    with site.client() as client:
        for _ in range(2000):
            client.get("/healthz")
            if b"schedule" in log.getvalue():
                break
    logged = log.getvalue().decode()
    assert "request_failed" not in logged
    assert "Traceback" not in logged
    (line,) = [json.loads(line) for line in logged.splitlines() if "schedule" in line and '"event":"request"' in line]
    assert line["status"] == 0


def test_good_requests_are_answered_after_all_this(site: Site, http: httpx.Client) -> None:
    assert http.get("/healthz").status_code == 200
