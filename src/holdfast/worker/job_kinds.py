"""The kinds of work, the steps of each, and the recovery of what a dead process left."""

from __future__ import annotations

import logging
from collections.abc import Container
from functools import partial
from typing import Protocol

from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.jobs.work import BACKUP
from holdfast.catalog.records import Job, State, Work
from holdfast.service.instance.home import Instance
from holdfast.service.integrity import prove, verify
from holdfast.service.jobs.lifecycle import job_lock
from holdfast.service.restore import files as restore
from holdfast.service.restore import plan
from holdfast.service.retention.retain import retain_after
from holdfast.service.take import run as take
from holdfast.service.take.failing import recover_backups, take_lock
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import Stopped
from holdfast.worker.port import Steps


class RunJob(Protocol):
    """Runs a queued job of one kind to its end."""

    def __call__(self, instance: Instance, job_id: str, *, control: Control = NEVER, is_held: bool = False) -> Job: ...


JOBS: dict[str, RunJob] = {
    restore.KIND: restore.run_restore,
    verify.KIND: verify.run_verify,
    prove.KIND: prove.run_prove,
}

_log = logging.getLogger(__name__)


def steps_of(instance: Instance, claimed: Container[str], control: Control) -> dict[str, Steps]:
    """Return the steps of each kind of work; a cancel of `control` stops them.

    Work that is not `claimed` by this process is not begun: a dead process left it, and `recover` has ended it, or it
    waits in the queue again.
    """

    def stop() -> bool:
        if control.is_cancelled():
            raise Stopped("The server was stopped before it was finished.")
        return False

    stopped = Control(stop)

    def run_backup(backup_id: str) -> None:
        if backup_id in claimed:
            take.run_backup(instance, backup_id, control=stopped, is_held=True)

    def retain(backup_id: str) -> None:
        backup = backup_by_id(instance.catalog, backup_id)
        if backup is not None and backup.state is State.SUCCESSFUL and not control.is_cancelled():
            retain_after(instance, backup.app_id, control)

    def run_job(kind: str, job_id: str) -> None:
        if job_id in claimed:
            JOBS[kind](instance, job_id, control=stopped, is_held=True)

    jobs: dict[str, Steps] = {kind: ((kind, partial(run_job, kind)),) for kind in JOBS}
    return jobs | {BACKUP: (("take", run_backup), ("retain", retain))}


def lock_name(work: Work) -> str:
    """Return the name of the lock that a process holds while it runs the work."""
    return take_lock(work.id) if work.kind == BACKUP else job_lock(work.id)


def is_for_queue(work: Work) -> bool:
    """Return False for a restore that only the process that requested it may begin."""
    return work.kind != restore.KIND or not plan.is_inline(work)


def recover(instance: Instance) -> None:
    """End the work that a process of this node left running when it died. An error with one kind is logged, and the
    others are still recovered."""
    for recover_kind in (
        restore.recover_restores,
        verify.recover_verifies,
        prove.recover_proves,
        recover_backups,
    ):
        try:
            recover_kind(instance)
        except Exception as error:  # whatever it is: the next run looks again
            _log.warning("what a dead process left is not all brought to an end: %s", error, exc_info=error)
