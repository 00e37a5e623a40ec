"""Processes that are killed at any moment: what was under way ends with a reason, and nothing runs twice at once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
from kit.command import PROGRAM
from kit.world import World

from holdfast.catalog.events.log import events_since
from holdfast.catalog.jobs import work as running
from holdfast.catalog.records import OPEN_JOBS, SYSTEM, Backup, EventKind, JobState, State, Work
from holdfast.service.access.download import Download
from holdfast.service.instance.clock import SystemClock
from holdfast.service.instance.home import Instance, open_instance
from holdfast.service.integrity.verify import request_verify
from holdfast.service.jobs.work import get_work
from holdfast.service.registry.backups import find_backup, list_backups
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import take_now
from holdfast.worker.supervisor import WatchedJobs

T = TypeVar("T")

SECONDS = 60.0
"""As long as what was under way may take after a restart."""


@pytest.fixture
def live(world: World) -> Iterator[Instance]:
    """The same instance with a clock that goes, as the processes have it."""
    instance = open_instance(world.instance.home, clock=SystemClock())
    yield instance
    instance.close()


@pytest.fixture
def watched(world: World) -> Iterator[WatchedJobs]:
    """The jobs' process, which runs and is started again when it dies."""
    jobs = WatchedJobs(world.instance.home, lambda trouble: None)
    jobs.start()
    assert jobs.wait_ready(SECONDS)
    yield jobs
    jobs.stop()


def until(look: Callable[[], T | None], seconds: float = SECONDS) -> T:
    """Ask until there is an answer that counts."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)
    return found


def ended(instance: Instance, work_id: str) -> Work:
    def look() -> Work | None:
        work = get_work(instance, work_id)
        return None if work.state in OPEN_JOBS else work

    return until(look)


def runs(instance: Instance, work_id: str) -> bool:
    return get_work(instance, work_id).state is not JobState.QUEUED


def kill(jobs: WatchedJobs) -> None:
    """As the machine's power goes: it and its workers."""
    pid = jobs.pid
    assert pid is not None
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for victim in (pid, *map(int, children)):
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue


def fill(world: World, megabytes: int) -> None:
    (world.root / "large.bin").write_bytes(random.Random(1).randbytes(megabytes << 20))


def left_over(world: World, instance: Instance) -> list[str]:
    """What nobody needs any more."""
    good = {b.id for b in list_backups(instance, world.app.id) if b.state is State.SUCCESSFUL}
    store = instance.home / "store"
    return [
        *({path.name for path in (store / "vaults").glob("*/backups/*")} - good),
        *(path.name for path in (store / "unfinished").iterdir()),
        *(path.name for path in instance.run.glob("copies-*")),
    ]


def reads(instance: Instance, backup: Backup) -> bool:
    """Whether all of a backup is there."""
    ready = Download(instance, backup, "tar.gz")
    return sum(len(piece) for piece in ready.stream(0, ready.length)) == ready.length


def started(instance: Instance, work_id: str) -> int:
    """How often something was begun."""
    kinds = (EventKind.BACKUP_STARTED, EventKind.RESTORE_STARTED, EventKind.VERIFY_STARTED)
    return sum(
        event.kind in kinds and work_id in (event.job_id, event.backup_id if event.job_id is None else None)
        for event in events_since(instance.catalog, 0, None, 1000)
    )


def test_a_backlog_and_what_runs_survive_kills_at_any_moment(
    world: World, live: Instance, watched: WatchedJobs
) -> None:
    fill(world, 24)
    chance = random.Random(7)
    for pause in (0.0, 0.3):
        asked, _ = request_backup(live, world.app.id, SYSTEM)
        until(partial(runs, live, asked.id))
        time.sleep(pause + chance.random() / 10)
        kill(watched)
        work = ended(live, asked.id)
        assert (work.state, work.error_code) in ((JobState.SUCCESSFUL, None), (JobState.FAILED, "INTERRUPTED"))
        assert started(live, asked.id) == 1
    good = take_now(live, world.app.id, SYSTEM)
    assert good.state is State.SUCCESSFUL
    assert reads(live, good)
    until(lambda: not left_over(world, live))


def test_restores_and_verifications_too(world: World, live: Instance, watched: WatchedJobs) -> None:
    fill(world, 24)
    good = take_now(live, world.app.id, SYSTEM)
    before = sorted(path.name for path in world.root.iterdir())
    (world.root / "large.bin").write_bytes(b"changed")
    for pause in (0.2,):
        restore = request_restore(live, good, world.app, Wanted(), SYSTEM)
        verify = request_verify(live, good, world.app.node, SYSTEM)
        until(partial(runs, live, restore.id))
        time.sleep(pause)
        kill(watched)
        for job in (restore, verify):
            work = ended(live, job.id)
            assert (work.state, work.error_code) in ((JobState.SUCCESSFUL, None), (JobState.FAILED, "INTERRUPTED"))
            assert started(live, job.id) <= 1
        assert sorted(path.name for path in world.root.iterdir()) == before
        assert not list(world.root.parent.glob(".holdfast-restore-*"))
        # A safety backup that was being made is ended as well, so that the next restore is not refused.
        until(lambda: not running.open_work(live.catalog))


def test_a_second_process_waits_and_then_makes_anew_what_the_stop_of_the_first_cut_off(
    world: World, live: Instance, watched: WatchedJobs
) -> None:
    fill(world, 240)  # longer to read than the second one is waited for
    asked, _ = request_backup(live, world.app.id, SYSTEM)
    until(lambda: get_work(live, asked.id).progress)
    second = WatchedJobs(live.home, lambda trouble: None)
    second.start()
    try:
        assert not second.wait_ready(0.5)
        watched.stop()
        stopped = find_backup(live, world.app.id, asked.id)
        assert (stopped.state, stopped.error_code) in ((State.QUEUED, None), (State.RUNNING, None))
        assert ended(live, asked.id).state is JobState.SUCCESSFUL
        assert started(live, asked.id) == 2
        assert reads(live, find_backup(live, world.app.id, asked.id))
        assert left_over(world, live) == []
    finally:
        second.stop()


def test_everything_is_killed_and_served_again(world: World, live: Instance) -> None:
    fill(world, 48)
    asked, _ = request_backup(live, world.app.id, SYSTEM)

    def serve() -> subprocess.Popen[bytes]:
        command = [*PROGRAM, "--home", str(live.home), "serve", "--port", "0"]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    first = serve()
    until(lambda: runs(live, asked.id))
    first.kill()  # its jobs' process finds out, and goes on for a moment
    first.wait()
    second = serve()
    try:
        work = ended(live, asked.id)
        assert (work.state, work.error_code) in ((JobState.SUCCESSFUL, None), (JobState.FAILED, "INTERRUPTED"))
        until((live.run / "server.json").exists)
        until(lambda: json.loads((live.run / "server.json").read_text())["pid"] == second.pid)
    finally:
        second.terminate()
        assert second.wait(SECONDS) == 0


def test_a_process_whose_parent_is_gone_before_it_is_ready_stops_in_order(world: World, live: Instance) -> None:
    fill(world, 48)
    asked, _ = request_backup(live, world.app.id, SYSTEM)
    command = [sys.executable, "-m", "holdfast.worker.process", str(live.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        until(partial(runs, live, asked.id))
        process.stdin.close()
        process.wait(SECONDS)
    work = get_work(live, asked.id)
    assert (work.state, work.error_code) in ((JobState.SUCCESSFUL, None), (JobState.QUEUED, None))
