"""Rounds go on whatever one turn does, and stop when they are told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kit.world import World

from holdfast.service.instance.home import Instance
from holdfast.worker.periodic import Round, Rounds


class NoQueue:
    """`worker.port.Jobs` that nobody listens to."""

    def enqueue_take(self, backup_id: str, app_id: str, node: str) -> None: ...

    def enqueue_job(self, job_id: str, app_id: str, node: str) -> None: ...

    def close(self) -> None: ...


def test_a_turn_that_fails_does_not_end_the_round(world: World) -> None:
    turns = 0
    third = threading.Event()

    def turn(instance: Instance, jobs: object, stopping: Callable[[], bool]) -> None:
        nonlocal turns
        assert instance is world.instance
        turns += 1
        if turns == 3:
            third.set()
        raise ValueError("a fault of ours")

    rounds = Rounds(world.instance, NoQueue(), [Round("faulty", 0.001, turn)])
    rounds.start()
    assert third.wait(20)
    rounds.stop()
    at_stop = turns
    assert not any(thread.name == "round-faulty" for thread in threading.enumerate())
    assert turns == at_stop


def test_a_long_turn_hears_that_it_should_stop(world: World) -> None:
    began, ended = threading.Event(), threading.Event()

    def turn(instance: Instance, jobs: object, stopping: Callable[[], bool]) -> None:
        began.set()
        while not stopping():
            threading.Event().wait(0.001)
        ended.set()

    rounds = Rounds(world.instance, NoQueue(), [Round("long", 3600, turn)])
    rounds.start()
    assert began.wait(20)
    rounds.stop()
    assert ended.is_set()
