"""The home is its owner's alone: it holds the master key, the catalog, and copies of customers' files while a job runs.

The folder of a new instance may have been there before, made by a package or by systemd with mode 0755.
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

OTHERS = 0o077


def keep_private(home: Path) -> None:
    """Take the rights of group and others off the home, and off what lies right in it; whatever lies deeper cannot be
    reached then. Raises PermissionError (others can look into the home and it is not ours), OSError.
    """
    fd = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_mode & OTHERS:
            os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) & ~OTHERS)
            if os.fstat(fd).st_mode & OTHERS:
                raise PermissionError(1, "its file system keeps no permissions")
        for name in os.listdir(fd):
            with suppress(FileNotFoundError, PermissionError):  # another's file, in a folder that is closed now
                _tighten(name, fd)
    finally:
        os.close(fd)


def owner_for_root(home: Path) -> str | None:
    """Return the user that root has to become for a home; None when nobody is root, or it is root's or not there."""
    try:
        owner = os.stat(home).st_uid
    except OSError:
        return None
    if os.geteuid() != 0 or owner == 0:
        return None
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"#{owner}"  # as sudo has it


def _tighten(name: str, folder: int) -> None:
    """Close a file or folder to others. A link is not followed: where it leads may be others' business too."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)) or not found.st_mode & OTHERS:
        return
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchmod(fd, stat.S_IMODE(found.st_mode) & ~OTHERS)
    finally:
        os.close(fd)
