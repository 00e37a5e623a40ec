"""The durable executor ends as soon as it is asked to."""

from __future__ import annotations

import threading
import time

from kit.world import World

from holdfast.worker.executor import DurableExecutor

CLOSE_SECONDS_MAX = 5.0


def test_an_end_waits_for_no_sleeping_thread(world: World) -> None:
    """A thread of DBOS slept for a day, and each end waited ten seconds for it before it gave up."""
    executor = DurableExecutor(world.instance, {})
    executor.start()
    began = time.monotonic()
    executor.close()
    assert time.monotonic() - began < CLOSE_SECONDS_MAX


def test_no_thread_of_dbos_asks_the_database_every_second(world: World) -> None:
    executor = DurableExecutor(world.instance, {})
    executor.start()
    try:
        for thread in [thread for thread in threading.enumerate() if thread.name == "dbos-background-jobs"]:
            thread.join(CLOSE_SECONDS_MAX)
            assert not thread.is_alive()
    finally:
        executor.close()
