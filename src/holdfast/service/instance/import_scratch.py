"""The folder of an archive from its upload to the end of its import: `run/import-<id>/`, on the node that received it.

`archive` is the upload, `contents` what was unpacked from it. The folder exists before the backup's row; until that
exists, the process that receives the upload holds a lock (flock) on the folder. So leftovers of a dead process are
recognised without a clock: a folder without a lock, whose backup is neither queued nor running.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.records import State
from holdfast.service.instance.home import Instance

_PREFIX = "import-"


def scratch_folder(instance: Instance, backup_id: str) -> Path:
    """The folder of one import."""
    return instance.run / f"{_PREFIX}{backup_id}"


def archive_path(instance: Instance, backup_id: str) -> Path:
    """The archive as it was uploaded."""
    return scratch_folder(instance, backup_id) / "archive"


def contents_path(instance: Instance, backup_id: str) -> Path:
    """The folder with its unpacked contents."""
    return scratch_folder(instance, backup_id) / "contents"


def remove_scratch(instance: Instance, backup_id: str) -> None:
    """Remove all of an import's files; nothing where there is none."""
    # What cannot be removed now is tried again by `sweep_imports`.
    shutil.rmtree(scratch_folder(instance, backup_id), ignore_errors=True)


def lock_folder(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed; None when another process holds it."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def sweep_imports(instance: Instance) -> int:
    """Remove what dead processes of this node left of imports; returns how many there were."""
    swept = 0
    for folder in instance.run.glob(f"{_PREFIX}*"):
        try:
            lock = lock_folder(folder)
        except OSError:
            continue  # gone meanwhile
        if lock is None:
            continue
        try:
            # Looked up under the lock: an upload lets go of it only when the row is there.
            backup = backup_by_id(instance.catalog, folder.name.removeprefix(_PREFIX))
            if backup is None or backup.state not in (State.QUEUED, State.RUNNING):
                remove_scratch(instance, folder.name.removeprefix(_PREFIX))
                swept += 1
        finally:
            os.close(lock)
    return swept
