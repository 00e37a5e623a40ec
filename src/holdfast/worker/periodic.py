"""Rounds: what the jobs' process does again and again beside the queue, each on a thread of its own.

A round looks at the catalog for what is due and does it, or hands it to the queue. It keeps nothing in memory between
two turns, so it may be cut off anywhere, and several nodes may make the same round at once: what must be done once is
claimed in the catalog, in the transaction that finds it due.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.service.instance.home import Instance
from holdfast.worker.port import Jobs

STOP_SECONDS = 10.0

_log = logging.getLogger(__name__)


Turn = Callable[[Instance, Jobs, Callable[[], bool]], object]


@dataclass(frozen=True, slots=True)
class Round:
    """`turn(instance, jobs, stopping)` is called every `seconds`, the first time at once.

    A turn that takes its time asks `stopping()` in between; what it raises is logged, and the next turn comes as ever.
    """

    name: str
    seconds: float
    turn: Turn


class Rounds:
    """The threads of all rounds."""

    def __init__(self, instance: Instance, jobs: Jobs, rounds: Sequence[Round]) -> None:
        self._instance = instance
        self._jobs = jobs
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._go, args=(one,), name=f"round-{one.name}", daemon=True) for one in rounds
        ]

    def start(self) -> None:
        """Begin all of them."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Have them stop, and wait for the turns that run."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _go(self, one: Round) -> None:
        while not self._stopping.is_set():
            try:
                one.turn(self._instance, self._jobs, self._stopping.is_set)
            except Exception:  # whatever it is: it must not end the round
                if not self._stopping.is_set():
                    _log.exception("round_failed", extra={"round": one.name, "again_in_seconds": one.seconds})
            self._stopping.wait(one.seconds)
