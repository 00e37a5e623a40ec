"""Overdue: an application with a schedule that has had no good backup for too long.

A good backup is a successful one of the application's folder, scheduled or not. After it (and after a schedule was set)
the next one is expected at the schedule's next time plus an *allowance*: the interval to the run after that, so that
one failure is not enough; but at least `overdue_grace_seconds`, which matters for schedules of minutes, and at most a
day, which matters for weekly and monthly ones. At that time `backup.overdue` is raised, once, and the application stays
overdue until its next good backup.
"""

from __future__ import annotations

import logging
from typing import Any

from holdfast.catalog.jobs import schedules as rows
from holdfast.catalog.records import App, State
from holdfast.schemas.times import iso
from holdfast.service.errors import Invalid
from holdfast.service.instance.home import Instance
from holdfast.service.policy.cron import next_due, parse_cron
from holdfast.units import DAY_NS, SECOND_NS
from holdfast.vault.control import NEVER, Control

ALLOWANCE_NS_MAX = DAY_NS
BATCH = 100

_log = logging.getLogger(__name__)


def overdue_after(instance: Instance, app: App, good_ns: int) -> int | None:
    """Return the time at which an application is overdue without a good backup after `good_ns`; None: no schedule."""
    if not app.settings.cron:
        return None
    try:
        cron = parse_cron(app.settings.cron)
    except Invalid:  # `service.take.schedule` says so
        return None
    config = instance.config
    due = next_due(cron, good_ns, instance.zone, app.id, config.schedule_jitter_seconds)
    return due.at + max(config.overdue_grace_seconds * SECOND_NS, min(due.interval, ALLOWANCE_NS_MAX))


def raise_overdue(instance: Instance, control: Control = NEVER) -> list[App]:
    """Raise `backup.overdue` for the applications that are overdue; return them. A cancel ends it early."""
    raised: list[App] = []
    while not control.is_cancelled():
        now_ns = instance.clock.now_ns()
        found = rows.ids_of(instance.catalog, rows.overdue_query(now_ns, BATCH))
        for app_id in found:
            app = rows.raise_overdue(instance.catalog, app_id, now_ns, lambda a, g, t: _data(instance, a, g, t))
            if app is not None:
                _log.warning("application %s (%s) is overdue: it has had no good backup in time", app.name, app.id)
                raised.append(app)
        if len(found) < BATCH:
            break
    return raised


def _data(instance: Instance, app: App, good_ns: int | None, last: rows.LastTry | None) -> dict[str, Any]:
    """Return the event's data: the application, its last good backup, and why the last attempt failed, if it did."""
    failed = last is not None and last.state is State.FAILED
    error = None
    if failed and last is not None:
        error = {"code": last.error_code, "message": last.error_message, "detail": last.error_detail}
    return {
        "app": app.name,
        "cron": app.settings.cron,
        "last_good_backup_at": None if good_ns is None else iso(good_ns, instance.zone),
        "error": error,
        "is_running": last is not None and last.state is State.RUNNING,
    }
