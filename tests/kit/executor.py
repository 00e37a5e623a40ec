"""An executor that keeps nothing: for tests of what is above and below it."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.catalog.records import Work
from holdfast.service.instance.home import Instance
from holdfast.worker.port import Steps


class StepsOnly:
    """`worker.port.Executor` that runs the steps and forgets them."""

    def __init__(self, instance: Instance, steps: Mapping[str, Steps]) -> None:
        self._steps = steps

    def start(self) -> None: ...

    def run(self, work: Work) -> None:
        for _, step in self._steps[work.kind]:
            step(work.id)

    def close(self) -> None: ...
