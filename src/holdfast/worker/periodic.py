"""Periodic tasks: work that the jobs' process repeats beside the queue, each task on a thread of its own.

A task asks the catalog what is due and does it, or queues it. It keeps nothing in memory between two runs, so it may be
interrupted anywhere, and several nodes may run the same task at once: work that must be done only once is claimed in
the catalog, in the transaction that finds it due.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.service.instance.home import Instance
from holdfast.vault.control import ControlOf

STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """Work that is repeated: `run(instance, control)` is called every `seconds`, the first time at once.

    A stop cancels `control`: a long run asks it in between and returns early. An exception is logged, and the next run
    comes as usual.
    """

    name: str
    seconds: float
    run: Callable[[Instance, ControlOf[object]], object]


class PeriodicTasks:
    """The threads of all periodic tasks."""

    def __init__(self, instance: Instance, tasks: Sequence[PeriodicTask]) -> None:
        self._instance = instance
        self._stopping = threading.Event()
        self._control: ControlOf[object] = ControlOf(self._stopping.is_set)
        self._threads = [
            threading.Thread(target=self._repeat, args=(task,), name=f"task-{task.name}", daemon=True) for task in tasks
        ]

    def start(self) -> None:
        """Start all of them."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop them, and wait for the runs in progress."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _repeat(self, task: PeriodicTask) -> None:
        while not self._stopping.is_set():
            try:
                task.run(self._instance, self._control)
            except Exception:  # whatever it is: it must not end the task
                if not self._stopping.is_set():
                    _log.exception("round_failed", extra={"round": task.name, "again_in_seconds": task.seconds})
            self._stopping.wait(task.seconds)
