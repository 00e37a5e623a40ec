"""Periodic tasks go on whatever one run does, and stop when they are told to."""

from __future__ import annotations

import threading

from kit.world import World

from holdfast.service.instance.home import Instance
from holdfast.vault.control import ControlOf
from holdfast.worker.periodic import PeriodicTask, PeriodicTasks


def test_a_run_that_fails_does_not_end_the_task(world: World) -> None:
    runs = 0
    third = threading.Event()

    def run(instance: Instance, control: ControlOf[object]) -> None:
        nonlocal runs
        assert instance is world.instance
        runs += 1
        if runs == 3:
            third.set()
        raise ValueError("a fault of ours")

    tasks = PeriodicTasks(world.instance, [PeriodicTask("faulty", 0.001, run)])
    tasks.start()
    assert third.wait(20)
    tasks.stop()
    at_stop = runs
    assert not any(thread.name == "task-faulty" for thread in threading.enumerate())
    assert runs == at_stop


def test_a_long_run_hears_that_it_should_stop(world: World) -> None:
    began, ended = threading.Event(), threading.Event()

    def run(instance: Instance, control: ControlOf[object]) -> None:
        began.set()
        while not control.is_cancelled():
            threading.Event().wait(0.001)
        ended.set()

    tasks = PeriodicTasks(world.instance, [PeriodicTask("long", 3600, run)])
    tasks.start()
    assert began.wait(20)
    tasks.stop()
    assert ended.is_set()
