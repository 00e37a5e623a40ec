"""Schedules: when an application is backed up automatically, and the tick that starts what is due.

The row of an application with a schedule has its next due time (`next_run_at`). The tick finds those that are due by
one indexed query, and claims each in a transaction that advances the time and inserts the backup as queued. However
many times were missed (the machine was off), only the one in the row is made up for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.events.audit import entries
from holdfast.catalog.jobs import schedules as rows
from holdfast.catalog.jobs.schedules import DueTimes
from holdfast.catalog.records import SCHEDULE, Actor, App, AppSettings, AuditFilter, Backup, Retention
from holdfast.service.errors import Invalid
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.wake import wake
from holdfast.service.policy.cron import next_due, parse_cron, shortest_interval
from holdfast.service.policy.overdue import overdue_after
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.accounts import get_account, plan_of
from holdfast.service.registry.apps import get_app
from holdfast.service.take.ignore_patterns import checked_patterns
from holdfast.service.take.request import default_name, queued_backup
from holdfast.units import MINUTE_NS, SECOND_NS
from holdfast.vault.control import NEVER, Control

SCHEDULED = "scheduled"
"""Origin of a backup that nobody asked for. It is the host's: no limit of a customer's plan counts it."""

BATCH = 100

TAKEN_BACK_NS = 10 * MINUTE_NS
"""A change of a schedule can be taken back for this time."""

_log = logging.getLogger(__name__)


class Schedule(msgspec.Struct, frozen=True):
    """An application's settings. `cron`: empty for never; `ignore`: patterns in gitignore syntax."""

    cron: str = ""
    retention: Retention = Retention()
    ignore: tuple[str, ...] = ()


def schedule_of(app: App) -> Schedule:
    """An application's schedule."""
    return Schedule(app.settings.cron, app.settings.retention, app.settings.ignore)


def checked_retention(values: dict[str, Any]) -> Retention:
    """Retention of plain values. Raises Invalid (RETENTION)."""
    try:
        return msgspec.convert(values, Retention)
    except msgspec.ValidationError as error:
        if "$.keep_within" in str(error):
            text = f"keep_within must be like 36h, 30d or 8w, and not {values['keep_within']!r}."
        else:
            text = "The rules must be whole numbers from 0 to 100000, and keep_within like 36h, 30d or 8w."
        raise Invalid("retention", text) from None


def set_schedule(instance: Instance, app: App, schedule: Schedule, by: Actor, *, by_customer: bool = False) -> App:
    """Replace an application's schedule. Raises Invalid (CRON, IGNORE).

    `by_customer`: what the account's plan demands must hold; the operator may set what he likes.
    """
    change = _checked_change(instance, app, schedule, by_customer=by_customer)

    change_settings(
        instance.catalog,
        app.id,
        change,
        instance.clock.now_ns(),
        by,
        "schedule.set",
        lambda before, after: changed_times(instance, before, after),
    )
    store_record(instance, app.account_id)
    return get_app(instance, app.account_id, app.id)


def with_schedule(instance: Instance, app: App, schedule: Schedule) -> App:
    """Return an application as a customer's schedule would make it; nothing is changed. Raises as `set_schedule`."""
    change = _checked_change(instance, app, schedule, by_customer=True)
    return msgspec.structs.replace(app, settings=change(app.settings))


def schedule_before(instance: Instance, app: App) -> tuple[Schedule, int] | None:
    """Return the schedule that was replaced last, and the time in nanoseconds until which that can be taken back.

    None when nobody has changed it in the last ten minutes.
    """
    since = instance.clock.now_ns() - TAKEN_BACK_NS
    wanted = AuditFilter(account_id=app.account_id, app_id=app.id, action="schedule.set", since=since)
    for entry in entries(instance.catalog, wanted, 1):
        now = schedule_of(app)
        before = {"retention": {}, **msgspec.to_builtins(now), **entry.data.get("before", {})}
        return msgspec.convert(before, Schedule), entry.at + TAKEN_BACK_NS
    return None


def _checked_change(
    instance: Instance, app: App, schedule: Schedule, *, by_customer: bool
) -> Callable[[AppSettings], AppSettings]:
    """Return the change that a schedule makes to settings. Raises Invalid (CRON, IGNORE)."""
    patterns = checked_patterns(schedule.ignore)
    if schedule.cron:
        _check_plan(instance, app, schedule.cron, by_customer)
    return lambda settings: msgspec.structs.replace(
        settings, cron=schedule.cron, retention=schedule.retention, ignore=patterns
    )


def _check_plan(instance: Instance, app: App, text: str, by_customer: bool) -> None:
    cron = parse_cron(text)
    account = get_account(instance, app.account_id)
    least = plan_of(instance, account).schedule_minutes_min
    shortest = shortest_interval(cron, instance.clock.now_ns(), instance.zone) // (60 * SECOND_NS)
    if by_customer and shortest < least:
        raise Invalid(
            "cron",
            f"The plan {account.plan} has a backup every {least} minutes at most, and {text!r} comes after {shortest}; "
            "choose times further apart.",
        )


def changed_times(instance: Instance, before: App, after: App) -> dict[str, int | None]:
    """The columns that change with a schedule, or with an end; another time for the next run gives until then time to
    be overdue.
    """
    if (after.settings.cron, after.ended_at) == (before.settings.cron, before.ended_at):
        return {}
    if not after.settings.cron or after.ended_at is not None:
        return {"next_run_at": None, "overdue_at": None, "overdue_since": None}
    now_ns = instance.clock.now_ns()
    return {"next_run_at": _next_run(instance, after, now_ns), "overdue_at": overdue_after(instance, after, now_ns)}


def _next_run(instance: Instance, app: App, after_ns: int) -> int | None:
    """Return the time at which an application is due next; None without a schedule that can be read."""
    if not app.settings.cron:
        return None
    try:
        cron = parse_cron(app.settings.cron)
    except Invalid as error:
        _log.error("application %s (%s) has no scheduled backups: %s", app.name, app.id, error)
        return None
    return next_due(cron, after_ns, instance.zone, app.id, instance.config.schedule_jitter_seconds).at


def tick(instance: Instance, control: Control = NEVER) -> list[rows.Claimed]:
    """Queue the backups that are due on this node; return what was claimed. A cancel ends it early."""
    claimed: list[rows.Claimed] = []
    while not control.is_cancelled():
        now_ns = instance.clock.now_ns()
        found = rows.ids_of(instance.catalog, rows.due_query(instance.config.node, now_ns, BATCH))
        before = len(claimed)
        for app_id in found:
            run = _claim(instance, app_id, now_ns)
            if run is None:
                continue
            claimed.append(run)
            if run.backup is not None:
                wake(instance)
            else:
                _log.warning(
                    "the scheduled backup of application %s (%s) is left out this time: %s",
                    run.app.name,
                    run.app.id,
                    run.because,
                )
        if len(found) < BATCH or len(claimed) == before:
            break
    return claimed


def _claim(instance: Instance, app_id: str, now_ns: int) -> rows.Claimed | None:
    def backup(app: App, is_taken: Callable[[str], bool]) -> Backup | None:
        if not app.settings.cron:
            return None
        name = default = default_name(instance, SCHEDULED, now_ns)
        number = 1
        while is_taken(name):
            number += 1
            name = f"{default} ({number})"
        return queued_backup(app, name, SCHEDULED, False, now_ns)

    return rows.claim_run(
        instance.catalog, app_id, now_ns, lambda app: _next_run(instance, app, now_ns), backup, SCHEDULE
    )


def recompute(instance: Instance, node: str | None, control: Control = NEVER) -> int:
    """Recompute the due times that do not agree with their schedules; return how many were changed.

    They may disagree without a change of the schedule: after another time zone or jitter in the configuration, a
    rebuild of the catalog, or a clock that was far ahead when a time was computed. A time that has passed is left,
    since its run is to be made up for. `node`: only its applications; None: all.
    """
    changed = 0
    last_id = ""
    while not control.is_cancelled():
        page = rows.apps_with_times(instance.catalog, node, last_id, BATCH)
        for app, seen in page:
            times = _right_times(instance, app, seen)
            if times != seen:
                changed += rows.set_times(instance.catalog, app, seen, times)
        if len(page) < BATCH:
            break
        last_id = page[-1][0].id
    return changed


def _right_times(instance: Instance, app: App, seen: DueTimes) -> DueTimes:
    if not app.settings.cron or app.ended_at is not None:
        return DueTimes(None, None, None)
    now_ns = instance.clock.now_ns()
    next_run_at, overdue_at = seen.next_run_at, seen.overdue_at
    if next_run_at is None or next_run_at > now_ns:
        next_run_at = _next_run(instance, app, now_ns)
    latest = overdue_after(instance, app, now_ns)
    if seen.overdue_since is None and latest is not None and (overdue_at is None or overdue_at > latest):
        overdue_at = latest
    return DueTimes(next_run_at, overdue_at, seen.overdue_since)
