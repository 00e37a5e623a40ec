"""The reserve: a file in the home that takes room only so that it can be given up when the home's disk is full.

Deleting backups needs room for the catalog's log first. Without the reserve a full disk could not be freed by Holdfast.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from holdfast.service.instance.disks import disk_of

RESERVE_NAME = "reserve"
RESERVE_BYTES = 16 * 1024 * 1024
FREE_BYTES_MIN = 10 * RESERVE_BYTES
"""With less than this free it is not made: it must not be what fills the disk."""


def keep_reserve(home: Path) -> bool:
    """Make the reserve if it is not there; False when that cannot be done now."""
    path = home / RESERVE_NAME
    with suppress(OSError):
        if path.stat().st_size >= RESERVE_BYTES:
            return True
    disk = disk_of(str(home))
    if disk is None or disk.free_bytes < FREE_BYTES_MIN:
        return False
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(fd, 0, RESERVE_BYTES)
        finally:
            os.close(fd)
    except OSError:
        give_up_reserve(home)
        return False
    return True


def give_up_reserve(home: Path) -> int:
    """Remove the reserve; return the bytes that this frees."""
    path = home / RESERVE_NAME
    try:
        size = path.stat().st_blocks * 512
        path.unlink()
    except OSError:
        return 0
    return size
