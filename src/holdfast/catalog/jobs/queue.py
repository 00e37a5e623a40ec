"""The queue: the rows of backups and jobs in state `queued`. No other queue exists.

A worker looks at what waits and claims one row at a time. The claim is one statement that looks at the state which it
changes, so of many that claim the same row one gets it. Of work in the same *partition* one runs at a time: all of an
application, but for test restores, which wait for each other and hold nothing else up.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, exists, select, text

from holdfast.catalog.backups.changes.run import start_backup
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import backups, jobs
from holdfast.catalog.jobs.rows import start_job
from holdfast.catalog.jobs.work import BACKUP, open_work
from holdfast.catalog.records import JobState, State, Work

PROVE = "prove"
WAITING_MAX = 100


def waiting(catalog: Catalog, node: str) -> list[Work]:
    """The oldest queued work of a node whose partition is free, oldest first; at most WAITING_MAX."""
    return open_work(
        catalog, [JobState.QUEUED], node=node, limit=WAITING_MAX, conditions=(_is_job_free(), _is_backup_free())
    )


def claim(catalog: Catalog, work: Work, now_ns: int) -> bool:
    """queued -> running. False when it is not queued any more, or its partition is not free."""
    if work.kind == BACKUP:
        return start_backup(catalog, work.id, work.node, now_ns, _is_backup_free())
    return start_job(catalog, work.id, now_ns, _is_job_free())


# `state IN (...)` stands word for word, so that the index of the few rows that are open answers.
_running = jobs.alias("running_job")
_is_running_job = text("running_job.state IN ('queued', 'running')"), _running.c.state == JobState.RUNNING
_made = backups.alias("running_backup")
_is_running_backup = (
    text("running_backup.state IN ('queued', 'running', 'deleting')"),
    _made.c.state == State.RUNNING,
)


def _is_backup_free() -> ColumnElement[bool]:
    return ~_has(_running, *_is_running_job, _running.c.app_id == backups.c.app_id, _running.c.kind != PROVE)


def _is_job_free() -> ColumnElement[bool]:
    same_app = _has(_running, *_is_running_job, _running.c.app_id == jobs.c.app_id, _running.c.kind != PROVE)
    same_backup = _has(_made, *_is_running_backup, _made.c.app_id == jobs.c.app_id)
    other_prove = _has(_running, *_is_running_job, _running.c.node == jobs.c.node, _running.c.kind == PROVE)
    is_prove = jobs.c.kind == PROVE
    return (is_prove & ~other_prove) | (~is_prove & ~same_app & ~same_backup)


def _has(table: FromClause, *conditions: Any) -> ColumnElement[bool]:
    return exists(select(table.c.id).where(*conditions))
