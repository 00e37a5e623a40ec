"""What the rounds hand to the queue, and what becomes of it when there is none."""

from __future__ import annotations

import pytest
from kit.world import World

from holdfast.catalog.backups.damage import Found, enter_found
from holdfast.catalog.backups.rows import list_backups
from holdfast.catalog.records import Warned
from holdfast.service.integrity.prove import prove_due
from holdfast.worker.job_kinds import waiting
from holdfast.worker.periodic_tasks import DUTIES

DAY = 24 * 3600 * 1_000_000_000


class Queue:
    """`worker.port.Jobs` that only notes what it is given, or breaks."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self.given: list[tuple[str, ...]] = []
        self._is_broken = is_broken

    def enqueue_take(self, backup_id: str, app_id: str, node: str) -> None:
        self._note("take", backup_id, app_id, node)

    def enqueue_job(self, job_id: str, app_id: str, node: str) -> None:
        self._note("job", job_id, app_id, node)

    def close(self) -> None: ...

    def _note(self, *what: str) -> None:
        if self._is_broken:
            raise OSError("the disk is full")
        self.given.append(what)


def turn(world: World, name: str, queue: Queue) -> None:
    next(duty for duty in DUTIES if duty.name == name).turn(world.instance, queue, lambda: False)


def damaged(world: World) -> None:
    backup = world.take()
    world.clock.ns += 2 * DAY
    enter_found(world.instance.catalog, [Found(backup.id, (Warned("a", "DAMAGED", "Lost."),))], world.clock.ns)
    world.clock.ns += DAY


def test_fresh_backups_and_test_restores_are_queued_once(world: World) -> None:
    damaged(world)
    queue = Queue()
    for _ in range(2):
        turn(world, "take-afresh", queue)
        turn(world, "prove", queue)
    fresh = list_backups(world.instance.catalog, world.app.id, None, None)[-1]
    # A test restore waits for other test restores, and not for its application's backups.
    assert [g[0] for g in queue.given] == ["take", "job"]
    assert queue.given[0][1:] == (fresh.id, world.app.id, "main")
    assert queue.given[1][2:] == ("prove", "main")


def test_what_cannot_be_queued_waits_until_it_can(world: World) -> None:
    damaged(world)
    for name in ("take-afresh", "prove"):
        with pytest.raises(OSError, match="full"):
            turn(world, name, Queue(is_broken=True))
    assert sorted(work.kind for work in waiting(world.instance)) == ["backup", "prove"]
    assert prove_due(world.instance) is None
