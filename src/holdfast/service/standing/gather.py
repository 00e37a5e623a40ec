"""Gather the facts of applications: a fixed number of queries for up to AT_ONCE of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.catalog.backups.limits import Counts, account_times
from holdfast.catalog.backups.retention import Candidate, candidates
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.jobs.schedules import DueTimes
from holdfast.catalog.records import App, JobState, State
from holdfast.catalog.standing import rows
from holdfast.service.instance.home import Instance
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
    """An application as it is now. `stored_bytes`: what its backups added to the store; `content_bytes`: all that is in
    them; `event_seq`: the number of its account's newest event when all this was read; `backups`: as retention sees
    them, if they were asked for."""

    standing: Standing
    stored_bytes: int
    content_bytes: int
    event_seq: int
    backups: Sequence[Candidate] = ()


def standings(instance: Instance, apps: Sequence[App]) -> dict[str, Standing]:
    """Return the standings of applications, by their ids."""
    return {app_id: now.standing for app_id, now in gather(instance, apps).items()}


def gather(instance: Instance, apps: Sequence[App], *, with_backups: bool = False) -> dict[str, AppNow]:
    """Return applications as they are now, by their ids; of any accounts. At most three queries for AT_ONCE of them.

    `with_backups`: with all backups of each. Raises CatalogError.
    """
    found: dict[str, AppNow] = {}
    for start in range(0, len(apps), AT_ONCE):
        some = _Some(instance, apps[start : start + AT_ONCE], with_backups=with_backups)
        for app in some.apps:
            row = some.row_of(app)
            backups = some.backups.get(app.id, ())
            sums = row.sums
            stands = standing(some.facts_of(app))
            found[app.id] = AppNow(stands, sums.stored_bytes, sums.content_bytes, row.event_seq, backups)
    return found


class _Some:
    """Some applications, and their rows. `backups`: of those that may have as many as their plan allows, or of all."""

    def __init__(self, instance: Instance, apps: Sequence[App], *, with_backups: bool) -> None:
        self.apps = apps
        self._config = instance.config
        self._now_ns = now_ns = instance.clock.now_ns()
        accounts = {app.account_id for app in apps}
        since = now_ns - RESTORE_NEWS_NS - RESTORE_NS_MAX
        stored_plans = [name for name, plan in self._config.plans.items() if plan.storage_bytes]
        ids = [app.id for app in apps]
        self._rows = rows.standing_rows(instance.catalog, ids, accounts, now_ns, since, stored_plans)
        self._plans = {app.id: self._config.plans.get(self.row_of(app).plan) for app in apps}
        self.backups = self._candidates(
            instance.catalog, [app.id for app in apps if with_backups or self._is_near(app)]
        )
        self._limits = self._limits_of(instance.catalog)

    def row_of(self, app: App) -> rows.StandingRow:
        """Return the row of an application; an empty one if it was removed meanwhile."""
        return self._rows.get(app.id, _NO_ROW)

    def facts_of(self, app: App) -> Facts:
        """Return the facts of an application."""
        config, row = self._config, self.row_of(app)
        newest, plan = row.newest, row.plan
        return Facts(
            now=self._now_ns,
            created_at=app.created_at,
            good_id=newest.good_id or "",
            good_at=newest.good_at,
            warnings=newest.good_warnings or 0,
            backup=_going(row.backup),
            failed=_failed(newest),
            overdue_since=_overdue_since(newest, self._now_ns),
            notified_at=row.notified.account_at,
            operator_notified_at=row.notified.operator_at,
            node_silent_since=self._silent_since(row.beat_at),
            damaged=_damaged(row.damaged),
            proved_at=row.sums.proved_at,
            proof_ns_max=(PROOF_PERIODS * config.prove_days + 1) * DAY_NS if config.prove_days else 0,
            restore=_going(row.restore),
            restore_failed=_failed_restore(row.ended),
            restored=_restored(row.ended),
            limit=self._limits.get(app.id),
            plan_without="" if plan in config.plans and config.plans[plan].api_backups else plan,
            next_backup_at=newest.next_run_at,
            next_proof_at=newest.prove_at if config.prove_days else None,
        )

    def _silent_since(self, at: int | None) -> int | None:
        return at if at is not None and is_late((self._now_ns - at) / SECOND_NS) else None

    def _limits_of(self, catalog: Catalog) -> dict[str, Reached]:
        """Return the limits that are reached, by application; what no plan limits is not read."""
        plans = self._plans
        daily = {app.account_id for app in self.apps if (plan := plans[app.id]) is not None and plan.backups_per_day}
        times = account_times(catalog, daily, self._now_ns - DAY_NS)
        found = {}
        for app in self.apps:
            plan, stored = plans[app.id], self.row_of(app).live_bytes
            if plan is not None:
                own = self.backups.get(app.id, ()) if self._is_near(app) else ()
                counts = Counts("", (), times.get(app.account_id, ()), stored, tuple(own))
                reached = limit_reached(counts, plan, self._config.safety_days, self._now_ns)
                if reached is not None:
                    found[app.id] = reached
        return found

    def _is_near(self, app: App) -> bool:
        """Return True if an application may have as many backups as its plan allows that nothing may take away."""
        plan, row = self._plans[app.id], self.row_of(app)
        most = plan.backups_per_app if plan is not None else 0
        return bool(most) and row.sums.fixed + row.busy >= most  # one that a job works on may not go either

    def _candidates(self, catalog: Catalog, app_ids: Sequence[str]) -> dict[str, list[Candidate]]:
        found: dict[str, list[Candidate]] = {}
        for candidate in candidates(catalog, app_ids=app_ids) if app_ids else ():
            found.setdefault(candidate.app_id, []).append(candidate)
        return found


_NO_ROW = rows.StandingRow()


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
