"""The target of a restore: made if it is gone, and refused if it is, holds or lies in the instance's own folders.

A mirror restore moves away what the backup does not have. In a target that holds the home, that would be the master
key, the catalog and the store; the journal that undoes the restore would go with them. So folders are told apart by
what they are, not by how their paths are written: by device and inode on the way up, and by their place in the file
system, which a bind mount or a link does not change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.restorer import STAGING_PREFIX
from holdfast.restorer.staging import TargetError, target_error
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance
from holdfast.sources.reader import SourceFileRefused, make_root

Identity = tuple[int, int]
_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class _Place:
    """A folder, or the nearest one above it that exists with the names that are missing.

    `above`: device and inode of each folder from itself (or that one) up to the root. `within`: its path in its file
    system, whatever is mounted where. `path`: its real path here.
    """

    path: str
    is_there: bool
    above: tuple[Identity, ...]
    device: str
    within: str


def require_safe_target(instance: Instance, root: Path) -> None:
    """Raise Conflict (TARGET_IN_INSTANCE) if a restore to `root` could touch the home or the store."""
    mounts = list(_mounts())
    target = _place(root, mounts)
    for name, own in (("home", instance.home), ("store", instance.home / "store")):
        place = _place(own, mounts)
        if _is_related(target, place, mounts):
            raise Conflict(
                "TARGET_IN_INSTANCE",
                f"The target is, holds or lies in the {name} of the instance, and a restore could move that away; "
                "choose another folder.",
            )


def is_in_store(instance: Instance, folder: Path) -> bool:
    """Return True if a folder is, holds or lies in the store."""
    mounts = list(_mounts())
    return _is_related(_place(folder, mounts), _place(instance.home / "store", mounts), mounts)


def is_empty(root: Path) -> bool:
    """Return True if a folder has nothing but the staging of restores."""
    return all(name.startswith(STAGING_PREFIX) for name in os.listdir(root))


def make_target(root: Path, *, is_chosen: bool) -> bool:
    """Make the folder that is restored to; return True if it was missing.

    Above that of an application nothing is made; above a chosen one it is.
    """
    try:
        return make_root(root, with_parents=is_chosen)
    except SourceFileRefused:
        raise TargetError(
            "The path of the folder to restore to now contains a link or a file; put the folder back, or restore to "
            "another one."
        ) from None
    except FileNotFoundError:
        raise TargetError(
            "The folder that holds the one to restore to does not exist; make it, and restore again."
        ) from None
    except OSError as error:
        raise target_error(error, root) from error


def _is_related(target: _Place, own: _Place, mounts: Sequence[_Mount]) -> bool:
    if own.above[0] in target.above or (target.is_there and target.above[0] in own.above):
        return True
    if target.device == own.device and (_holds(target.within, own.within) or _holds(own.within, target.within)):
        return True
    # Own folders that are mounted once more, somewhere inside the target.
    return any(
        _holds(target.path, mount.at)
        and mount.device == own.device
        and (_holds(mount.within, own.within) or _holds(own.within, mount.within))
        for mount in mounts
        if mount.at != "/"
    )


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _place(folder: Path, mounts: Sequence[_Mount]) -> _Place:
    """Raises OSError."""
    missing: list[str] = []
    there = Path(os.path.abspath(folder))
    while True:
        try:
            fd = os.open(there, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            break
        except OSError:
            if there == there.parent:
                raise
            missing.insert(0, there.name)
            there = there.parent
    try:
        real = os.readlink(f"/proc/self/fd/{fd}")
        above = tuple(upwards(fd))
        number = _mount_number(fd)
    finally:
        os.close(fd)
    mount = next((one for one in mounts if one.number == number), None)
    if mount is None:
        device, within = "", real
    else:
        device, within = mount.device, os.path.join(mount.within, os.path.relpath(real, mount.at))
    return _Place(
        os.path.join(real, *missing), not missing, above, device, os.path.normpath(os.path.join(within, *missing))
    )


def upwards(fd: int) -> Iterator[Identity]:
    """Device and inode of an open folder and of all above it."""
    at = os.dup(fd)
    try:
        while True:
            status = os.fstat(at)
            yield status.st_dev, status.st_ino
            up = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = up
            higher = os.fstat(at)
            if (higher.st_dev, higher.st_ino) == (status.st_dev, status.st_ino):
                return
    finally:
        os.close(at)


@dataclass(frozen=True, slots=True)
class _Mount:
    """A line of mountinfo. `within`: the folder of its file system that is mounted at `at`."""

    number: int
    device: str
    within: str
    at: str


def _mounts() -> Iterator[_Mount]:
    with suppress(OSError), open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            number, _parent, device, within, at, *_ = line.split(" ")
            yield _Mount(int(number), device, _unescaped(within), _unescaped(at))


def _unescaped(path: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), path)


def _mount_number(fd: int) -> int:
    with suppress(OSError), open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
        for line in lines:
            if line.startswith("mnt_id:"):
                return int(line.split()[1])
    return -1
