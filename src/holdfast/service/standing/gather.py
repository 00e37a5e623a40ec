"""Gather the facts of applications: a fixed number of queries for up to AT_ONCE of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.catalog.backups import standing as rows
from holdfast.catalog.backups.limits import Counts, account_times
from holdfast.catalog.backups.retention import Candidate, candidates
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.jobs.heartbeat import heartbeats
from holdfast.catalog.jobs.schedules import DueTimes
from holdfast.catalog.packs.ledger import counted_bytes_of
from holdfast.catalog.records import App, JobState, State
from holdfast.service.instance.home import Instance
from holdfast.service.instance.plans import PricePlan
from holdfast.service.jobs.heartbeat import is_late
from holdfast.service.policy.limits import Reached, limit_reached
from holdfast.service.policy.standing import (
    RESTORE_NEWS_NS,
    Damaged,
    Facts,
    Failed,
    Going,
    Restored,
    Standing,
    standing,
)
from holdfast.units import DAY_NS, SECOND_NS

AT_ONCE = 1000
"""Applications that one query asks for."""

PROOF_PERIODS = 2
"""A proof counts for so many times the period of test restores, and a day: one that is a little late says nothing."""

RESTORE_NS_MAX = 7 * DAY_NS
"""A restore that took longer is not seen to have failed."""


@dataclass(frozen=True, slots=True)
class AppNow:
    """An application as it is now. `stored_bytes`: what its backups added to the store."""

    standing: Standing
    stored_bytes: int


def standings(instance: Instance, apps: Sequence[App]) -> dict[str, Standing]:
    """Return the standings of applications, by their ids."""
    return {app_id: now.standing for app_id, now in gather(instance, apps).items()}


def gather(instance: Instance, apps: Sequence[App]) -> dict[str, AppNow]:
    """Return applications as they are now, by their ids; of any accounts. Raises CatalogError."""
    beats = heartbeats(instance.catalog) if apps else {}
    found: dict[str, AppNow] = {}
    for start in range(0, len(apps), AT_ONCE):
        some = _Some(instance, apps[start : start + AT_ONCE], beats)
        for app in some.apps:
            found[app.id] = AppNow(standing(some.facts_of(app)), some.sums_of(app.id).stored_bytes)
    return found


class _Some:
    """Some applications, and their rows."""

    def __init__(self, instance: Instance, apps: Sequence[App], beats: Mapping[str, int]) -> None:
        self.apps = apps
        self._config = instance.config
        self._beats = beats
        self._now_ns = now_ns = instance.clock.now_ns()
        accounts = {app.account_id for app in apps}
        since = now_ns - RESTORE_NEWS_NS - RESTORE_NS_MAX
        self._rows = rows.standing_rows(instance.catalog, [app.id for app in apps], accounts, now_ns, since)
        self._backups = {work.app_id: work for work in self._rows.work if work.kind == rows.BACKUP}
        self._restores = {w.app_id: w for w in self._rows.work if w.kind == rows.RESTORE and not w.is_hidden}
        self._limits = self._limits_of(instance.catalog)

    def sums_of(self, app_id: str) -> rows.Sums:
        """Return the sums over the backups of an application."""
        return self._rows.sums.get(app_id, rows.Sums())

    def facts_of(self, app: App) -> Facts:
        """Return the facts of an application."""
        newest = self._rows.newest.get(app.id) or rows.NewestBackups(app.id)  # one that was removed meanwhile has none
        config, proved_at = self._config, self.sums_of(app.id).proved_at
        plan, notified = self._rows.plans.get(app.account_id, ""), self._rows.notified.get(app.id, rows.Notified())
        return Facts(
            now=self._now_ns,
            created_at=app.created_at,
            good_id=newest.good_id or "",
            good_at=newest.good_at,
            warnings=newest.good_warnings or 0,
            backup=_going(self._backups.get(app.id)),
            failed=_failed(newest),
            overdue_since=_overdue_since(newest, self._now_ns),
            notified_at=notified.account_at,
            operator_notified_at=notified.operator_at,
            node_silent_since=self._silent_since(app.node),
            damaged=_damaged(self._rows.damaged.get(app.id)),
            proved_at=proved_at,
            proof_ns_max=(PROOF_PERIODS * config.prove_days + 1) * DAY_NS if config.prove_days else 0,
            restore=_going(self._restores.get(app.id)),
            restore_failed=_failed_restore(self._rows.restores.get(app.id)),
            restored=_restored(self._rows.restores.get(app.id)),
            limit=self._limits.get(app.id),
            plan_without="" if plan in config.plans and config.plans[plan].api_backups else plan,
            next_backup_at=newest.next_run_at,
            next_proof_at=newest.prove_at if config.prove_days else None,
        )

    def _silent_since(self, node: str) -> int | None:
        at = self._beats.get(node)
        return at if at is not None and is_late((self._now_ns - at) / SECOND_NS) else None

    def _limits_of(self, catalog: Catalog) -> dict[str, Reached]:
        """Return the limits that are reached, by application; what no plan limits is not read."""
        plans = {a: self._config.plans[p] for a, p in self._rows.plans.items() if p in self._config.plans}
        stored = counted_bytes_of(catalog, [a for a, plan in plans.items() if plan.storage_bytes])
        since = self._now_ns - DAY_NS
        times = account_times(catalog, [a for a, plan in plans.items() if plan.backups_per_day], since)
        own = self._candidates(catalog, plans)
        found = {}
        for app in self.apps:
            account, plan = app.account_id, plans.get(app.account_id)
            if plan is not None:
                counts = Counts("", (), times.get(account, ()), stored.get(account, 0), tuple(own.get(app.id, ())))
                reached = limit_reached(counts, plan, self._config.safety_days, self._now_ns)
                if reached is not None:
                    found[app.id] = reached
        return found

    def _candidates(self, catalog: Catalog, plans: Mapping[str, PricePlan]) -> dict[str, list[Candidate]]:
        """Return the backups of the applications that may have as many as their plan allows; of others none."""
        busy = Counter(work.app_id for work in self._rows.work)  # a backup that a job works on may not go either
        near = []
        for app in self.apps:
            most = plans[app.account_id].backups_per_app if app.account_id in plans else 0
            if most and self.sums_of(app.id).fixed + busy[app.id] >= most:
                near.append(app.id)
        found: dict[str, list[Candidate]] = {}
        for candidate in candidates(catalog, app_ids=near) if near else ():
            found.setdefault(candidate.app_id, []).append(candidate)
        return found


def _overdue_since(newest: rows.NewestBackups, now_ns: int) -> int | None:
    return DueTimes(newest.next_run_at, newest.overdue_at, newest.overdue_since).overdue_by(now_ns)


def _going(work: rows.OpenWork | None) -> Going | None:
    if work is None:
        return None
    is_queued = work.state == JobState.QUEUED
    return Going(id=work.id, since=work.created_at, progress=work.progress, is_queued=is_queued)


def _failed(newest: rows.NewestBackups) -> Failed | None:
    if newest.tried_state != State.FAILED:
        return None
    message = newest.tried_message or ""
    return Failed(
        id=newest.tried_id or "",
        since=newest.failing_since or 0,
        code=newest.tried_code or "",
        message=message,
        detail=newest.tried_detail or message,
        is_customers=bool(newest.is_tried_customers),
    )


def _failed_restore(ended: rows.EndedRestore | None) -> Failed | None:
    if ended is None or ended.state != JobState.FAILED:
        return None
    message = ended.message or ""
    return Failed(
        id=ended.id, since=ended.finished_at, code=ended.code or "", message=message, detail=ended.detail or message
    )


def _restored(ended: rows.EndedRestore | None) -> Restored | None:
    if ended is None or ended.state != JobState.SUCCESSFUL:
        return None
    return Restored(ended.id, ended.finished_at)


def _damaged(found: rows.DamagedBackups | None) -> Damaged | None:
    if found is None:
        return None
    code = rows.NOT_PROVED if found.is_not_proved else rows.DAMAGED
    return Damaged(count=found.count, backup_id=found.newest_id, code=code, since=found.found_at)
