"""A jobs' process that hangs: everybody who asks sees it, and it is started again; one that works is left alone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.world import World

from holdfast.catalog.database.engine import Catalog, CatalogUnreachable
from holdfast.catalog.jobs import heartbeat as rows
from holdfast.service.jobs import heartbeat
from holdfast.service.jobs.heartbeat import BEAT_SECONDS, LATE_SECONDS, Heart, heartbeat_age, is_late
from holdfast.units import SECOND_NS
from holdfast.worker import supervisor
from holdfast.worker.supervisor import WatchedJobs

SECONDS = 30.0
SILENCE_SECONDS = 0.5
"""So that a process hangs after 3.5 s, and its loop goes round every two."""


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.02)


def test_a_process_that_is_stopped_is_ended_and_started_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "SILENCE_SECONDS", SILENCE_SECONDS, raising=False)
    troubles: list[str] = []
    jobs = WatchedJobs(world.instance.home, troubles.append)
    jobs.start()
    try:
        assert jobs.wait_ready(SECONDS)
        hung = jobs.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        until(lambda: troubles)
        assert "did not work for 3.5 s and was ended" in troubles[0]
        assert not Path(f"/proc/{hung}").exists()
        until(lambda: jobs.pid != hung and jobs.wait_ready(SECONDS))
        beaten = rows.heartbeats(world.instance.catalog)
        until(lambda: rows.heartbeats(world.instance.catalog) != beaten)
        assert len(troubles) == 1
    finally:
        jobs.stop()


class Listener:
    """What the server is told, and a clock that goes when it is told to."""

    def __init__(self, world: World) -> None:
        self.told = 0
        self.seconds = 0.0
        self.heart = Heart(world.instance, self.tell, lambda: self.seconds)

    def tell(self) -> None:
        self.told += 1

    def beat_for(self, world: World, seconds: int) -> None:
        for _ in range(seconds):
            self.seconds += 1
            world.clock.ns += SECOND_NS
            self.heart.beat()


def test_the_catalog_gets_a_beat_every_few_seconds_and_the_server_each(world: World) -> None:
    listener = Listener(world)
    assert heartbeat_age(world.instance) is None
    listener.beat_for(world, 1)
    assert heartbeat_age(world.instance) == 0
    listener.beat_for(world, int(BEAT_SECONDS) - 1)
    assert heartbeat_age(world.instance) == BEAT_SECONDS - 1
    listener.beat_for(world, 1)
    assert heartbeat_age(world.instance) == 0
    assert listener.told >= BEAT_SECONDS + 1


def test_a_catalog_that_takes_no_beat_stops_nothing_and_is_logged_once(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(catalog: Catalog, node: str, now_ns: int) -> None:
        raise CatalogUnreachable("The disk is full.")

    monkeypatch.setattr(heartbeat, "store_heartbeat", refuse)
    listener = Listener(world)
    listener.beat_for(world, 60)
    assert listener.told >= 60
    assert [record.getMessage() for record in caplog.records] == [
        "the catalog gets no heartbeat of the jobs' process: The disk is full."
    ]


def test_a_heart_is_late_when_a_beat_should_have_come_long_ago(world: World) -> None:
    rows.store_heartbeat(world.instance.catalog, "n" * 64, world.clock.ns)
    assert heartbeat_age(world.instance) is None
    world.clock.ns += 1_000 * SECOND_NS
    assert heartbeat_age(world.instance, "n" * 64) == 1000
    assert not is_late(None)
    assert not is_late(BEAT_SECONDS + LATE_SECONDS)
    assert is_late(BEAT_SECONDS + LATE_SECONDS + 0.1)
