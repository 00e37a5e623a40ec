"""The metrics of the instance, read from the catalog on request, so that every process reports the same.

Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming/): base units, `_total` for what only
grows. Counts that only grow come from the counters; everything else is a gauge. There are series per application and
per account only up to `metrics_apps_max` of them; the sums are always present.
"""

from __future__ import annotations

import platform
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from threading import Lock
from typing import Any

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from holdfast.catalog import statistics
from holdfast.catalog.backups.trash import trash_of
from holdfast.catalog.events.counters import BUCKET_SECONDS, Counters, read_counters
from holdfast.catalog.packs.ledger import CONDEMNED, LIVE
from holdfast.catalog.records import JobState, State
from holdfast.service.instance.disks import Disk, disk_of
from holdfast.service.instance.home import Instance
from holdfast.service.instance.recovery_sheet import key_exported_at
from holdfast.service.jobs.heartbeat import heartbeat_age
from holdfast.units import SECOND_NS

CATALOG_SHARE = 20
"""A reading that took one second is kept for this many: monitoring costs at most a twentieth of a core."""

QUICK_SECONDS = 0.05
"""Readings that are quicker are made anew each time."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """The answers of the slower queries."""

    apps: list[statistics.AppStatistics]
    accounts: int
    backups: list[statistics.BackupStatistics]
    packs: list[statistics.PackStatistics]
    deliveries: list[statistics.DeliveryStatistics]


class InstanceCollector(Collector):
    """All of an instance that its catalog knows. For a registry of its own; safe to use from several threads."""

    def __init__(self, instance: Instance, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._instance = instance
        self._monotonic = monotonic
        self._lock = Lock()
        self._reading: _Reading | None = None
        self._good_until = 0.0

    def collect(self) -> Iterator[Metric]:
        """Raises CatalogError."""
        instance = self._instance
        now_ns = instance.clock.now_ns()
        reading = self._read()
        names = {"version": version("holdfast"), "python": platform.python_version()}
        yield InfoMetricFamily("holdfast_build", "The program.", names)
        exported = key_exported_at(instance) is not None
        yield _gauge("master_key_exported", "Whether `holdfast key export` was ever run (1) or not (0).", exported)
        age = heartbeat_age(instance)
        if age is not None:
            text = "Time since the jobs' process of this node last went through its loop."
            yield _gauge("jobs_heartbeat_age_seconds", text, age)
        yield from _apps(reading.apps, instance.config.metrics_apps_max, now_ns)
        yield from _stock(reading, instance.config.metrics_apps_max)
        yield from _waiting(statistics.waiting(instance.catalog), now_ns)
        yield from _deliveries(reading.deliveries, len(statistics.disabled_endpoints(instance.catalog)), now_ns)
        held = trash_of(instance.catalog)
        yield _gauge("trash_bytes", "Bytes of the store that only deleted backups in the trash need.", held.bytes)
        yield from _care(statistics.prune_wanted(instance.catalog), statistics.read_back(instance.catalog), now_ns)
        yield from _disks({name: disk_of(path) for name, path in _places(instance)})
        yield from _counts(read_counters(instance.catalog, now_ns))

    def _read(self) -> _Reading:
        """The slower figures, not older than what they cost allows."""
        with self._lock:
            started = self._monotonic()
            if self._reading is None or started >= self._good_until:
                catalog = self._instance.catalog
                self._reading = _Reading(
                    statistics.app_statistics(catalog, self._instance.clock.now_ns()),
                    statistics.count_accounts(catalog),
                    statistics.backup_statistics(catalog),
                    statistics.pack_statistics(catalog),
                    statistics.delivery_statistics(catalog),
                )
                ended = self._monotonic()
                took = ended - started
                self._good_until = ended + took * CATALOG_SHARE if took > QUICK_SECONDS else ended
            return self._reading


def _places(instance: Instance) -> Iterator[tuple[str, str]]:
    yield "home", str(instance.home)
    if instance.store is instance.identified:
        yield "store", str(instance.home / "store")


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"holdfast_{name}", text, value)


def _table(name: str, text: str, labels: tuple[str, ...], rows: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"holdfast_{name}", text, labels=labels)
    for values, value in rows.items():
        family.add_metric(values, value)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], rows: Mapping[Any, float]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"holdfast_{name}", text, labels=labels)
    for values, value in rows.items():
        family.add_metric(values, value)
    return family


def _apps(apps: list[statistics.AppStatistics], apps_max: int, now_ns: int) -> Iterator[Metric]:
    good = [app for app in apps if app.good_at is not None]
    yield _gauge("apps", "Applications.", len(apps))
    yield _gauge("apps_overdue", "Applications without a good backup within their schedule's time.", _overdue(apps))
    yield _gauge("apps_without_backup", "Applications that have no good backup at all.", len(apps) - len(good))
    yield _gauge("apps_last_backup_failed", "Applications whose newest backup failed.", sum(map(_has_failed, apps)))
    oldest = min((app.good_at for app in good if app.good_at is not None), default=None)
    if oldest is not None:
        text = "Age of the newest good backup of that application where it is oldest."
        yield _gauge("oldest_good_backup_age_seconds", text, _age(oldest, now_ns))
    is_shown = len(apps) <= apps_max
    yield _gauge(
        "app_series_shown", "Whether there are series per application (1), or more than metrics_apps_max (0).", is_shown
    )
    if not is_shown:
        return
    labels = ("app", "app_id", "account")
    keys = {app.app_id: (app.name, app.app_id, app.account_id) for app in apps}
    stamps = {keys[app.app_id]: (app.good_at or 0) / SECOND_NS for app in good}
    ages = {keys[app.app_id]: _age(app.good_at or 0, now_ns) for app in good}
    sizes = {keys[app.app_id]: float(app.good_bytes or 0) for app in good}
    yield _table(
        "last_good_backup_timestamp_seconds", "When the newest good backup was started (Unix time).", labels, stamps
    )
    yield _table("last_good_backup_age_seconds", "Time since the newest good backup was started.", labels, ages)
    yield _table("last_good_backup_content_bytes", "Bytes of the files in the newest good backup.", labels, sizes)
    overdue = {keys[app.app_id]: float(app.overdue_since is not None) for app in apps}
    failed = {keys[app.app_id]: float(_has_failed(app)) for app in apps}
    yield _table("app_overdue", "Whether the application is overdue (1) or not (0).", labels, overdue)
    yield _table("app_last_backup_failed", "Whether the newest backup failed (1) or not (0).", labels, failed)


def _overdue(apps: list[statistics.AppStatistics]) -> int:
    return sum(app.overdue_since is not None for app in apps)


def _has_failed(app: statistics.AppStatistics) -> bool:
    return app.last_state == State.FAILED and not app.is_last_customers


def _age(at: int, now_ns: int) -> float:
    return max(0, now_ns - at) / SECOND_NS


def _stock(reading: _Reading, accounts_max: int) -> Iterator[Metric]:
    """Yield the gauges of what is stored: backups, packs and their bytes."""
    yield _gauge("accounts", "Accounts.", reading.accounts)
    states: Counter[str] = Counter(dict.fromkeys(State, 0))
    content: defaultdict[str, int] = defaultdict(int)
    stored: defaultdict[str, int] = defaultdict(int)
    packs: Counter[str] = Counter({LIVE: 0, CONDEMNED: 0})
    pack_bytes: Counter[str] = Counter({LIVE: 0, CONDEMNED: 0})
    damaged = 0
    for row in reading.backups:
        states[row.state] += row.backups
        if row.state == State.SUCCESSFUL:
            content[row.account_id] += row.content_bytes
            damaged += row.damaged
    for pack in reading.packs:
        packs[pack.state] += pack.packs
        pack_bytes[pack.state] += pack.bytes
        stored[pack.account_id] += pack.bytes
    yield _table("backups", "Backups by state.", ("state",), {(state,): n for state, n in states.items()})
    yield _gauge("backups_damaged", "Backups with content that cannot be read any more.", damaged)
    yield _gauge("content_bytes", "Bytes of the files in all good backups, each counted whole.", sum(content.values()))
    yield _table("packs", "Packs by state.", ("state",), {(state,): n for state, n in packs.items()})
    yield _table(
        "pack_bytes", "Bytes that packs take in the store.", ("state",), {(s,): n for s, n in pack_bytes.items()}
    )
    if reading.accounts <= accounts_max:
        text = "Bytes of the files in an account's good backups, each counted whole."
        yield _table("account_content_bytes", text, ("account",), {(a,): n for a, n in content.items()})
        text = "Bytes that an account's packs take in the store."
        yield _table("account_pack_bytes", text, ("account",), {(a,): n for a, n in stored.items()})


def _waiting(rows: list[statistics.Waiting], now_ns: int) -> Iterator[Metric]:
    counts: dict[tuple[str, ...], float] = {("backup", "queued"): 0, ("backup", "running"): 0}
    ages: dict[tuple[str, ...], float] = {("backup",): 0}
    for row in rows:
        counts[row.kind, row.state] = row.count
        if row.state == JobState.QUEUED:
            ages[row.kind,] = _age(row.oldest_at, now_ns)
    yield _table("queue_length", "Backups and jobs that wait, run or are being deleted.", ("kind", "state"), counts)
    yield _table("queue_oldest_age_seconds", "How long the first one in the queue has waited.", ("kind",), ages)


def _deliveries(rows: list[statistics.DeliveryStatistics], disabled: int, now_ns: int) -> Iterator[Metric]:
    counts: dict[tuple[str, ...], float] = {("pending",): 0, ("failed",): 0}
    oldest = 0.0
    for row in rows:
        counts[row.state,] = row.count
        if row.state == "pending":
            oldest = _age(row.oldest_at, now_ns)
    yield _table("deliveries", "Notices to endpoints by state, as far as they are still kept.", ("state",), counts)
    yield _gauge("deliveries_oldest_pending_age_seconds", "Age of the oldest notice that is not delivered.", oldest)
    yield _gauge("endpoints_disabled", "Endpoints that are switched off.", disabled)


def _care(wanted: statistics.PruneWanted, read: statistics.ReadBack, now_ns: int) -> Iterator[Metric]:
    yield _gauge("prune_wanted_accounts", "Accounts with deleted backups that no prune has seen.", wanted.accounts)
    waited = 0.0 if wanted.oldest_at is None else _age(wanted.oldest_at, now_ns)
    yield _gauge("prune_wanted_age_seconds", "How long the first of them has waited.", waited)
    yield _gauge("packs_never_read_back", "Live packs that were never read back since they were written.", read.unread)
    if read.oldest_read_at is not None:
        text = "Time since the pack read back longest ago was read."
        yield _gauge("oldest_read_back_age_seconds", text, _age(read.oldest_read_at, now_ns))


def _disks(disks: dict[str, Disk | None]) -> Iterator[Metric]:
    there = {(name,): disk for name, disk in disks.items() if disk is not None}
    text = "Bytes that are free for Holdfast on the disk."
    yield _table("disk_free_bytes", text, ("disk",), {key: disk.free_bytes for key, disk in there.items()})
    yield _table(
        "disk_size_bytes", "Size of the disk.", ("disk",), {key: disk.size_bytes for key, disk in there.items()}
    )


def _counts(counters: Counters) -> Iterator[Metric]:
    """Yield the counters. A run is a backup or a job; its duration leaves out the wait in the queue."""
    yield _counter("events", "What happened, by kind.", ("kind",), {(kind,): n for kind, n in counters.events.items()})
    runs = {(kind, state): float(n) for kind, states in counters.ended.items() for state, n in states.items()}
    yield _counter("runs", "Backups and jobs that ended, by how.", ("kind", "state"), runs)
    ends = {(kind, state): at / SECOND_NS for kind, states in counters.last_end.items() for state, at in states.items()}
    text = "When one last ended so (Unix time)."
    yield _table("run_last_end_timestamp_seconds", text, ("kind", "state"), ends)
    failures = {(kind, code): float(n) for kind, codes in counters.failures.items() for code, n in codes.items()}
    yield _counter("run_failures", "Backups and jobs that failed, by the error's code.", ("kind", "code"), failures)
    durations = HistogramMetricFamily(
        "holdfast_run_duration_seconds", "How long successful backups and jobs took.", labels=("kind",)
    )
    for kind, taken in counters.durations.items():
        total = 0
        buckets = []
        for end, count in zip((*map(float, BUCKET_SECONDS), "+Inf"), taken.counts, strict=True):
            total += count
            buckets.append((str(end), total))
        durations.add_metric((kind,), buckets, taken.seconds)
    yield durations
    yield _counter("backup_files", "Files in the backups that were taken.", (), {(): counters.files})
    yield _counter(
        "backup_zip_bytes", "Bytes of the zips of the backups that were taken.", (), {(): counters.zip_bytes}
    )
    yield _counter("backup_stored_bytes", "Bytes that backups added to the store.", (), {(): counters.stored_bytes})
