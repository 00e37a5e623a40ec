"""Undo a restore into a new folder: take that folder away, if all that is in it came from the backup.

Nothing that somebody put or changed there since is removed: the folder then stays as it is, and the error names what is
new. The folder is known by its mark, not by its name; from then on it is held by a descriptor. It is moved out by one
rename, with a journal as in any restore, and walked once more where nobody else reaches it: what was written between
the comparison and the rename brings it back.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from holdfast.catalog.records import App, Backup, Job
from holdfast.restorer.changes import Change
from holdfast.restorer.compare import new_entries, other_contents
from holdfast.restorer.staging import CANCELLED, Staging, remove_staging, staging_folder
from holdfast.restorer.swap import RollBackFailed, Swap
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance
from holdfast.service.registry.restored_folders import MARK
from holdfast.service.restore.plan import Planned, Wanted, may_set_owners, planned_restore
from holdfast.sources.directory.walk import walk
from holdfast.sources.reader import DirectoryReader
from holdfast.vault.control import Control, Progress
from holdfast.vault.paths import shown
from holdfast.vault.source import Scan, empty_scan

_NAMED = 3
"""At most this many paths are named that are new in a folder."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class TakenAway:
    """The number of files and folders that went, and the staging folder in which they are now."""

    count: int
    staging: Path


def require_there(app: App, into: str, mark: str) -> None:
    """Raise Conflict (JOB_NOT_UNDOABLE) unless the folder that the restore `mark` made is where it was made."""
    _opened(app, into, mark).close()


def _opened(app: App, into: str, mark: str) -> DirectoryReader:
    """Return a reader of the folder. Raises Conflict (JOB_NOT_UNDOABLE)."""
    try:
        reader = DirectoryReader(Path(app.path, into))
    except OSError:
        pass  # gone, or something else, or behind a link
    else:
        fd = reader.open_folder(b"")
        is_it = (MARK, mark.encode()) in reader.xattrs(fd)
        os.close(fd)
        if is_it:
            return reader
        reader.close()
    raise Conflict(
        "JOB_NOT_UNDOABLE",
        f"The folder {into} that the restore made is not there any more, or can't be told from another one; if "
        "something of it is left, remove that by hand.",
    )


def take_away(
    instance: Instance, job: Job, backup: Backup, app: App, wanted: Wanted, journal: Path, control: Control
) -> TakenAway:
    """Take the folder away that the restore `wanted.takes_away` made.

    Raises Conflict (JOB_NOT_UNDOABLE), TargetError, SourceError, VaultError, StoreError, Cancelled; then it is there,
    with all that is in it. Raises RollBackFailed when it could not be put back.
    """
    root, into = Path(app.path), wanted.into or ""
    reader = _opened(app, into, wanted.takes_away or "")
    try:
        before = _walked(instance, reader.open_folder(b""), control)
        with planned_restore(instance, backup, app, root, wanted, control=control) as planned:
            _require_nothing_new(into, _new(instance, backup, planned, before, reader, control))
            staging = Staging(staging_folder(root, job.id), owners=may_set_owners())
            try:
                control.check(CANCELLED)
                swap = Swap(root, staging, journal, owners=may_set_owners())
                change = Change(0, os.fsencode(into), puts=False, takes=True)
                as_it_was = partial(_require_same, instance, staging, before, into, control)
                swap.run([change], [], empty_scan(), planned.target, as_it_was)
            except RollBackFailed:
                raise
            except BaseException:
                remove_staging(staging.folder)
                raise
            finally:
                staging.close()
        return TakenAway(before.entries, staging.folder)
    finally:
        reader.close()


@dataclass(frozen=True, slots=True)
class _Walked:
    """A walk of the folder. `identity`: its device and inode."""

    identity: tuple[int, int]
    scan: Scan

    @property
    def entries(self) -> int:
        return len(self.scan.kind)

    def is_as(self, other: _Walked) -> bool:
        """Return True if nothing in it was written, made, removed or replaced between the two walks."""
        columns = ("inode", "size", "mtime_ns", "ctime_ns")
        return (
            self.identity == other.identity
            and self.entries == other.entries
            and all(np.array_equal(getattr(self.scan, name), getattr(other.scan, name)) for name in columns)
        )


def _walked(instance: Instance, fd: int, control: Control) -> _Walked:
    """Walk an open folder, and close it."""
    try:
        found = os.fstat(fd)
        scan = walk(fd, (), bounds=instance.config.tree_bounds, control=control)
    finally:
        os.close(fd)
    return _Walked((found.st_dev, found.st_ino), scan)


def _new(
    instance: Instance, backup: Backup, planned: Planned, found: _Walked, reader: DirectoryReader, control: Control
) -> Iterator[bytes]:
    """Yield the paths in the folder that did not come from the backup, or are not as they came, contents included."""
    plan, vault = planned.plan, instance.vault(backup.account_id)
    yield from (notice.path for notice in found.scan.notices)  # nobody can tell what is there
    came = plan.change_of >= 0
    for one in new_entries(planned.before, found.scan, came):
        yield one.path
    left = came.copy()  # what was removed since is nothing to keep
    left[left] = planned.before.paths.match(found.scan.paths)[left] >= 0
    done = 0

    def on_file(size: int) -> None:
        nonlocal done
        done += size
        control.progress(Progress(0, done, 0, plan.write_bytes))

    for other in other_contents(
        planned.snapshot.all_blocks(),
        left,
        reader,
        lambda entry, read_into: vault.is_given_back(planned.large, entry, read_into),
        on_file,
        control,
    ):
        yield other.path


def _require_nothing_new(into: str, new: Iterator[bytes]) -> None:
    # One that is of another kind now is found by that and by its content.
    named = list(dict.fromkeys(shown(path) for path in itertools.islice(new, 2 * _NAMED + 1)))
    if named:
        more = " and more" if len(named) > _NAMED else ""
        raise Conflict(
            "JOB_NOT_UNDOABLE",
            f"The folder {into} holds what was not restored, or was changed since: {', '.join(named[:_NAMED])}{more}. "
            "It stays as it is; take out what you need, and remove it.",
        )


def _require_same(instance: Instance, staging: Staging, before: _Walked, into: str, control: Control) -> None:
    """Raise Conflict (JOB_NOT_UNDOABLE) unless what was moved out is the folder that was compared, unchanged."""
    try:
        moved = _walked(instance, os.open(b"0", _FOLDER, dir_fd=staging.old), control)
    except FileNotFoundError:
        moved = None
    if moved is None or not moved.is_as(before):
        raise Conflict(
            "JOB_NOT_UNDOABLE",
            f"Something changed the folder {into} while this ran, so nothing was removed; try again.",
        )
