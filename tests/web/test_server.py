"""Starting and stopping: the port, the grace for what runs, memory of slow clients."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import httpx
import pytest
from kit.site import WAIT_SECONDS, Site

from holdfast.service.instance.home import create_instance
from holdfast.web.server import DatedState, PortInUse, ServerError, listen, run


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    instance = create_instance(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"^Port {port} on 127.0.0.1 is in use by another program; .*--port\.$"):
            run(instance, "127.0.0.1", port, lambda _: None)
    instance.close()


@pytest.mark.parametrize(("host", "port"), [("203.0.113.7", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 99999)])
def test_an_address_that_is_not_ours_is_one_sentence(host: str, port: int) -> None:
    with pytest.raises(ServerError, match=r"^[A-Z].*--host.*\.$"):
        listen(host, port)


def test_localhost_listens_on_all_its_addresses_with_one_port() -> None:
    sockets = listen("localhost", 0)
    assert len({opened.getsockname()[1] for opened in sockets}) == 1
    for opened in sockets:
        opened.close()


def test_answers_have_the_date_of_their_second(monkeypatch: pytest.MonkeyPatch) -> None:
    state = DatedState()
    state.default_headers = [(b"date", b"what uvicorn made when it began")]
    for now, date in ((0.9, b"Thu, 01 Jan 1970 00:00:00 GMT"), (86_401.2, b"Fri, 02 Jan 1970 00:00:01 GMT")):
        monkeypatch.setattr("time.time", lambda now=now: now)
        assert state.default_headers == [(b"date", date)]


def test_what_runs_may_finish_and_what_comes_is_refused(site: Site, silver: httpx.Client) -> None:
    (site.folder / "big.bin").write_bytes(random.Random(1).randbytes(16_000_000))
    backup = site.take()
    with site.client() as slow, slow.stream("GET", site.link(backup)) as running:
        site.server.stop()
        refused = refused_with_503(site)
        assert refused.json()["code"] == "UNAVAILABLE"
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["connection"] == "close"
        assert sum(len(part) for part in running.iter_raw()) == backup.zip_bytes


def refused_with_503(site: Site) -> httpx.Response:
    """Ask until the server has noticed that it is to stop."""
    with site.client() as client:
        for _ in range(10_000):
            answer = client.get("/healthz")
            if answer.status_code == 503:
                return answer
    raise AssertionError("it went on answering")


def test_a_held_answer_comes_early_when_the_server_stops(site: Site, silver: httpx.Client) -> None:
    answers: list[httpx.Response] = []
    path = f"/v3/apps/{site.app.id}/backups?wait=90"
    asking = threading.Thread(target=lambda: answers.append(silver.post(path)))
    asking.start()
    while not site.queued():
        assert asking.is_alive()
    site.server.stop()
    asking.join(WAIT_SECONDS)
    assert [answer.status_code for answer in answers] == [202]


def test_a_client_that_does_not_read_costs_no_memory_and_no_thread(site: Site) -> None:
    (site.folder / "big.bin").write_bytes(random.Random(2).randbytes(48_000_000))
    backup = site.take()
    host, port = site.url.removeprefix("http://").split(":")
    request = f"GET {site.link(backup)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with site.client() as client:
        assert len(client.get(site.link(backup)).content) == backup.zip_bytes
        before = resident_bytes()
        idle = [socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) for _ in range(12)]
        for connection in idle:
            connection.sendall(request)
            assert connection.recv(12) == b"HTTP/1.1 200"
        # More than there are threads for streams, and still another one gets its download.
        assert len(client.get(site.link(backup)).content) == backup.zip_bytes
        assert resident_bytes() - before < 12 * 20_000_000
        for connection in idle:
            connection.close()
        assert client.get("/healthz").status_code == 200


def resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096
