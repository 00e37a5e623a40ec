"""All that strangers can have one server hold, at once: memory stays within the bound, and others are answered."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from kit.served import served

MB = 1_000_000
RESIDENT_BYTES_MAX = 400 * MB
SETTINGS = "connections_max = 900\nconnections_per_address_max = 2000\ndownloads_per_address_max = 1000"
CHUNKED = b"PUT /v3/apps/x/schedule HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_memory_stays_within_its_bound(tmp_path: Path) -> None:
    with (
        served(tmp_path, tenants=5, content_bytes=8 * MB, settings=SETTINGS, open_files=1024) as server,
        ExitStack() as opened,
    ):
        statuses = set()
        for n in range(100):
            connection, status = server.ask(server.tenants[n % 5].link)
            opened.enter_context(connection)
            statuses.add(status)
        assert statuses == {200, 503}
        for _ in range(400):
            half = opened.enter_context(server.connect())
            half.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 60_000)
        for _ in range(100):
            body = opened.enter_context(server.connect())
            body.sendall(CHUNKED + b"2\r\n{}\r\n0\r\nT: " + b"t" * 60_000)
        with server.client() as client:
            assert client.get("/healthz").status_code == 200
        resident = server.resident_bytes()
        assert resident < RESIDENT_BYTES_MAX, f"{resident / MB:.0f} MB"
