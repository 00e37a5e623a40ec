"""The periodic tasks of a node."""

from __future__ import annotations

from holdfast.catalog.events.counters import store_counters
from holdfast.catalog.events.log import forget_events
from holdfast.service.host.ends import erase_due
from holdfast.service.instance.home import Instance
from holdfast.service.integrity import prove, read_back, retake
from holdfast.service.integrity.reconcile import reconcile_due
from holdfast.service.jobs.leftovers import sweep_leftovers
from holdfast.service.notify.dispatch import deliver_due, forget_old
from holdfast.service.people.audit import forget_old as forget_old_audit
from holdfast.service.people.ended import forget_ended
from holdfast.service.policy.overdue import raise_overdue
from holdfast.service.registry import trash
from holdfast.service.retention.prune import prune_due
from holdfast.service.retention.retain import retain_due
from holdfast.service.standing.days import forget_old as forget_old_days
from holdfast.service.take import schedule
from holdfast.units import DAY_NS
from holdfast.vault.control import ControlOf
from holdfast.worker.job_kinds import recover
from holdfast.worker.periodic import PeriodicTask

EVENTS_KEPT_NS = 30 * DAY_NS
"""A client may be offline at most this long without losing events."""


def _forget_events(instance: Instance, control: ControlOf[object]) -> None:
    store_counters(instance.catalog, instance.clock.now_ns())  # what goes must have been counted
    forget_events(instance.catalog, instance.clock.now_ns() - EVENTS_KEPT_NS)


PERIODIC_TASKS: tuple[PeriodicTask, ...] = (
    PeriodicTask("forget-events", 3600, _forget_events),
    PeriodicTask("forget-audit", 3600, forget_old_audit),
    PeriodicTask("forget-days", 3600, forget_old_days),
    PeriodicTask("recover", 15, lambda instance, _: recover(instance)),
    PeriodicTask("tick", 1, schedule.tick),
    PeriodicTask("set-schedules-right", 3600, lambda i, control: schedule.recompute(i, i.config.node, control)),
    PeriodicTask("say-overdue", 5, raise_overdue),
    PeriodicTask("read-back", read_back.RUN_SECONDS, read_back.read_back),
    PeriodicTask("take-afresh", retake.RUN_SECONDS, lambda instance, _: retake.retake(instance)),
    PeriodicTask("prove", prove.RUN_SECONDS, lambda instance, _: prove.prove_due(instance)),
    PeriodicTask("retain", 3600, retain_due),
    PeriodicTask("empty-trash", trash.RUN_SECONDS, trash.empty_due),
    PeriodicTask("prune", 300, prune_due),
    PeriodicTask("reconcile", 1800, reconcile_due),
    PeriodicTask("keep-tally", 60, lambda instance, _: store_counters(instance.catalog, instance.clock.now_ns())),
    PeriodicTask("erase-ended", 60, erase_due),
    PeriodicTask("sweep-leftovers", 3600, lambda instance, _: sweep_leftovers(instance)),
    PeriodicTask("forget-ended", 3600, lambda instance, _: forget_ended(instance, instance.clock.now_ns())),
    PeriodicTask("deliver-notices", 2, deliver_due),
    PeriodicTask("forget-deliveries", 3600, lambda instance, _: forget_old(instance)),
)
