"""Two workers on one PostgreSQL: each runs what is its node's, once, and is woken by whoever asks on the other one."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit.executor import StepsOnly

from holdfast.catalog.events.log import events_after
from holdfast.catalog.records import OPEN_JOBS, SYSTEM, App, EventKind, JobState, Work
from holdfast.service.instance.config import CONFIG_NAME
from holdfast.service.instance.home import Instance, create_instance, open_instance
from holdfast.service.jobs.work import get_work
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.take.request import request_backup
from holdfast.worker import queue
from holdfast.worker.queue import Worker
from holdfast.worker.supervisor import WatchedJobs

SECONDS = 60.0
APPS = 5


@dataclass
class Nodes:
    """Two homes with one catalog, and applications on each."""

    one: Instance
    two: Instance
    apps: list[App]


@pytest.fixture
def nodes(postgresql: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nodes]:
    monkeypatch.setenv("HOLDFAST_CATALOG_URL", postgresql())
    create_instance(tmp_path / "one", time_zone="Europe/Berlin").close()
    shutil.copytree(tmp_path / "one", tmp_path / "two", ignore=shutil.ignore_patterns("store"))
    (tmp_path / "two" / "store").symlink_to(tmp_path / "one" / "store")
    for name in ("one", "two"):
        config = tmp_path / name / CONFIG_NAME
        config.write_text(f'node = "{name}"\n{config.read_text()}')
    one, two = open_instance(tmp_path / "one"), open_instance(tmp_path / "two")
    account = add_account(one, "ana@example.com", "Silver", SYSTEM).account
    apps = []
    for number in range(APPS):
        for name, instance in (("one", one), ("two", two)):
            root = tmp_path / f"app-{name}-{number}"
            root.mkdir()
            (root / "file").write_bytes(os.urandom(1 << 20))
            apps.append(add_app(instance, account.id, root.name, root, SYSTEM))
    assert {app.node for app in apps} == {"one", "two"}
    yield Nodes(one, two, apps)
    one.close()
    two.close()


def ended(instance: Instance, work_id: str) -> Work:
    """Ask until it has ended."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        work = get_work(instance, work_id)
        if work.state not in OPEN_JOBS:
            return work
    pytest.fail("it did not end in time")


def starts(instance: Instance, backup_id: str) -> int:
    found = events_after(instance.catalog, 0, 10_000)
    return sum(event.kind is EventKind.BACKUP_STARTED and event.backup_id == backup_id for event in found)


def test_each_runs_what_is_its_nodes_and_each_backup_once(nodes: Nodes) -> None:
    before = [request_backup(nodes.one, app.id, SYSTEM)[0] for app in nodes.apps[: len(nodes.apps) // 2]]
    workers = [WatchedJobs(instance.home, lambda trouble: None) for instance in (nodes.one, nodes.two)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            assert worker.wait_ready(SECONDS)
        for backup in (
            *before,
            *(request_backup(nodes.two, app.id, SYSTEM)[0] for app in nodes.apps[len(nodes.apps) // 2 :]),
        ):
            work = ended(nodes.one, backup.id)
            assert (work.state, work.node) == (JobState.SUCCESSFUL, backup.node)
            assert starts(nodes.one, backup.id) == 1
    finally:
        for worker in workers:
            worker.stop()


def test_one_that_is_killed_loses_nothing_and_holds_up_nothing(nodes: Nodes) -> None:
    workers = [WatchedJobs(instance.home, lambda trouble: None) for instance in (nodes.one, nodes.two)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            assert worker.wait_ready(SECONDS)
        asked = [request_backup(nodes.one, app.id, SYSTEM)[0] for app in nodes.apps]
        pid = workers[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        for backup in asked:
            work = ended(nodes.one, backup.id)
            if backup.node == "two":
                assert work.state is JobState.SUCCESSFUL
            else:
                assert (work.state, work.error_code) in (
                    (JobState.SUCCESSFUL, None),
                    (JobState.FAILED, "INTERRUPTED"),
                )
            assert starts(nodes.one, backup.id) == 1
    finally:
        for worker in workers:
            worker.stop()


def test_what_is_asked_for_on_one_node_wakes_the_other(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "POLL_SECONDS", 3600.0)
    worker = Worker(nodes.two, StepsOnly)
    worker.start()
    try:
        app = next(app for app in nodes.apps if app.node == "two")
        for _ in range(3):
            asked, _ = request_backup(nodes.one, app.id, SYSTEM)
            assert ended(nodes.one, asked.id).state is JobState.SUCCESSFUL
    finally:
        worker.stop()
