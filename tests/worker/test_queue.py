"""The queue: what is asked for is run once, on its node, also when nobody was there when it was asked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from kit.executor import StepsOnly
from kit.world import World

from holdfast.catalog.jobs import queue as rows
from holdfast.catalog.jobs.work import open_work
from holdfast.catalog.records import SYSTEM, App, JobState, State, Work
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.service.integrity.verify import request_verify
from holdfast.service.jobs.work import get_work
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import find_backup
from holdfast.service.take.failing import take_lock
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import take_now
from holdfast.worker import queue
from holdfast.worker.port import Steps
from holdfast.worker.queue import Worker
from holdfast.worker.supervisor import WatchedJobs

SECONDS = 60
LONG_SECONDS = 3600.0


class Gate(StepsOnly):
    """An executor that tells what it is given, and goes on when it may."""

    def __init__(self, instance: Instance, steps: Mapping[str, Steps]) -> None:
        super().__init__(instance, steps)
        self.given: list[str] = []
        self.changed = threading.Condition()
        self.may_go_on = threading.Semaphore(0)

    def run(self, work: Work) -> None:
        with self.changed:
            self.given.append(work.id)
            self.changed.notify_all()
        assert self.may_go_on.acquire(timeout=SECONDS)
        super().run(work)

    def wait_given(self, count: int) -> list[str]:
        """Wait until so much was given; all of it, in order."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.given) >= count, SECONDS)
            return list(self.given)


@pytest.fixture
def gated(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Worker, Gate]]:
    """A worker that never looks by itself, and its gate."""
    monkeypatch.setattr(queue, "POLL_SECONDS", LONG_SECONDS)
    made: list[Gate] = []

    def gate(instance: Instance, steps: Mapping[str, Steps]) -> Gate:
        made.append(Gate(instance, steps))
        return made[0]

    worker = Worker(world.instance, gate)
    worker.start()
    yield worker, made[0]
    made[0].may_go_on.release(1000)
    worker.stop()


def ended(instance: Instance, work_id: str) -> Work:
    """Ask until it has ended."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        work = get_work(instance, work_id)
        if work.state not in (JobState.QUEUED, JobState.RUNNING):
            return work
    pytest.fail("it did not end in time")


def more_apps(world: World, count: int) -> list[App]:
    return [add_app(world.instance, world.account.id, f"bot {number}", world.root, SYSTEM) for number in range(count)]


def test_what_was_queued_before_is_run_at_the_start(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    troubles: list[str] = []
    watched = WatchedJobs(world.instance.home, troubles.append)
    watched.start()
    assert watched.wait_ready(SECONDS)
    assert ended(world.instance, asked.id).state is JobState.SUCCESSFUL
    more, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert ended(world.instance, more.id).state is JobState.SUCCESSFUL
    watched.stop()
    assert troubles == []
    assert watched.pid is not None
    assert not Path(f"/proc/{watched.pid}").exists()


def test_whoever_asks_wakes_the_worker(world: World, gated: tuple[Worker, Gate]) -> None:
    _, gate = gated
    gate.may_go_on.release(1000)
    first, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert ended(world.instance, first.id).state is JobState.SUCCESSFUL
    verify = request_verify(world.instance, find_backup(world.instance, world.app.id, first.id), "main", SYSTEM)
    assert ended(world.instance, verify.id).state is JobState.SUCCESSFUL


def test_without_being_woken_the_worker_looks_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "POLL_SECONDS", 0.01)
    monkeypatch.setattr("holdfast.service.take.request.wake", lambda instance: None)
    worker = Worker(world.instance, StepsOnly)
    worker.start()
    try:
        asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
        assert ended(world.instance, asked.id).state is JobState.SUCCESSFUL
    finally:
        worker.stop()


def test_so_many_run_at_once_as_the_node_may_and_the_oldest_first(world: World, gated: tuple[Worker, Gate]) -> None:
    _, gate = gated
    asked = []
    for app in (world.app, *more_apps(world, 4)):
        asked.append(request_backup(world.instance, app.id, SYSTEM)[0].id)
        world.clock.ns += 1_000_000
    at_once = world.instance.config.takes_at_once
    assert gate.wait_given(at_once) == asked[:at_once]
    waiting = open_work(world.instance.catalog, [JobState.QUEUED])
    assert [work.id for work in waiting] == asked[at_once:]
    gate.may_go_on.release(1)
    assert gate.wait_given(at_once + 1) == asked[: at_once + 1]
    gate.may_go_on.release(1000)
    for one in asked:
        assert ended(world.instance, one).state is JobState.SUCCESSFUL
    assert gate.given == asked


def test_of_an_application_one_runs_at_a_time(world: World, gated: tuple[Worker, Gate]) -> None:
    _, gate = gated
    backup = take_now(world.instance, world.app.id, SYSTEM)
    jobs = []
    for _ in range(3):
        jobs.append(request_job_of(world, backup.id))
        world.clock.ns += 1_000_000
    assert gate.wait_given(1) == jobs[:1]
    assert len(open_work(world.instance.catalog, [JobState.RUNNING])) == 1
    gate.may_go_on.release(1000)
    for one in jobs:
        assert ended(world.instance, one).state is JobState.SUCCESSFUL
    assert gate.given == jobs


def request_job_of(world: World, backup_id: str) -> str:
    """One more verification of a backup, whatever is open of it."""
    from holdfast.service.integrity.verify import KIND
    from holdfast.service.jobs.lifecycle import request_job

    backup = find_backup(world.instance, world.app.id, backup_id)
    return request_job(world.instance, KIND, backup, world.app.id, "main", "{}", SYSTEM).id


def test_what_a_process_runs_itself_is_not_claimed(world: World, gated: tuple[Worker, Gate]) -> None:
    _, gate = gated
    for _ in range(5):
        assert take_now(world.instance, world.app.id, SYSTEM).state is State.SUCCESSFUL
    other, _ = request_backup(world.instance, more_apps(world, 1)[0].id, SYSTEM)
    assert gate.wait_given(1) == [other.id]


def test_what_somebody_held_is_begun_when_it_is_let_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "POLL_SECONDS", 0.01)
    looked = threading.Semaphore(0)
    waiting: Callable[..., list[Work]] = rows.waiting

    def look(*given: object) -> list[Work]:
        found = waiting(*given)
        if found:
            looked.release()
        return found

    monkeypatch.setattr(queue, "waiting", look)
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    worker = Worker(world.instance, StepsOnly)
    with held(world.instance, take_lock(asked.id)):
        worker.start()
        assert looked.acquire(timeout=SECONDS)
        assert looked.acquire(timeout=SECONDS)
        assert get_work(world.instance, asked.id).state is JobState.QUEUED
    assert ended(world.instance, asked.id).state is JobState.SUCCESSFUL
    worker.stop()
