"""What the periodic tasks queue."""

from __future__ import annotations

from kit.world import World

from holdfast.catalog.backups.damage import Found, record_findings
from holdfast.catalog.backups.found import list_backups
from holdfast.catalog.jobs.queue import claim, waiting
from holdfast.catalog.records import Warned, Work
from holdfast.service.integrity.prove import prove_due
from holdfast.vault.control import NEVER
from holdfast.worker.periodic_tasks import PERIODIC_TASKS

DAY = 24 * 3600 * 1_000_000_000


def run(world: World, name: str) -> None:
    next(task for task in PERIODIC_TASKS if task.name == name).run(world.instance, NEVER)


def damaged(world: World) -> None:
    backup = world.take()
    world.clock.ns += 2 * DAY
    record_findings(world.instance.catalog, [Found(backup.id, (Warned("a", "DAMAGED", "Lost."),))], world.clock.ns)
    world.clock.ns += DAY


def queued(world: World) -> list[Work]:
    return waiting(world.instance.catalog, "main")


def test_fresh_backups_and_test_restores_are_queued_once(world: World) -> None:
    damaged(world)
    for _ in range(2):
        run(world, "take-afresh")
        run(world, "prove")
    retaken = list_backups(world.instance.catalog, world.app.id, None, None)[-1]
    backup, proof = sorted(queued(world), key=lambda work: work.kind)
    assert (backup.kind, backup.id, proof.kind) == ("backup", retaken.id, "prove")
    assert prove_due(world.instance) is None


def test_a_test_restore_does_not_hold_up_its_applications_backups(world: World) -> None:
    damaged(world)
    run(world, "prove")
    (prove,) = queued(world)
    assert claim(world.instance.catalog, prove, world.clock.ns)
    run(world, "take-afresh")
    (backup,) = queued(world)
    assert claim(world.instance.catalog, backup, world.clock.ns)
