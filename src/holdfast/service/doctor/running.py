"""Checks of processes: the server, the jobs' process, and backups or jobs whose process is gone."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.catalog.backups.found import backups_in
from holdfast.catalog.jobs.rows import jobs_in
from holdfast.catalog.records import JobState, State
from holdfast.service.doctor.finding import Check, Finding, problem, warning
from holdfast.service.instance.file_locks import JOBS_LOCK, SERVE_LOCK
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import is_held
from holdfast.service.jobs.heartbeat import heartbeat_age, is_late


def _server(instance: Instance) -> Iterator[Finding]:
    if not is_held(instance, SERVE_LOCK):
        died = (instance.run / "server.json").exists()
        how = "It was running and has died" if died else "No server runs"
        yield warning(
            f"{how}: the API does not answer, and nothing is backed up by itself; start it.", "holdfast serve"
        )
    elif not is_held(instance, JOBS_LOCK):
        yield problem(
            "The server runs without its jobs' process, so no backup is taken; the server's log says why it ended."
        )
    else:
        age = heartbeat_age(instance)
        if age is not None and is_late(age):
            yield problem(
                f"The jobs' process has done nothing for {age:.0f} s, so no backup is taken; the server ends it and "
                "starts it again. If this line stays, start the server anew, and look into its log."
            )


def _under_way(instance: Instance) -> Iterator[Finding]:
    node = instance.config.node
    for backup in backups_in(instance.catalog, [State.RUNNING], node):
        if not is_held(instance, f"take-{backup.id}"):
            yield problem(
                f"The backup {backup.name!r} ({backup.id}) is `running`, and its process is gone; start the server "
                "again, which marks it as failed.",
                "holdfast serve",
            )
    for job in jobs_in(instance.catalog, [JobState.RUNNING], node):
        if not is_held(instance, f"job-{job.id}"):
            yield problem(
                f"The {job.kind} {job.id} is `running`, and its process is gone; start the server again, which brings "
                "it to an end.",
                "holdfast serve",
            )


RUNNING_CHECKS = (
    Check("server", "The server and its jobs' process run.", _server),
    Check("under way", "All running work has a live process.", _under_way),
)
