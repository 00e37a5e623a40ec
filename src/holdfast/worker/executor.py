"""The durable executor with DBOS (workflows in SQL), on SQLite or PostgreSQL. Nothing else of DBOS is used.

A workflow has the id of its row and is deleted when it has ended: the outcome is in the catalog, and a backup that is
queued again runs again under its id.

Our settings, and why: a constant application version, because the default is a hash of our source and would strand all
work at an upgrade; the node as executor id; JSON instead of pickle; WAL for the SQLite file; no threads for queues and
schedules, since we have none and each queries the database every second.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID
from sqlalchemy import Engine, create_engine, event

from holdfast.catalog.database.engine import parsed_url
from holdfast.catalog.records import Work
from holdfast.service.instance.config import Config
from holdfast.service.instance.home import Instance
from holdfast.worker.port import Steps

APPLICATION = "holdfast"
APPLICATION_VERSION = "1"
SELDOM_SECONDS = 24 * 3600.0
LISTENER_SECONDS = 0.5
"""A sleep of a thread that nothing wakes: an end waits for it. It asks the database nothing unless somebody waits for a
notification, which nobody does here."""

ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED", "ENQUEUED"]
"""`ENQUEUED` are left from when DBOS had a queue."""

GOES_ON_SECONDS = 5.0
"""The queue waits at most this long for what a dead process left: mostly there is next to nothing to do."""

CLOSE_SECONDS = 10

_SUBSECONDS_SINCE = (3, 42)
"""The SQLite from which `unixepoch('subsec')` is known. Debian 12 has 3.40, whatever Python is built with it."""


class DurableExecutor:
    """`port.Executor` of one node. One per process: DBOS keeps its state in its class."""

    def __init__(self, instance: Instance, steps: Mapping[str, Steps]) -> None:
        """`steps`: of each kind of work."""
        self._node = instance.config.node
        self._engine = engine_of(instance.home, instance.config)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_engine": self._engine,
            "application_version": APPLICATION_VERSION,
            "executor_id": instance.config.node,
            "serializer": DBOSPortableJSONSerializer(),
            "log_level": "WARNING",
            "console_log_level": "WARNING",
            "use_listen_notify": False,
            "notification_listener_polling_interval_sec": LISTENER_SECONDS,
            "scheduler_polling_interval_sec": SELDOM_SECONDS,
        }
        self._dbos = DBOS(config=config)

        @DBOS.step(name="step")
        def run_step(kind: str, name: str, work_id: str) -> None:
            dict(steps[kind])[name](work_id)

        @DBOS.workflow(name="work")
        def workflow(kind: str, work_id: str) -> None:
            for name, _ in steps[kind]:
                run_step(kind, name, work_id)

        self._workflow: Callable[[str, str], None] = workflow

    def start(self) -> None:
        DBOS.launch()
        until = time.monotonic() + GOES_ON_SECONDS
        while self._left("PENDING", self._node) and time.monotonic() < until:
            time.sleep(0.02)
        DBOS.delete_workflows(self._left(ENDED))  # as a crash may have come between an end and its deletion
        for stop in self._dbos.background_thread_stop_events:
            stop.set()
        # It begins delayed workflows and ends late ones, we have neither, and its event is not among the others.
        sweeping: threading.Event | None = getattr(self._dbos, "_background_jobs_stop_event", None)
        if sweeping is not None:
            sweeping.set()

    def _left(self, status: str | list[str], node: str | None = None) -> list[str]:
        found = DBOS.list_workflows(status=status, executor_id=node, load_input=False, load_output=False)
        return [workflow.workflow_id for workflow in found]

    def run(self, work: Work) -> None:
        try:
            with SetWorkflowID(work.id):
                self._workflow(work.kind, work.id)
        finally:
            DBOS.delete_workflows([work.id])

    def close(self) -> None:
        DBOS.destroy(workflow_completion_timeout_sec=CLOSE_SECONDS)
        self._engine.dispose()


def engine_of(home: Path, config: Config) -> Engine:
    """Return the database of workflows: `jobs.sqlite`, or the catalog's PostgreSQL."""
    if config.catalog_url:
        return create_engine(parsed_url(config.catalog_url), pool_pre_ping=True)
    engine = create_engine(f"sqlite+pysqlite:///{home / 'jobs.sqlite'}", connect_args={"timeout": 30})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        if sqlite3.sqlite_version_info < _SUBSECONDS_SINCE:
            connection.create_function("unixepoch", 1, _unixepoch)

    return engine


def _unixepoch(modifier: str) -> float:
    """SQLite's function of the name, as DBOS calls it on Python 3.12 and later: an older SQLite gives NULL for it."""
    if modifier != "subsec":
        raise ValueError(modifier)
    return round(time.time(), 3)
