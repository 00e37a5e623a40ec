"""The kinds of jobs, and the deed of each."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from holdfast.catalog.jobs.work import open_work
from holdfast.catalog.records import Job, JobState, Work
from holdfast.service.instance.home import Instance
from holdfast.service.integrity import prove, verify
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.restore import files as restore
from holdfast.service.restore import plan
from holdfast.service.take import run as take
from holdfast.units import SECOND_NS


class Deed(Protocol):
    """Runs a queued job of one kind to its end."""

    def __call__(self, instance: Instance, job_id: str, *, cancelled: Callable[[], bool]) -> Job: ...


DEEDS: dict[str, Deed] = {
    restore.KIND: restore.run_restore,
    verify.KIND: verify.run_verify,
    prove.KIND: prove.run_prove,
}


_log = logging.getLogger(__name__)


def run_job(instance: Instance, job_id: str, cancelled: Callable[[], bool]) -> Job:
    """Run a queued job of whatever kind. Raises NotFound."""
    return DEEDS[jobs.get_job(instance, job_id).kind](instance, job_id, cancelled=cancelled)


def recover(instance: Instance) -> None:
    """Bring to an end what a process of this node left running when it died. What goes wrong with one kind is logged,
    and the others are looked at all the same."""
    for look in (restore.recover_restores, verify.recover_verifies, prove.recover_proves, take.recover_backups):
        try:
            look(instance)
        except Exception as error:  # whatever it is: the next round looks again
            _log.warning("what a dead process left is not all brought to an end: %s", error, exc_info=error)


def waiting(instance: Instance, since_seconds: float = 0.0) -> list[Work]:
    """What of this node waits for its turn in the queue, for so long at least."""
    before = instance.clock.now_ns() - int(since_seconds * SECOND_NS)
    return [
        work
        for work in open_work(instance.catalog, [JobState.QUEUED], node=instance.config.node)
        if work.created_at <= before and not (work.kind == restore.KIND and plan.is_inline(work))
    ]


def partition(deed: Job | Work) -> str:
    """Of deeds in the same partition of a node's queue one runs at a time."""
    # A test restore writes nowhere near its application: it must not hold its backups up, but other test restores.
    return prove.KIND if deed.kind == prove.KIND else deed.app_id
