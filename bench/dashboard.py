"""`python -m bench dashboard`: what a page costs with a million backups in the catalog.

The time to the first byte from a running `holdfast serve`, the queries of the catalog that it takes, the bytes of a
page, and what a first visit loads, all as they go over the wire.
"""

from __future__ import annotations

import gzip
import http.client
import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bench.holdfast import PROGRAM, Home, Server
from bench.listing import fill_catalog
from bench.shell import run_quietly
from holdfast.service.instance.home import Instance, open_instance
from holdfast.web.app import create_app
from holdfast.web.server import WebServer, listen

BACKUPS = 1_000_000
ROUNDS = 60
MS_MAX, QUERIES_MAX, FIRST_VISIT_BYTES_MAX, PAGE_BYTES_MAX = 50.0, 8, 80_000, 15_000
_OPENED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept-Encoding": "gzip"}
_STATIC = re.compile(r'(?:href|src)="(/static/[^"#]+)|url\((/static/[^)]+)\)')
_OTHER_ACCOUNT = "bench1"
OPERATOR = ""
"""Signs in to no account."""
_OPERATOR_EMAIL = "operator@example.org"
_OPERATORS = ("", "accounts", "apps", "nodes", "store", "jobs", "notices", "plans", "settings", "audit")
"""The operator's pages; of the store and of all applications they show what was counted at the first opening."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a page costs. `ms`: to the first byte, the median and the 95th percentile; `size`: its bytes, packed."""

    ms: tuple[float, float]
    queries: int
    size: int


class Browser:
    """Somebody who is signed in. Connections are kept, as browsers do."""

    def __init__(self, home: Home, account_id: str, port: int) -> None:
        command = ["sign-in-link", account_id] if account_id else ["operator", "link", _OPERATOR_EMAIL]
        link = run_quietly([str(PROGRAM), *command], env=home.environment)
        found = re.search(r"/in\?ticket=\S+", link)
        assert found is not None, link
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = dict(_OPENED)
        answer, _, _ = self.get(found[0])
        self._headers["Cookie"] = (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def get(self, path: str) -> tuple[http.client.HTTPResponse, bytes, float]:
        """The answer, its body as it came, and the milliseconds to its first byte."""
        began = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        ms = (time.perf_counter() - began) * 1000
        return answer, answer.read(), ms

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def measure_dashboard(run: Path, say: Callable[[str], None]) -> bool:
    """Measure it; True if no page costs more than it may."""
    folder = run / "app"
    folder.mkdir()
    home = Home(run / "home-dashboard", folder)
    say(f"filling a catalog with {BACKUPS:,} backups ...")
    fill_catalog(home, BACKUPS)
    run_quietly([str(PROGRAM), "operator", "add", _OPERATOR_EMAIL], env=home.environment)
    server = Server(home)
    try:
        newest = server.newest()["id"]
        pages = {
            "an application": (home.account_id, f"/apps/{home.app_id}"),
            "its headline alone": (home.account_id, f"/apps/{home.app_id}/hero"),
            "a backup": (home.account_id, f"/apps/{home.app_id}/backups/{newest}"),
            "its schedule": (home.account_id, f"/apps/{home.app_id}/schedule"),
            "its activity": (home.account_id, f"/apps/{home.app_id}/activity"),
            "all applications": (_OTHER_ACCOUNT, "/"),
            "the account": (home.account_id, "/account"),
            "its keys": (home.account_id, "/account/keys"),
            "its people": (home.account_id, "/account/people"),
            "its plan": (home.account_id, "/account/plan"),
            **{f"the operator's {name}": (OPERATOR, f"/operator/{name}".rstrip("/")) for name in _OPERATORS},
        }
        times = {name: _times(home, *page) for name, page in pages.items()}
        first_visit = _first_visit(home, pages["an application"][1])
    finally:
        server.stop()
    is_good = True
    with _counted(home) as (port, count):
        for name, (account_id, path) in pages.items():
            cost = Cost(times[name][0], count(Browser(home, account_id, port), path), times[name][1])
            is_small = cost.ms[0] <= MS_MAX and cost.queries <= QUERIES_MAX and cost.size <= PAGE_BYTES_MAX
            is_good &= is_small
            say(
                f"  {name}: first byte {cost.ms[0]:.1f} ms (p95 {cost.ms[1]:.1f}), {cost.queries} queries, "
                f"{cost.size / 1000:.1f} kB{'' if is_small else ': TOO MUCH'}"
            )
    say(f"  a first visit loads {first_visit / 1000:.1f} kB (at most {FIRST_VISIT_BYTES_MAX // 1000})")
    home.delete()
    return is_good and first_visit <= FIRST_VISIT_BYTES_MAX


def _times(home: Home, account_id: str, path: str) -> tuple[tuple[float, float], int]:
    browser = Browser(home, account_id, home.port)
    answer, body, _ = browser.get(path)
    assert answer.status == 200, (path, answer.status)
    took = sorted(browser.get(path)[2] for _ in range(ROUNDS))
    browser.close()
    return (statistics.median(took), took[int(0.95 * ROUNDS)]), len(body)


def _first_visit(home: Home, path: str) -> int:
    """The bytes of a page and of all that it loads."""
    browser = Browser(home, home.account_id, home.port)
    _, body, _ = browser.get(path)
    total, seen, wanted = len(body), set[str](), _named(gzip.decompress(body))
    while wanted:
        address = wanted.pop()
        if address not in seen:
            seen.add(address)
            answer, body, _ = browser.get(address)
            total += len(body)
            is_packed = answer.getheader("Content-Encoding") == "gzip"
            if address.endswith(".css"):
                wanted |= _named(gzip.decompress(body) if is_packed else body)
    browser.close()
    return total


def _named(text: bytes) -> set[str]:
    return {one[0] or one[1] for one in _STATIC.findall(text.decode())}


@contextmanager
def _counted(home: Home) -> Iterator[tuple[int, Callable[[Browser, str], int]]]:
    """A server in this process, whose queries are counted."""
    instance = open_instance(home.path)
    sockets = listen("127.0.0.1", 0)
    front, ready = create_app(instance), threading.Event()
    server = WebServer(front, sockets, lambda _: ready.set(), grace_seconds=5)
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    ready.wait(30)
    try:
        yield sockets[0].getsockname()[1], _counter(instance)
    finally:
        server.stop()
        thread.join(30)
        front.context.calls.shutdown()
        instance.close()


def _counter(instance: Instance) -> Callable[[Browser, str], int]:
    said: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            said.append(statement)

    event.listen(instance.catalog.engine, "before_cursor_execute", note)

    def count(browser: Browser, path: str) -> int:
        browser.get(path)
        said.clear()
        browser.get(path)
        browser.close()
        return len(said)

    return count
