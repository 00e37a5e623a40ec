"""The instance today: what needs the operator, counts that add up, and the numbers of the charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import msgspec

from holdfast.catalog.jobs.heartbeat import heartbeats
from holdfast.catalog.operator import apps as app_rows
from holdfast.catalog.operator import history
from holdfast.catalog.operator.apps import GoingRow as GoingRow
from holdfast.catalog.operator.history import DaySums as DaySums
from holdfast.catalog.operator.history import Failures as Failures
from holdfast.catalog.records import State
from holdfast.catalog.statistics import failing_deliveries
from holdfast.schemas.times import local_time
from holdfast.service.instance.disks import Disk, disk_of
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.heartbeat import is_late
from holdfast.service.operator.apps import AppState, app_states
from holdfast.service.policy.cron import Slot, jitter_of, parse_cron, slots
from holdfast.service.standing.days import today
from holdfast.units import DAY_NS, HOUR_NS, SECOND_NS

GROWTH_DAYS = 30
PROVED_DAYS = 8
"""Proof coverage is told of the applications proved within so many days."""
DURATION_DAYS = 7
DURATIONS_MAX = 20_000
HOURS = 24


@dataclass(frozen=True, slots=True)
class Counts:
    """All applications, each counted once: the parts add up to their number."""

    good: int
    failed: int
    missed: int
    not_begun: int

    @property
    def all(self) -> int:
        """The number of applications."""
        return self.good + self.failed + self.missed + self.not_begun


@dataclass(frozen=True, slots=True)
class Spread:
    """Durations of the good backups of a day, in seconds, from the request to the end; `slow`: 95 of 100 took less."""

    day: date
    middle: float
    slow: float
    count: int


@dataclass(frozen=True, slots=True)
class Today:
    """The instance as it is now. `due`: by node and hour from now on, how many backups begin by schedule; `beats`: when
    each node was last heard of; `full_on`: the day on which the store's disk is full, if it grows as it did."""

    now: int
    day: date
    apps: Sequence[AppState]
    counts: Counts
    going: Sequence[GoingRow]
    sums: DaySums
    days: Sequence[DaySums]
    durations: Sequence[Spread]
    given_up: Sequence[tuple[str, int, str]]
    beats: dict[str, int]
    disk: Disk | None
    proofs: Sequence[int]
    due: dict[str, list[int]] = field(default_factory=dict)
    full_on: date | None = None

    @property
    def silent(self) -> dict[str, int]:
        """The nodes that have not been heard of for too long, and since when."""
        return {node: at for node, at in self.beats.items() if is_late((self.now - at) / SECOND_NS)}

    @property
    def proved_share(self) -> float | None:
        """The share of the applications with a good backup that were proved within 8 days; None of none."""
        begun = [app for app in self.apps if app.row.good_at is not None]
        proved = sum(app.proved_at is not None and self.now - app.proved_at <= PROVED_DAYS * DAY_NS for app in begun)
        return proved / len(begun) if begun else None


def instance_today(instance: Instance) -> Today:
    """Return the instance as it is now, with seven queries. Raises CatalogError."""
    catalog, now_ns, last = instance.catalog, instance.clock.now_ns(), today(instance)
    going = app_rows.going(catalog)
    apps = app_states(instance, going)
    days = history.day_sums(catalog, str(last - timedelta(GROWTH_DAYS)), str(last))
    nothing = DaySums(str(last), *[0] * 7)
    disk = disk_of(str(instance.home / "store"))
    return Today(
        now=now_ns,
        day=last,
        apps=apps,
        counts=counts_of(apps),
        going=going,
        sums=next((one for one in days if one.day == nothing.day), nothing),
        days=days,
        durations=_spreads(instance, now_ns),
        given_up=failing_deliveries(catalog, now_ns - DAY_NS),
        beats=heartbeats(catalog),
        disk=disk,
        proofs=_proofs(apps, now_ns),
        due=_due(instance, apps, now_ns),
        full_on=full_on(days, disk, last),
    )


def counts_of(apps: Sequence[AppState]) -> Counts:
    """Count each application once: one that is overdue is missed, also when it failed."""
    missed = sum(app.is_overdue for app in apps)
    failed = sum(app.is_failing and not app.is_overdue for app in apps)
    rest = [app for app in apps if not app.is_overdue and not app.is_failing]
    not_begun = sum(app.row.good_at is None for app in rest)
    return Counts(len(rest) - not_begun, failed, missed, not_begun)


def full_on(days: Sequence[DaySums], disk: Disk | None, last: date) -> date | None:
    """Return the day on which the disk is full if it grows as in the last days; None: not within ten years."""
    if disk is None or len(days) < 2:
        return None
    span = (last - date.fromisoformat(days[0].day)).days
    grown = sum(one.grown for one in days[1:])
    if span < 2 or grown <= 0:
        return None
    left = disk.free_bytes * span // grown
    return last + timedelta(left) if left < 3650 else None


def _proofs(apps: Sequence[AppState], now_ns: int) -> list[int]:
    """Count applications by the days since they were proved: 0 to 7, older, never."""
    counts = Counter(9 if app.proved_at is None else min(8, max(0, now_ns - app.proved_at) // DAY_NS) for app in apps)
    return [counts[index] for index in range(10)]


class _Scheduled(msgspec.Struct, frozen=True):
    """The part of an application's settings that counts here."""

    cron: str | None = None


_scheduled = msgspec.json.Decoder(_Scheduled)


def _due(instance: Instance, apps: Sequence[AppState], now_ns: int) -> dict[str, list[int]]:
    """Count the runs of the next hours, by node: of each application the next one as it is set, and all behind it.

    The runs of a schedule are found once, however many applications have it.
    """
    zone, jitter, until_ns = instance.zone, instance.config.schedule_jitter_seconds, now_ns + HOURS * HOUR_NS
    slots_of: dict[str, list[Slot]] = {}
    found: dict[str, list[int]] = {}
    for app in apps:
        first, cron = app.row.next_run_at, _scheduled.decode(app.row.settings).cron
        if first is None or first >= until_ns:
            continue
        lane = found.setdefault(app.row.node, [0] * HOURS)
        lane[max(0, first - now_ns) // HOUR_NS] += 1
        if not cron:
            continue
        if cron not in slots_of:
            slots_of[cron] = slots(parse_cron(cron), now_ns, until_ns, zone, jitter)
        share, behind = jitter_of(app.row.app_id), max(first, now_ns)
        for slot in slots_of[cron]:
            at = slot.due_at(share)
            if behind < at < until_ns:
                lane[(at - now_ns) // HOUR_NS] += 1
    return dict(sorted(found.items()))


def _spreads(instance: Instance, now_ns: int) -> list[Spread]:
    taken: dict[date, list[float]] = {}
    for end, seconds in history.durations(instance.catalog, now_ns - DURATION_DAYS * DAY_NS, DURATIONS_MAX):
        taken.setdefault(local_time(end, instance.zone).date(), []).append(seconds)
    found = []
    for day, all_of_day in sorted(taken.items()):
        all_of_day.sort()
        count = len(all_of_day)
        found.append(Spread(day, all_of_day[(count - 1) // 2], all_of_day[(count - 1) * 95 // 100], count))
    return found


def running_count(going: Sequence[GoingRow]) -> tuple[int, int]:
    """Return how many backups and jobs run, and how many wait."""
    running = sum(one.state == State.RUNNING for one in going)
    return running, len(going) - running


def failures_of_day(instance: Instance) -> list[Failures]:
    """Return the failures of what was requested in the last day, by their codes, the most frequent first."""
    return history.failures(instance.catalog, instance.clock.now_ns() - DAY_NS)
