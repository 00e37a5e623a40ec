"""The queue with DBOS (durable workflows in SQL), on SQLite or PostgreSQL.

What we set, and why: a queue per node, so that a node runs only the jobs of its own applications; the application as
partition, one at a time in each; a constant application version, because the default is a hash of our source and would
strand every job at an upgrade; the node as executor id; JSON instead of pickle; WAL for the SQLite file; old workflows
deleted by ourselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSClient, DBOSConfig, DBOSPortableJSONSerializer
from sqlalchemy import Engine, create_engine, event

from holdfast.catalog.jobs.work import BACKUP
from holdfast.catalog.records import State, Work
from holdfast.service.instance.config import Config
from holdfast.service.instance.home import Instance
from holdfast.service.retention.retain import retain_after
from holdfast.service.take.run import run_backup
from holdfast.vault.errors import Stopped
from holdfast.worker.job_kinds import partition, run_job

APPLICATION = "holdfast"
APPLICATION_VERSION = "1"
TAKE = "take"
JOB = "job"
POLL_SECONDS = 0.1
REQUEUE_AFTER_SECONDS = 3.0
"""What waits for longer than this and is not in the queue was lost on its way there."""

ASK_AT_ONCE = 500
ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
KEEP_FINISHED_SECONDS = 7 * 24 * 3600
NOT_BEGUN = "not begun"


def queue_name(node: str) -> str:
    """The queue of a node."""
    return f"node-{node}"


def jobs_engine(home: Path, config: Config) -> Engine:
    """Where the queue is kept: `jobs.sqlite`, or the catalog's PostgreSQL."""
    if config.catalog_url:
        return create_engine(config.catalog_url, pool_pre_ping=True)
    engine = create_engine(f"sqlite+pysqlite:///{home / 'jobs.sqlite'}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    return engine


class JobsClient:
    """`port.Jobs` for a process that only asks for jobs."""

    def __init__(self, home: Path, config: Config) -> None:
        self._engine = jobs_engine(home, config)
        self._client = DBOSClient(
            system_database_engine=self._engine,
            serializer=DBOSPortableJSONSerializer(),
            application_name=APPLICATION,
        )

    def enqueue_take(self, backup_id: str, app_id: str, node: str) -> None:
        self._enqueue(TAKE, backup_id, app_id, node)

    def enqueue_job(self, job_id: str, app_id: str, node: str) -> None:
        self._enqueue(JOB, job_id, app_id, node)

    def enqueue_lost(self, found: Sequence[Work]) -> int:
        """Have what waits in the catalog run that is not in the queue, or whose turn there came to nothing; returns how
        many there were."""
        lost = 0
        for at in range(0, len(found), ASK_AT_ONCE):
            part = found[at : at + ASK_AT_ONCE]
            ids = [work.id for work in part]
            known = self._client.list_workflows(workflow_ids=ids, load_input=False, load_output=False)
            ended = {workflow.workflow_id for workflow in known if workflow.status in ENDED}
            under_way = {workflow.workflow_id for workflow in known} - ended
            if ended:
                self._client.delete_workflows(list(ended))  # DBOS begins none of an id that it knows
            for work in part:
                if work.id not in under_way:
                    self._enqueue(TAKE if work.kind == BACKUP else JOB, work.id, partition(work), work.node)
                    lost += 1
        return lost

    def _enqueue(self, workflow: str, deed_id: str, app_id: str, node: str) -> None:
        self._client.enqueue(
            {
                "queue_name": queue_name(node),
                "workflow_name": workflow,
                "workflow_id": deed_id,
                "app_version": APPLICATION_VERSION,
                "queue_partition_key": app_id,
            },
            deed_id,
        )

    def close(self) -> None:
        self._client.destroy()
        self._engine.dispose()


class JobsWorker:
    """Works off the queue of one node. One per process: DBOS keeps its state in its class."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._engine = jobs_engine(instance.home, instance.config)
        self._stopping = threading.Event()
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": self._engine,
            "application_version": APPLICATION_VERSION,
            "executor_id": instance.config.node,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "console_log_level": "WARNING",
        }
        DBOS(config=config)
        node = instance.config.node

        @DBOS.step(name="run")
        def run(backup_id: str) -> str:
            return self._run(backup_id)

        @DBOS.workflow(name=TAKE)
        def take(backup_id: str) -> str:
            return run(backup_id)

        @DBOS.step(name="run_job")
        def run_one_job(job_id: str) -> str:
            if self._stopping.is_set():
                return NOT_BEGUN
            return str(run_job(self._instance, job_id, self._stop).state)

        @DBOS.workflow(name=JOB)
        def job(job_id: str) -> str:
            return run_one_job(job_id)

        DBOS.listen_queues([queue_name(node)])

    def _run(self, backup_id: str) -> str:
        # A step that is run again after a crash finds its backup failed (recover_backups) and leaves it so.
        if self._stopping.is_set():
            return NOT_BEGUN
        done = run_backup(self._instance, backup_id, cancelled=self._stop)
        if done.state is State.SUCCESSFUL:
            retain_after(self._instance, done.app_id, self._stopping.is_set)
        return str(done.state)

    def _stop(self) -> bool:
        """What the deeds ask. Raises Stopped when the process ends; nobody cancels them here."""
        if self._stopping.is_set():
            raise Stopped("The server was stopped before it was finished.")
        return False

    def start(self) -> None:
        """Begin to work on what is in the queue."""
        DBOS.launch()
        DBOS.register_queue(
            queue_name(self._instance.config.node),
            worker_concurrency=self._instance.config.takes_at_once,
            partition_concurrency=1,
            polling_interval_sec=POLL_SECONDS,
            on_conflict="always_update",
        )

    def prune(self, now: Callable[[], float] = time.time) -> int:
        """Delete workflows that ended long ago; returns how many."""
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now() - KEEP_FINISHED_SECONDS))
        old = DBOS.list_workflows(completed_before=before, load_input=False, load_output=False)
        DBOS.delete_workflows([workflow.workflow_id for workflow in old])
        return len(old)

    def stop(self) -> None:
        """Cancel what runs, wait for it to end, and leave."""
        self._stopping.set()
        DBOS.destroy(workflow_completion_timeout_sec=10)
        self._engine.dispose()
