"""Free space and size of the disks."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Disk:
    """The file system that a path is on. `free_bytes`: what this user may still write."""

    number: int
    size_bytes: int
    free_bytes: int
    free_inodes: int
    inodes: int
    """0 where the file system makes them as it needs them."""


def disk_of(path: str) -> Disk | None:
    """The disk of a path; None when the path is not there or can't be looked at."""
    try:
        found = os.statvfs(path)
        number = os.stat(path).st_dev
    except OSError:
        return None
    return Disk(number, found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize, found.f_favail, found.f_files)
