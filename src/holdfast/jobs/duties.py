"""The rounds of a node: what runs by itself."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.catalog.events import forget_events
from holdfast.catalog.tally import keep_tally
from holdfast.jobs.deeds import partition
from holdfast.jobs.port import Jobs
from holdfast.jobs.rounds import Round
from holdfast.service import fresh, prove, read_back
from holdfast.service.instance import Instance

EVENTS_KEPT_NS = 30 * 24 * 3600 * 1_000_000_000
"""So long can a listener be away and still miss nothing."""


def _forget_events(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    keep_tally(instance.catalog, instance.clock.now_ns())  # what goes must have been counted
    forget_events(instance.catalog, instance.clock.now_ns() - EVENTS_KEPT_NS)


def _read_back(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    read_back.read_back(instance, stopping)


def _take_afresh(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    for backup in fresh.take_afresh(instance):
        try:
            jobs.enqueue_take(backup.id, backup.app_id, backup.node)
        except Exception:
            fresh.drop_queued(instance, backup)  # else it would hold all further ones up
            raise


def _prove(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    job = prove.prove_due(instance)
    if job is not None:
        try:
            jobs.enqueue_job(job.id, partition(job), job.node)
        except Exception:
            prove.drop_queued(instance, job)
            raise


def _keep_tally(instance: Instance, jobs: Jobs, stopping: Callable[[], bool]) -> None:
    keep_tally(instance.catalog, instance.clock.now_ns())


DUTIES: tuple[Round, ...] = (
    Round("forget-events", 3600, _forget_events),
    Round("read-back", read_back.TURN_SECONDS, _read_back),
    Round("take-afresh", fresh.TURN_SECONDS, _take_afresh),
    Round("prove", prove.TURN_SECONDS, _prove),
    Round("keep-tally", 60, _keep_tally),
)
