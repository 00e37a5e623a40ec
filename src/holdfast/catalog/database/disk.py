"""The disk under a catalog's file: its name for a person, and what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

READ_ONLY = "mounted read-only"
FULL_BYTES = 256 * 1024
"""With less than this free SQLite can't make even its smallest files."""


def disk_name(path: Path) -> str:
    """Return a disk and its mount, such as "the disk /dev/sda1, mounted at /srv"; only words of it when unknown."""
    try:
        number = os.stat(path).st_dev
        lines = Path("/proc/self/mountinfo").read_text(errors="replace").splitlines()
    except OSError:
        return "its disk"
    wanted = f"{os.major(number)}:{os.minor(number)}"
    found = ""
    for line in lines:
        # Five fields, any number of options, a hyphen, then type and device (proc(5)).
        front, _, back = line.partition(" - ")
        fields = front.split()
        point = fields[4].encode().decode("unicode_escape", "replace")  # spaces are written as \040
        if fields[2] == wanted and len(point) >= len(found) and path.resolve().is_relative_to(point):
            found = point
            device = back.split()[1]
    return f"the disk {device}, mounted at {found}" if found else "its disk"


def fault_of(path: Path) -> str:
    """Return "full" or "mounted read-only", or nothing when neither is so."""
    try:
        seen = os.statvfs(path)
    except OSError:
        return ""
    if seen.f_flag & os.ST_RDONLY:
        return READ_ONLY
    blocks = seen.f_bfree if os.geteuid() == 0 else seen.f_bavail
    has_no_inode = seen.f_files > 0 and seen.f_ffree == 0
    return "full" if blocks * seen.f_frsize < FULL_BYTES or has_no_inode else ""
