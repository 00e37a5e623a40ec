"""Locks (flock) of a home that is not open: who serves it, who runs its jobs, who makes or marks it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVE_LOCK = "serve"
"""Held by a home's `holdfast serve`."""

JOBS_LOCK = "jobs"
"""Held by a home's process of jobs."""


def is_held_in(run: Path, name: str) -> bool:
    """True if a living process holds the lock `<name>.lock` in the folder `run`. Raises OSError."""
    try:
        fd = os.open(run / f"{name}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two who look do not see each other.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def is_served(home: Path) -> bool:
    """True if a server holds the lock of a home, which need not open; False too when that cannot be read."""
    try:
        return is_held_in(home / "run", SERVE_LOCK)
    except OSError:
        return False


@contextmanager
def folder_held(folder: Path) -> Iterator[None]:
    """Hold a folder alone: of two processes that come at once, the second waits for the first. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
