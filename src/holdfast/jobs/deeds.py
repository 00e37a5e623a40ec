"""The kinds of jobs, and the deed of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from holdfast.catalog.records import Job
from holdfast.service import jobs, prove, restore, verify
from holdfast.service.instance import Instance


class Deed(Protocol):
    """Runs a queued job of one kind to its end."""

    def __call__(self, instance: Instance, job_id: str, *, cancelled: Callable[[], bool]) -> Job: ...


DEEDS: dict[str, Deed] = {
    restore.KIND: restore.run_restore,
    verify.KIND: verify.run_verify,
    prove.KIND: prove.run_prove,
}


def run_job(instance: Instance, job_id: str, cancelled: Callable[[], bool]) -> Job:
    """Run a queued job of whatever kind. Raises NotFound."""
    return DEEDS[jobs.get_job(instance, job_id).kind](instance, job_id, cancelled=cancelled)


def recover(instance: Instance) -> None:
    """Bring to an end what a process of this node left running when it died."""
    restore.recover_restores(instance)
    verify.recover_verifies(instance)
    prove.recover_proves(instance)


def partition(job: Job) -> str:
    """Of jobs in the same partition of a node's queue one runs at a time."""
    # A test restore writes nowhere near its application: it must not hold its backups up, but other test restores.
    return prove.KIND if job.kind == prove.KIND else job.app_id
