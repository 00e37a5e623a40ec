"""The lock of a home that a server runs on; read before the instance is open."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

SERVE_LOCK = "serve"
"""Held by a home's `holdfast serve`."""


def is_served(home: Path) -> bool:
    """True if a server holds the lock of the home."""
    try:
        fd = os.open(home / "run" / f"{SERVE_LOCK}.lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
