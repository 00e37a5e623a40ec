"""The bytes of the API's answers: each route, in each of its shapes, answers as it is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
from kit.answers import STEP_NS, Record, Recorded, recorded_instance

from holdfast.catalog.backups.changes.run import fail_backup, record_progress, start_backup
from holdfast.catalog.events.endpoints import all_endpoints
from holdfast.catalog.events.log import enter_event, events_after
from holdfast.catalog.events.records import MESSAGE_KINDS, Delivery, DeliveryState
from holdfast.catalog.records import SYSTEM, EventKind
from holdfast.service.jobs.lifecycle import get_job
from holdfast.service.notify.messages import TEST_KIND, body_of
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import TimedProgress
from holdfast.web.app import Front, create_app
from holdfast.worker.job_kinds import JOBS

GOLDEN = Path(__file__).parent / "golden"
HEADERS_KEPT = ("location", "link", "retry-after", "allow")
TARGET = "ntfys://1.1.1.1/topic"


class Caller:
    """Sends requests to the application, without a socket, and writes down what comes back."""

    def __init__(self, front: Front, world: Recorded, record: Record) -> None:
        self.world = world
        self.record = record
        self._front = front

    def __call__(self, method: str, path: str, body: object = None, *, key: str | None = "") -> Any:
        world = self.world
        world.clock.ns += STEP_NS
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        headers = {} if key is None else {"Authorization": key or world.api_key}
        answer = asyncio.run(self._ask(method, path, content, headers))
        kept = "".join(f" {name}={answer.headers[name]}" for name in HEADERS_KEPT if name in answer.headers)
        asked = "" if body is None or isinstance(body, bytes) else f" {json.dumps(body)}"
        self.record.add(f"{method} {path}{asked}", f"{answer.status_code}{kept}\n{answer.text}")
        return answer.json().get("response")

    async def _ask(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(app=cast("Any", self._front))
        async with httpx.AsyncClient(transport=transport, base_url="http://holdfast.test") as client:
            return await client.request(method, path, content=content, headers=headers)


def test_every_answer_is_as_it_was(tmp_path: Path) -> None:
    record = Record(GOLDEN / "answers.txt", {str(tmp_path): "<tmp>"})
    with recorded_instance(tmp_path) as world:
        record.replaced[world.account.id] = "<account>"
        call = Caller(create_app(world.instance), world, record)
        backup = _backups(call)
        _contents(call, backup)
        _jobs(call, backup)
        _schedules(call)
        _webhooks(call)
        _refusals(call, backup)
        _events(call)
        _snapshots(call)
    record.check()


def test_every_webhook_has_the_body_that_it_had(tmp_path: Path) -> None:
    record = Record(GOLDEN / "webhooks.txt", {str(tmp_path): "<tmp>"})
    with recorded_instance(tmp_path) as world:
        record.replaced[world.account.id] = "<account>"
        call = Caller(create_app(world.instance), world, Record(GOLDEN / "none"))
        backup = _backups(call)
        _jobs(call, backup)
        _enter_events(world)
        call("POST", "/v3/webhooks", {"url": TARGET})
        endpoint = all_endpoints(world.instance.catalog)[0]
        newest = {event.kind: event.seq for event in events_after(world.instance.catalog, 0, 1000)}
        deliveries = [(str(kind), newest[kind]) for kind in MESSAGE_KINDS if kind in newest]
        for kind, seq in [*deliveries, (TEST_KIND, None)]:
            for form in ("webhook", "apprise"):
                for account in (world.account.id, None):
                    told = msgspec.structs.replace(endpoint, kind=form, account_id=account)
                    body = body_of(world.instance, _delivery(world, kind, seq), told)
                    record.add(f"{kind} {form} {'customer' if account else 'operator'}", str(body))
    record.check()


def _delivery(world: Recorded, kind: str, seq: int | None) -> Delivery:
    now_ns = world.clock.ns
    return Delivery("0" * 32, "1" * 32, None, seq, kind, "", DeliveryState.PENDING, 0, None, now_ns, None, None, None)


def _backups(call: Caller) -> str:
    """One backup in each state, and what can be done with them; returns the path of a good one."""
    world, instance = call.world, call.world.instance
    base = f"/v3/apps/{world.app.id}/backups"
    for path in ("/v3/apps", f"/v3/apps/{world.app.id}", "/v3/account", "/v3/plans", "/healthz", "/readyz", base):
        call("GET", path)
    first = call("POST", base, {"name": "first ö"})
    call("GET", f"{base}/{first['id']}/log")
    run_backup(instance, first["id"])
    second = call("POST", base)
    start_backup(instance.catalog, second["id"], world.app.node, world.clock.ns)
    ns = world.clock.ns
    record_progress(instance.catalog, second["id"], TimedProgress(1, 2, 3, 4, ns, ns, 5, ns + 10**10))
    call("GET", f"{base}/{second['id']}")
    fail_backup(instance.catalog, second["id"], "STORE_FULL", "The disk is full.", world.clock.ns)
    call("GET", f"{base}/{second['id']}")
    world.write("hello.txt", b"hello, world\n")
    world.link("sub/link", "größe.bin")
    third = call("POST", base, {"name": "third", "is_locked": True})
    run_backup(instance, third["id"])
    call("POST", base, {"name": "waits"})
    for query in ("", "?view=full", "?limit=2", f"?limit=2&after={second['id']}", "?limit=1&view=full"):
        call("GET", f"{base}{query}")
    for path in ("/v3/backups", "/v3/backups?limit=1", "/v3/account", "/v3/apps", f"/v3/apps/{world.app.id}"):
        call("GET", path)
    call("PATCH", f"{base}/third", {"is_locked": False, "name": "renamed", "locked_until": "2025-01-01T00:00:00Z"})
    call("DELETE", f"{base}/renamed")
    call("GET", f"/v3/apps/{world.app.id}/retention")
    call("POST", f"/v3/apps/{world.other_app.id}/backups/import?name=up", b"no archive")
    return f"{base}/{first['id']}"


def _contents(call: Caller, backup: str) -> None:
    app = f"/v3/apps/{call.world.app.id}"
    for path in ("", "sub", "hello.txt", "none"):
        call("GET", f"{backup}/files?path={path}")
    call("GET", f"{backup}/diff?with=renamed")
    call("GET", f"{backup}/diff")
    for pattern in ("*.txt", "sub/*", ""):
        call("GET", f"{app}/find?pattern={pattern}")


def _jobs(call: Caller, backup: str) -> None:
    instance = call.world.instance

    def run(job_id: str) -> None:
        call.world.clock.ns += STEP_NS
        JOBS[get_job(instance, job_id).kind](instance, job_id)
        call("GET", f"/v3/jobs/{job_id}")

    for waiting in (call("GET", "/v3/backups") or [])[:1]:
        run_backup(instance, waiting["id"])
        call("GET", f"/v3/jobs/{waiting['id']}")
    verify = call("POST", f"{backup}/verify")
    call("GET", f"/v3/jobs/{verify['id']}")
    run(verify["id"])
    (call.world.root / "sub" / "more").write_bytes(b"x")
    call("POST", f"{backup}/restore", {"dry_run": True})
    restore = call("POST", f"{backup}/restore", {"mode": "overlay"})
    call("POST", f"{backup}/restore")
    run(restore["id"])
    cancelled = call("POST", f"{backup}/restore", {"paths": ["hello.txt"], "safety_backup": False})
    call("DELETE", f"/v3/jobs/{cancelled['id']}")
    call("DELETE", f"/v3/jobs/{cancelled['id']}")
    failing = call("POST", f"{backup}/restore", {"paths": ["none"]})
    run(failing["id"])
    for query in ("", "?limit=1"):
        call("GET", f"/v3/jobs{query}")


def _schedules(call: Caller) -> None:
    path = f"/v3/apps/{call.world.app.id}/schedule"
    call("GET", path)
    call("PUT", path, {"cron": "0 3 * * *", "retention": {"keep_daily": 9000}, "ignore": ["*.log"]})
    call("PUT", path, {})
    call("GET", path)
    call("GET", f"/v3/apps/{call.world.app.id}")
    call("GET", f"/v3/apps/{call.world.app.id}/retention")


def _webhooks(call: Caller) -> None:
    made = call("POST", "/v3/webhooks", {"url": TARGET, "label": "phone", "events": ["backup.failed"]})
    path = f"/v3/webhooks/{made['id']}"
    call("GET", "/v3/webhooks")
    call("PATCH", path, {"is_enabled": False, "label": "none"})
    call("GET", path)
    call("GET", f"{path}/deliveries")
    call("POST", f"{path}/secret")
    call("POST", f"{path}/test")
    call("DELETE", path)


def _snapshots(call: Caller) -> None:
    app = f"/v3/apps/{call.world.app.id}"
    for path in ("/v3/users/me", "/v3/users/snapshots", "/v3/users/snapshots?scope=databases", f"{app}/snapshots"):
        call("GET", path)
    for body in ({}, {"snapshotId": "first ö", "versionId": "0" * 32}):
        call("POST", f"{app}/snapshots/restore", body)


def _refusals(call: Caller, backup: str) -> None:
    never = "0" * 32
    for path in ("/v3/apps/x", f"/v3/apps/{never}", f"/v3/jobs/{never}", f"/v3/webhooks/{never}", "/nothing"):
        call("GET", path)
    call("GET", "/v3/account", key=None)
    call("GET", "/v3/account", key="hf_wrong")
    call("PUT", "/v3/account")
    call("PATCH", backup, {"nmae": 1})
    call("PATCH", backup, {"name": "renamed"})
    call("PATCH", backup, b"{")
    call("POST", "/v3/webhooks", {"url": "ftp://x"})
    call("GET", "/v3/backups?limit=0")
    call("GET", f"/v3/backups?after={never}")


def _events(call: Caller) -> None:
    """The first part of the stream of events: all that happened, and one of each kind that did not."""
    world = call.world
    world.clock.ns += STEP_NS
    _enter_events(world)
    data = asyncio.run(_stream(call, "/v3/events?after=0", lambda text: text.count("event: ") > 20))
    call.record.add("GET /v3/events?after=0", data)
    data = asyncio.run(_stream(call, "/v3/events?after=999999", lambda text: "event: gap" in text))
    call.record.add("GET /v3/events?after=999999", data)


def _enter_events(world: Recorded) -> None:
    """One of each kind that does not come by itself here."""
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    ids: dict[str, Any] = {"app_id": world.app.id, "backup_id": backup.id}
    error: dict[str, Any] = {"code": "DAMAGED", "message": "1 of its files can't be read: a.txt."}
    with world.instance.catalog.write() as connection:
        for kind, data in (
            (EventKind.BACKUP_OVERDUE, {"error": error, "is_running": True}),
            (EventKind.VERIFY_FAILED, error),
        ):
            enter_event(connection, kind, world.account.id, world.clock.ns, **ids, **data)


async def _stream(call: Caller, path: str, is_enough: Callable[[str], bool]) -> str:
    """What a stream sends until `is_enough`; then the client goes."""
    raw, query = path.split("?")
    gone = asyncio.Event()
    sent: list[bytes] = []

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))
        if is_enough(b"".join(sent).decode()):
            gone.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": raw,
        "raw_path": raw.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"holdfast.test"), (b"authorization", call.world.api_key.encode())],
        "client": ("127.0.0.1", 1),
        "scheme": "http",
        "server": ("holdfast.test", 80),
        "http_version": "1.1",
        "root_path": "",
        "asgi": {"version": "3.0"},
    }
    async with asyncio.timeout(20):
        await call._front(cast("Any", scope), cast("Any", receive), send)
    return b"".join(sent).decode()
