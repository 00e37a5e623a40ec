"""Answers that are held until what the request began is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from holdfast.catalog.records import Backup, Job, State, Work
from holdfast.service.jobs.work import get_work
from holdfast.service.registry.backups import backup_now
from holdfast.web.context import Context

POLL_SECONDS = 0.075
"""The interval at which a held answer reads what it waits for."""

T = TypeVar("T")


async def held_backup(context: Context, backup: Backup, seconds: int) -> tuple[Backup, bool]:
    """Poll a backup until it is finished, the time is over or the server stops; returns it, and if that was waited for.

    Without a time it never was: an answer that nobody wanted held says that the backup was requested.
    """

    def is_open(now: Backup) -> bool:
        return now.state in (State.QUEUED, State.RUNNING)

    return await _held(context, backup, seconds, is_open, lambda: backup_now(context.instance, backup.id))


async def held_job(context: Context, job: Job, seconds: int) -> tuple[Job, bool]:
    """As `held_backup`, for a job."""

    def read() -> Work:
        return get_work(context.instance, job.id)

    return await _held(context, job, seconds, lambda now: now.finished_at is None, read)


async def _held(
    context: Context, now: T, seconds: int, is_open: Callable[[T], bool], read: Callable[[], T]
) -> tuple[T, bool]:
    until = context.now() + seconds
    while is_open(now):
        left = until - context.now()
        if left <= 0 or context.draining:
            return now, False
        await asyncio.sleep(min(POLL_SECONDS, left))
        now = await context.call(read)
    return now, bool(seconds)
