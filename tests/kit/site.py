"""A real server on a real instance, with three accounts and two applications: what the tests of this folder ask."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from holdfast.catalog.jobs.work import open_work
from holdfast.catalog.records import SYSTEM, App, Backup, JobState, Work
from holdfast.service.instance.clock import Clock
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.registry.accounts import NewAccount, add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.take.run import take_now
from holdfast.web.app import Front
from holdfast.web.server import WebServer, listen
from holdfast.worker.queue import Worker
from kit.executor import StepsOnly
from kit.links import key_of
from kit.shared_routes import create_front

WAIT_SECONDS = 20


@dataclass
class Site:
    """A server that runs, and what a test needs of it."""

    url: str
    instance: Instance
    front: Front
    server: WebServer
    silver: NewAccount
    app: App
    other: NewAccount
    other_app: App
    bronze: NewAccount
    folder: Path
    worker: Worker | None = None

    def start_worker(self) -> None:
        """Have what is queued run, in threads of this process."""
        assert self.worker is None
        self.worker = Worker(self.instance, StepsOnly)
        self.worker.start()

    def stop_worker(self) -> None:
        """Have what is queued wait."""
        if self.worker is not None:
            self.worker.stop()
            self.worker = None

    def queued(self) -> list[Work]:
        """What waits for the worker."""
        return open_work(self.instance.catalog, [JobState.QUEUED])

    def client(self, api_key: str | None = None, **more: Any) -> httpx.Client:
        headers = {} if api_key is None else {"Authorization": api_key}
        # Unverified, as it is plain HTTP: to load the authorities takes 24 ms of CPU.
        return httpx.Client(base_url=self.url, headers=headers, timeout=WAIT_SECONDS, verify=False, **more)

    def take(self, app: App | None = None, name: str | None = None) -> Backup:
        """A backup of an application, taken here and now."""
        done = take_now(self.instance, (app or self.app).id, SYSTEM, name=name)
        assert done.state == "successful", done.error_message
        return done

    def link(self, backup: Backup, suffix: str = "zip") -> str:
        """Path and query of a download."""
        return f"/{backup.account_id}_{quote(backup.name, safe='')}.{suffix}?{key_of(self.instance, backup)}"


def set_plans(instance: Instance, **limits: int) -> None:
    """Give all plans these limits; what is not named stays."""
    plans = {name: msgspec.structs.replace(plan, **limits) for name, plan in instance.config.plans.items()}
    instance.config = msgspec.structs.replace(instance.config, plans=plans)


def start_site(folder: Path, backups_host: str | None = None, clock: Clock | None = None) -> Iterator[Site]:
    """Make an instance and serve it; the generator's end stops both."""
    sockets = listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    instance = create_instance(
        folder / "home",
        base_url=url,
        backups_url=f"http://{backups_host}:{port}" if backups_host else None,
        time_zone="Europe/Berlin",
        clock=clock,
    )
    set_plans(instance, **dict.fromkeys(("cooldown_seconds", "account_cooldown_seconds", "backups_per_day"), 0))
    data = folder / "data"
    (data / "sub").mkdir(parents=True)
    (data / "hello.txt").write_text("hello\n" * 1000)
    (data / "sub" / "größe.bin").write_bytes(bytes(range(256)) * 512)
    silver, other, bronze = (
        add_account(instance, f"{plan.lower()}{n}@example.org", plan, SYSTEM)
        for n, plan in enumerate(("Silver", "Titanium", "Bronze"))
    )
    app, other_app = (add_app(instance, owner.account.id, "bot", data, SYSTEM) for owner in (silver, other))
    front = create_front(instance)
    ready = threading.Event()
    server = WebServer(front, sockets, lambda _: ready.set(), grace_seconds=5)
    thread = threading.Thread(target=server.serve_until_stopped)
    thread.start()
    assert ready.wait(WAIT_SECONDS)
    site = Site(url, instance, front, server, silver, app, other, other_app, bronze, data)
    try:
        yield site
    finally:
        site.stop_worker()
        server.stop()
        thread.join(WAIT_SECONDS)
        front.context.calls.shutdown()  # what was noted off a request's path has a connection of the instance
        instance.close()
