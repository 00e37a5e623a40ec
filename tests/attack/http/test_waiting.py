"""Connections that keep the server waiting: each ends after a while, and nobody has all of them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from kit.site import WAIT_SECONDS, Site

from holdfast.service.instance.capacity import CONNECTIONS_MIN, RESERVED_FILES, capacity_of
from holdfast.service.instance.config import Config
from holdfast.web.connections import Connections, Deadlines

HOST = b"Host: 127.0.0.1\r\n"
GOOD = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
SOON = Deadlines(head=0.3, keep_alive=0.3, flush=0.3)

Connect = Callable[[], socket.socket]


@pytest.fixture
def connect(site: Site) -> Iterator[Connect]:
    host, port = site.url.removeprefix("http://").split(":")
    with ExitStack() as opened:
        yield lambda: opened.enter_context(socket.create_connection((host, int(port)), timeout=WAIT_SECONDS))


def bound(site: Site, most: int = 1000, of_address: int = 1000, deadlines: Deadlines = SOON) -> Connections:
    """Give the site bounds of a test's own, for the connections from now on."""
    context = site.front.context
    on_first = context.connections.on_first
    context.connections = Connections(most, of_address, lambda: context.addresses, context.now, deadlines)
    context.connections.on_first = on_first
    return context.connections


def is_ended(connection: socket.socket) -> bool:
    """True once the server has ended it; an answer before that is passed over."""
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: ", GOOD, GOOD + b"G", GOOD + b"\r\n"],
    ids=["nothing", "a letter", "half a head", "an answer", "half a second head", "a line"],
)
def test_a_connection_that_waits_ends(site: Site, connect: Connect, sent: bytes) -> None:
    """B3: no limit until the first request was whole, and a byte now and then put off that behind an answer."""
    bound(site)
    connection = connect()
    connection.sendall(sent)
    assert is_ended(connection)


@pytest.mark.parametrize("before", [b"", GOOD], ids=["first", "second"])
def test_a_head_that_trickles_ends(site: Site, connect: Connect, before: bytes) -> None:
    bound(site)
    connection = connect()
    connection.sendall(before)
    connection.settimeout(0.05)
    ended = False
    for n in range(200):
        try:
            connection.sendall(b"GET /healthz HTTP/1.1\r\n"[n : n + 1] or b"x")
            ended = connection.recv(65536) == b""
        except TimeoutError:
            continue
        except ConnectionError:
            ended = True
        if ended:
            break
    assert ended
    assert n < 100


def test_a_body_behind_its_answer_ends_too(site: Site, connect: Connect) -> None:
    bound(site)
    connection = connect()
    connection.sendall(b"POST /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 100000\r\n\r\nx")
    assert is_ended(connection)


def test_a_body_that_trickles_is_refused(site: Site, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.web.http.request.BODY_SECONDS_MAX", 0.3)
    bound(site)
    connection = connect()
    path, key = f"/v3/apps/{site.app.id}/schedule".encode(), site.silver.api_key.encode()
    connection.sendall(b"PUT %s HTTP/1.1\r\n%sAuthorization: %s\r\nContent-Length: 99\r\n\r\n{" % (path, HOST, key))
    assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
    assert is_ended(connection)


def test_an_answer_that_is_not_read_ends(site: Site, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of a request is in memory until its client takes it."""
    connections = bound(site)
    host, port = site.url.removeprefix("http://").split(":")
    monkeypatch.setattr("holdfast.web.api.open._plan", lambda *_: None)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        connection.sendall(b"GET /v3/openapi.json HTTP/1.1\r\n" + HOST + b"\r\n")
        connection.sendall((b"GET /v3/openapi.json HTTP/1.1\r\n" + HOST + b"\r\n") * 15)
        for _ in range(3000):
            if http.get("/healthz").status_code == 200 and len(connections) == 1:
                break
        assert len(connections) == 1, "only the one that asks is left"


def test_what_is_being_answered_has_no_deadline(site: Site, connect: Connect) -> None:
    bound(site)
    connection = connect()
    key = site.silver.api_key.encode()
    path = f"/v3/apps/{site.app.id}/backups?wait=1".encode()
    connection.sendall(b"POST %s HTTP/1.1\r\n%sAuthorization: %s\r\nContent-Length: 0\r\n\r\n" % (path, HOST, key))
    assert connection.recv(65536).startswith(b"HTTP/1.1 202 ")


def test_an_address_has_only_so_many(site: Site, connect: Connect) -> None:
    bound(site, of_address=5, deadlines=Deadlines())
    held = [connect() for _ in range(5)]
    refused = connect()
    assert refused.recv(65536).startswith(b"HTTP/1.1 503 ")
    assert is_ended(refused)
    held[0].close()
    for _ in range(1000):
        another = connect()
        another.sendall(GOOD)
        if another.recv(65536).startswith(b"HTTP/1.1 200 "):
            break
    else:
        pytest.fail("the place of the one that was closed was not given to another")


def test_one_that_idles_gives_way(site: Site, connect: Connect) -> None:
    bound(site, most=2, deadlines=Deadlines())
    first, second = connect(), connect()
    for connection in (first, second):
        connection.sendall(GOOD)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
    third = connect()
    third.sendall(GOOD)
    assert third.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert is_ended(first), "it idled longest"
    second.sendall(GOOD)
    assert second.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_capacity_fits_into_the_descriptors() -> None:
    config = Config()
    assert capacity_of(config, None) == capacity_of(config, 10**6)
    for limit in (64, 256, 512, 1024, 4096, 20_000):
        found = capacity_of(config, limit)
        assert found.connections >= CONNECTIONS_MIN
        if limit >= 512:
            assert found.connections + found.downloads * 8 + RESERVED_FILES <= limit
    assert (capacity_of(config, 1024).connections, capacity_of(config, 1024).downloads) == (384, 48)
    assert (capacity_of(config, 4096).connections, capacity_of(config, 4096).downloads) == (1000, 100)
