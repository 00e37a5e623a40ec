"""The queue: what is asked for is run once, on its node, also when nobody was there when it was asked for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from kit.world import World

from holdfast.catalog.records import State
from holdfast.service.registry.backups import find_backup
from holdfast.service.take.run import request_backup
from holdfast.worker.queue import JobsClient
from holdfast.worker.supervisor import WatchedJobs

SECONDS = 60


def wait_finished(world: World, backup_id: str) -> State:
    """Ask until the backup is finished."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        state = find_backup(world.instance, world.app.id, backup_id).state
        if state not in (State.QUEUED, State.RUNNING):
            return state
    pytest.fail("the backup was not run in time")


def test_what_was_queued_before_is_run_at_the_start(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id)
    troubles: list[str] = []
    watched = WatchedJobs(world.instance.home, troubles.append)
    watched.start()
    assert watched.wait_ready(SECONDS)
    assert wait_finished(world, asked.id) is State.SUCCESSFUL
    client = JobsClient(world.instance.home, world.instance.config)
    more, _ = request_backup(world.instance, world.app.id)
    for _ in range(3):  # asked for thrice, run once
        client.enqueue_take(more.id, world.app.id, world.app.node)
    assert wait_finished(world, more.id) is State.SUCCESSFUL
    client.close()
    watched.stop()
    assert troubles == []
    assert watched.pid is not None
    assert not Path(f"/proc/{watched.pid}").exists()
