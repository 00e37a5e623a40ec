"""The durable executor, as the queue needs it. `executor.py` implements it with DBOS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from holdfast.catalog.records import Work

Steps = Sequence[tuple[str, Callable[[str], None]]]
"""The steps of one kind of work, each with its name. A step gets the work's id; it is run again if its process dies
within it."""


class Executor(Protocol):
    """Runs claimed work step by step, and keeps which steps are done, so that a restart goes on behind the last one."""

    def start(self) -> None:
        """Go on with what a dead process of this node left."""

    def run(self, work: Work) -> None:
        """Run all steps of claimed work in this thread. Raises what a step raises."""

    def close(self) -> None:
        """Wait for what was gone on with, and release everything."""
