"""The rounds of a node: what runs by itself."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.catalog.events.counters import keep_tally
from holdfast.catalog.events.log import forget_events
from holdfast.service.instance.home import Instance
from holdfast.service.integrity import prove, read_back
from holdfast.service.integrity import retake as fresh
from holdfast.service.integrity.reconcile import reconcile_round
from holdfast.service.notify.dispatch import deliver_due, forget_old
from holdfast.service.policy.overdue import say_overdue
from holdfast.service.retention.prune import prune_due
from holdfast.service.retention.retain import retain_round
from holdfast.service.take import schedule
from holdfast.units import DAY_NS
from holdfast.worker.job_kinds import partition, recover
from holdfast.worker.periodic import Round, Turn
from holdfast.worker.port import Jobs

EVENTS_KEPT_NS = 30 * DAY_NS
"""So long can a listener be away and still miss nothing."""


def _alone(deed: Callable[[Instance, Callable[[], bool]], object]) -> Turn:
    """The turn of a deed that hands nothing to the queue."""
    return lambda instance, jobs, stopping: deed(instance, stopping)


def _forget_events(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    keep_tally(instance.catalog, instance.clock.now_ns())  # what goes must have been counted
    forget_events(instance.catalog, instance.clock.now_ns() - EVENTS_KEPT_NS)


def _recover(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    recover(instance)


def _tick(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    schedule.tick(instance, lambda b: jobs.enqueue_take(b.id, b.app_id, b.node), stopping)


def _set_schedules_right(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    schedule.set_right(instance, instance.config.node, stopping)


def _take_afresh(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    for backup in fresh.take_afresh(instance):
        jobs.enqueue_take(backup.id, backup.app_id, backup.node)


def _prove(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    job = prove.prove_due(instance)
    if job is not None:
        jobs.enqueue_job(job.id, partition(job), job.node)


def _keep_tally(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    keep_tally(instance.catalog, instance.clock.now_ns())


def _forget_deliveries(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    forget_old(instance)


DUTIES: tuple[Round, ...] = (
    Round("forget-events", 3600, _forget_events),
    Round("recover", 15, _recover),
    Round("tick", 1, _tick),
    Round("set-schedules-right", 3600, _set_schedules_right),
    Round("say-overdue", 5, _alone(say_overdue)),
    Round("read-back", read_back.TURN_SECONDS, _alone(read_back.read_back)),
    Round("take-afresh", fresh.TURN_SECONDS, _take_afresh),
    Round("prove", prove.TURN_SECONDS, _prove),
    Round("retain", 3600, _alone(retain_round)),
    Round("prune", 300, _alone(prune_due)),
    Round("reconcile", 1800, _alone(reconcile_round)),
    Round("keep-tally", 60, _keep_tally),
    Round("deliver-notices", 2, _alone(deliver_due)),
    Round("forget-deliveries", 3600, _forget_deliveries),
)
