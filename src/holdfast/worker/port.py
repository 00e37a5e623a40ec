"""What the rest of Holdfast asks of the queue. `queue.py` implements it with DBOS."""

from __future__ import annotations

from typing import Protocol


class Jobs(Protocol):
    """Hands deeds over to the jobs' process. Safe to use from several threads."""

    def enqueue_take(self, backup_id: str, app_id: str, node: str) -> None:
        """Have a queued backup run on its node, soon; the same backup twice is fine. Durable at return."""

    def enqueue_job(self, job_id: str, app_id: str, node: str) -> None:
        """Have a queued job run on its node, soon; the same job twice is fine. Durable at return."""

    def close(self) -> None:
        """Release the queue."""
