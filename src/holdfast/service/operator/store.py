"""The store as the operator's page shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from holdfast.catalog.backups.trash import Trash, trash_of
from holdfast.catalog.operator import history
from holdfast.catalog.operator import store as rows
from holdfast.catalog.operator.history import DaySums
from holdfast.catalog.operator.store import PackSums
from holdfast.catalog.statistics import PruneWanted, prune_wanted
from holdfast.service.instance.disks import Disk, disk_of
from holdfast.service.instance.home import Instance
from holdfast.service.operator.today import GROWTH_DAYS, full_on
from holdfast.service.standing.days import today
from holdfast.units import DAY_NS

PRUNED = "account.pruned"
REPAIRED = "account.repaired"
LAST_NS = 30 * DAY_NS
"""The audit is asked for no longer than this."""


@dataclass(frozen=True, slots=True)
class StoreState:
    """The store as it is now. `last`: when actions of the last 30 days were entered in the audit; `read_back_days`: 0
    for never."""

    disk: Disk | None
    packs: PackSums
    prune: PruneWanted
    trash: Trash
    last: dict[str, int]
    days: Sequence[DaySums]
    full_on: date | None
    read_back_days: int


def store_state(instance: Instance) -> StoreState:
    """Return the store as it is now, with a fixed number of queries."""
    now_ns = instance.clock.now_ns()
    catalog, days, last = instance.catalog, instance.config.read_back_days, today(instance)
    disk = disk_of(str(instance.home / "store"))
    sums = history.day_sums(catalog, str(last - timedelta(GROWTH_DAYS)), str(last))
    return StoreState(
        disk=disk,
        packs=rows.pack_sums(catalog, now_ns - (days or 3650) * DAY_NS),
        prune=prune_wanted(catalog),
        trash=trash_of(catalog),
        last=rows.last_of(catalog, (PRUNED, REPAIRED), now_ns - LAST_NS),
        days=sums,
        full_on=full_on(sums, disk, last),
        read_back_days=days,
    )
