"""Files that a process left in `run/` when it died go; those of living ones stay."""

from __future__ import annotations

import os

from kit.world import World

from holdfast.service.instance.locks import held
from holdfast.service.jobs.leftovers import sweep_leftovers
from holdfast.worker.periodic_tasks import PERIODIC_TASKS


def test_what_is_old_and_unused_goes(world: World) -> None:
    run = world.instance.run
    cut_off = ("restore-1.journal", "restore-1.journal.unfinished", "hook-1.json.unfinished")
    left = ("job-1.lock", "take-1.lock", "record-1.lock", *cut_off, "restore-1.done")
    young = ("job-2.lock", "restore-2.done")
    old_ns = world.instance.clock.now_ns() - 2 * 3600 * 10**9
    for name in (*left, *young):
        (run / name).touch()
        now_ns = world.instance.clock.now_ns()
        os.utime(run / name, ns=(now_ns, now_ns) if name in young else (old_ns, old_ns))
    with held(world.instance, "take-3"):
        os.utime(run / "take-3.lock", ns=(old_ns, old_ns))
        assert sweep_leftovers(world.instance) == len(left)
        assert {name for name in (*left, *young, "take-3.lock") if (run / name).exists()} == {*young, "take-3.lock"}
    assert sweep_leftovers(world.instance) == 0


def test_it_runs_by_itself() -> None:
    assert "sweep-leftovers" in {task.name for task in PERIODIC_TASKS}
