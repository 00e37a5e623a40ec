"""Locks (flock) of a home that is not open: who serves it, who runs its jobs, who makes or marks it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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


def homes_in_use() -> set[Path]:
    """Return the homes whose locks living processes hold, as far as this user may look into them."""
    homes = set()
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):  # another's process, or one that has ended
            for descriptor in descriptors.iterdir():
                with suppress(OSError):
                    lock = descriptor.readlink()
                    if lock.suffix == ".lock" and lock.parent.name == "run":
                        homes.add(lock.parent.parent)
    return homes


@contextmanager
def folder_held(folder: Path, *, waits: bool = True) -> Iterator[None]:
    """Hold a folder alone: of two processes that come at once, the second waits for the first, or with `waits` off
    gets BlockingIOError. Raises OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)
