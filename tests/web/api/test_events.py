"""The stream of events: told as it happens, gone on with where it broke off, each account's own, never in the way."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from kit.site import Site

from holdfast.catalog.backups.changes.run import record_progress, start_backup
from holdfast.catalog.events.log import forget_events
from holdfast.catalog.records import SYSTEM
from holdfast.service.registry.keys import rotate_key
from holdfast.service.take.request import request_backup
from holdfast.vault.control import Progress
from holdfast.web import event_hub
from holdfast.web.api import events as routes_events

Told = tuple[str | None, str, dict[str, Any]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(routes_events, "HEARTBEAT_SECONDS", 0.3)
    monkeypatch.setattr(routes_events, "KEY_SECONDS", 0.2)


@contextmanager
def stream(site: Site, key: str, query: str = "", last: int | None = None) -> Iterator[Iterator[Told]]:
    """The events of a stream, as a client reads them: id, event, data. Comments come as events `#`."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with site.client(key) as http, http.stream("GET", f"/v3/events{query}", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"

        def read() -> Iterator[Told]:
            fields: dict[str, str] = {}
            for line in answer.iter_lines():
                if line.startswith(":"):
                    yield None, "#", {}
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "event" in fields:
                    yield fields.get("id"), fields["event"], json.loads(fields["data"])
                    fields = {}

        yield read()


def events(told: Iterator[Told], count: int) -> list[Told]:
    """The next ones that are no comments and no progress."""
    found: list[Told] = []
    for one in told:
        if one[1] not in ("#", "progress"):
            found.append(one)
        if len(found) == count:
            break
    return found


def test_what_happens_is_told_and_gone_on_with(site: Site) -> None:
    site.take()
    with stream(site, site.silver.api_key) as told:
        assert next(told)[1] == "#"  # of before nothing is told; the stream lives
        backup = site.take()
        first = events(told, 3)
    assert [kind for _, kind, _ in first] == ["backup.queued", "backup.started", "backup.finished"]
    number, _, data = first[0]
    assert number is not None
    assert list(data) == ["seq", "kind", "at", "app_id", "backup_id", "job_id", "data"]
    assert (str(data["seq"]), data["app_id"], data["backup_id"], data["job_id"]) == (
        number,
        site.app.id,
        backup.id,
        None,
    )
    assert data["at"].endswith("+01:00")
    with stream(site, site.silver.api_key, last=int(number)) as told:
        assert [one[0] for one in events(told, 2)] == [first[1][0], first[2][0]]
    with stream(site, site.silver.api_key, f"?after={number}") as told:
        assert events(told, 2) == first[1:]


def test_an_account_hears_of_its_own_alone(site: Site) -> None:
    with stream(site, site.other.api_key) as told:
        mine = site.take()
        theirs = site.take(site.other_app)
        for _, _, data in events(told, 3):
            assert data["backup_id"] == theirs.id
    with stream(site, site.other.api_key, "?after=0") as told:
        assert mine.id not in {data["backup_id"] for _, _, data in events(told, 3)}
    with site.client(site.other.api_key) as http:
        assert http.get(f"/v3/events?app_id={site.app.id}").json()["code"] == "APP_NOT_FOUND"
        assert http.get(f"/v3/jobs/{mine.id}").json()["code"] == "JOB_NOT_FOUND"
        assert http.delete(f"/v3/jobs/{mine.id}").json()["code"] == "JOB_NOT_FOUND"
        assert http.get(f"/v3/jobs?after={mine.id}").json()["code"] == "JOB_NOT_FOUND"
        assert {job["id"] for job in http.get("/v3/jobs").json()["response"]} == {theirs.id}


def test_progress_has_no_number_and_comes_when_it_moved(site: Site) -> None:
    instance = site.instance
    backup, _ = request_backup(instance, site.app.id, SYSTEM)
    start_backup(instance.catalog, backup.id, "main", instance.clock.now_ns())
    with stream(site, site.other.api_key) as others, stream(site, site.silver.api_key) as told:
        for files in (1, 2):
            record_progress(instance.catalog, backup.id, Progress(files, 10, 9, 90))
            number, _, data = next(one for one in told if one[1] == "progress")
            assert (number, data["seq"], data["backup_id"]) == (None, None, backup.id)
            counts = {"files": files, "bytes": 10, "total_files": 9, "total_bytes": 90}
            assert data["data"]["progress"] == counts | dict.fromkeys(("started_at", "eta", "bytes_per_second"))
        assert next(told)[1] == "#"  # nothing moved, nothing is told
        assert next(others)[1] == "#"


def test_what_is_not_kept_any_more_is_a_gap(site: Site) -> None:
    site.take()
    forget_events(site.instance.catalog, site.instance.clock.now_ns() + 1)
    site.take()
    for last, count in ((1, 4), (10**9, 1)):
        with stream(site, site.silver.api_key, last=last) as told:
            found = events(told, count)
            assert (found[0][0], found[0][1]) == (None, "gap")
            assert [kind for _, kind, _ in found[1:]] == ["backup.queued", "backup.started", "backup.finished"][
                : count - 1
            ]


def test_refusals(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    assert http.get("/v3/events").json()["code"] == "ACCESS_DENIED"
    with site.client(site.bronze.api_key) as bronze:
        assert bronze.get("/v3/events").json()["code"] == "UPGRADE_REQUIRED"
    assert silver.get("/v3/events?after=x").json()["code"] == "INVALID_AFTER"
    assert silver.get("/v3/events", headers={"Last-Event-ID": "x"}).json()["code"] == "INVALID_LAST_EVENT_ID"
    assert silver.get("/v3/events?app_id=x").json()["code"] == "INVALID_APP_ID"
    assert silver.head("/v3/events").headers["content-type"] == "text/event-stream"


def test_only_so_many_of_an_account(site: Site, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "LISTENERS_OF_ACCOUNT_MAX", 1)
    with stream(site, site.silver.api_key) as told:
        next(told)
        refused = silver.get("/v3/events")
        assert (refused.status_code, refused.json()["code"]) == (429, "KEEP_CALM")
        assert int(refused.headers["retry-after"]) > 0
        with stream(site, site.other.api_key) as others:
            next(others)
    until = time.monotonic() + 20
    while any(thread.name == "watch-events" for thread in threading.enumerate()):
        assert time.monotonic() < until, "it is looked on although nobody listens"
        time.sleep(0.01)


def test_it_ends_with_its_key_and_with_the_server(site: Site) -> None:
    with stream(site, site.silver.api_key) as told:
        next(told)
        new = rotate_key(site.instance, site.silver.account, SYSTEM).api_key
        assert {kind for _, kind, _ in told} <= {"#"}  # to its end
    with stream(site, new) as told:
        next(told)
        began = time.monotonic()
        site.server.stop()
        assert {kind for _, kind, _ in told} <= {"#"}
        assert time.monotonic() - began < 4  # and not the 5 s that what runs may take
