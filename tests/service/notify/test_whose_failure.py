"""The operator is not alarmed by a customer's own doing: a cancelled backup, a refused import."""

from __future__ import annotations

import pytest
from kit.world import World

from holdfast.catalog.events.deliveries import list_deliveries
from holdfast.catalog.jobs.work import ask_cancel_backup
from holdfast.catalog.records import SYSTEM
from holdfast.service.doctor.apps import APP_CHECKS
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.take import run
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.sources.archive.errors import ArchiveRefused, ArchiveTooLarge
from holdfast.sources.port import SourceMissing, SourceTooLarge
from holdfast.stores.port import StoreFull
from holdfast.units import SECOND_NS
from holdfast.vault.errors import Cancelled

URL = "http://127.0.0.1:9999/"
CUSTOMERS = (Cancelled, ArchiveRefused, ArchiveTooLarge, SourceTooLarge)
OPERATORS = (StoreFull, SourceMissing)


def alarms(world: World, endpoint_id: str) -> tuple[int, int]:
    """Notices to the operator, and the doctor's findings on backups."""
    check = next(check for check in APP_CHECKS if check.name == "applications")
    return len(list_deliveries(world.instance.catalog, endpoint_id, 10)), len(list(check.run(world.instance)))


@pytest.mark.parametrize("error", [*CUSTOMERS, *OPERATORS])
def test_who_brought_it_about_is_who_is_alarmed(
    world: World, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    operators = add_endpoint(world.instance, None, URL, SYSTEM).endpoint.id
    assert world.take().state == "successful"

    def fail(*args: object) -> None:
        raise error("It did not work.")

    monkeypatch.setattr(run, "_take", fail)
    world.clock.ns += SECOND_NS
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert run_backup(world.instance, backup.id).state == "failed"
    assert alarms(world, operators) == ((1, 1) if error in OPERATORS else (0, 0))


def test_a_queued_backup_that_is_cancelled_alarms_nobody(world: World) -> None:
    operators = add_endpoint(world.instance, None, URL, SYSTEM).endpoint.id
    assert world.take().state == "successful"
    world.clock.ns += SECOND_NS
    backup, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert ask_cancel_backup(world.instance.catalog, backup.id, "It was cancelled.", world.clock.ns, SYSTEM)
    assert alarms(world, operators) == (0, 0)
