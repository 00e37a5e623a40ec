"""Files of `run/` that a process left when it died, and that nothing needs any more."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from holdfast.catalog.jobs.rows import job_by_id
from holdfast.catalog.records import OPEN_JOBS
from holdfast.service.instance.home import Instance
from holdfast.service.instance.locks import held
from holdfast.stores.durable import UNFINISHED
from holdfast.units import HOUR_NS

AGE_NS = HOUR_NS
"""Younger files stay: their process may be about to use them."""


def sweep_leftovers(instance: Instance) -> int:
    """Remove locks that nobody holds, and marks and journals of restores that have ended; return their number."""
    removed = 0
    for path in _old_files(instance):
        if path.suffix == ".lock":
            with held(instance, path.stem) as is_free:  # releasing a lock removes its file
                removed += is_free
        elif path.name.endswith(UNFINISHED) or _is_ended(instance, path.stem.removeprefix("restore-")):
            with suppress(FileNotFoundError):
                path.unlink()
                removed += 1
    return removed


def _old_files(instance: Instance) -> list[Path]:
    unfinished = (f"restore-*.journal{UNFINISHED}", f"hook-*.json{UNFINISHED}")
    patterns = ("job-*.lock", "take-*.lock", "record-*.lock", *unfinished, "restore-*.journal", "restore-*.done")
    before_ns = instance.clock.now_ns() - AGE_NS
    found = []
    for pattern in patterns:
        for path in instance.run.glob(pattern):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < before_ns:
                    found.append(path)
    return found


def _is_ended(instance: Instance, job_id: str) -> bool:
    job = job_by_id(instance.catalog, job_id)
    return job is None or job.state not in OPEN_JOBS
