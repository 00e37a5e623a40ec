"""The plan of a restore: the backup and paths, the target, and the changes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.catalog.records import IMPORTED, App, Backup, Job
from holdfast.restorer.changes import NewFolder, RestorePlan, ShownPaths
from holdfast.restorer.plan import PathNotInBackup, Planner, TargetInTheWay
from holdfast.restorer.staging import CANCELLED
from holdfast.schemas.jobs import ChangedPath, RestorePreview
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.apps import own_paths, require_folder
from holdfast.service.registry.backups import require_usable
from holdfast.service.registry.databases import Dump, dumps_in
from holdfast.service.registry.paths import paths_of
from holdfast.service.registry.restored_folders import MARK, require_free
from holdfast.service.restore.database import WantedDatabase
from holdfast.service.restore.target import require_safe_target
from holdfast.service.take.ignore_patterns import left_alone
from holdfast.sources.databases.source import FOLDER_PATH
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.port import SourceError
from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.checking import NOBODY
from holdfast.sources.sqlite.header import is_header
from holdfast.sources.sqlite.recognise import find_databases, fold
from holdfast.vault.control import NEVER, Control
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Entry, Kind
from holdfast.vault.manifest.previous import PreviousEntries, content_of
from holdfast.vault.paths import shown
from holdfast.vault.reader.content import content_range
from holdfast.vault.reader.snapshot import Snapshot
from holdfast.vault.reader.unprivileged import unprivileged
from holdfast.vault.source import Scan, empty_scan
from holdfast.vault.vault import Vault

RestoreMode = Literal["mirror", "overlay"]

PAGE_BYTES_MIN = 512
"""The smallest page of a SQLite database, whose size is a multiple of it (https://sqlite.org/fileformat2.html)."""

PROBED_FILES_MAX = 100
"""Files of a preview that are looked into for the header of a database."""


CHANGED_PATHS_MAX = 20
CHANGED_SHARE_MAX = 0.1
"""A plan that differs by more paths than both from the one that was shown is another one."""


class Expected(msgspec.Struct, frozen=True):
    """The counts of a preview, of files, folders and links."""

    added: int
    changed: int
    removed: int

    @property
    def count(self) -> int:
        """All that would change."""
        return self.added + self.changed + self.removed

    def is_about(self, plan: RestorePlan) -> bool:
        """Return True if a plan does about the same: an application goes on writing while somebody reads."""
        counts = (self.added, plan.added), (self.changed, plan.changed), (self.removed, plan.removed)
        difference = sum(abs(shown - len(planned)) for shown, planned in counts)
        return difference <= max(CHANGED_PATHS_MAX, int(CHANGED_SHARE_MAX * self.count))


class Wanted(msgspec.Struct, frozen=True):
    """A wanted restore: what, and where to. `paths`: only these, with all below them; none: everything."""

    paths: tuple[str, ...] = ()
    mode: RestoreMode = "mirror"
    safety_backup: bool = True
    to: str | None = None
    """A folder outside of all applications; None: the folder of the job's application."""
    into: str | None = None
    """A folder below the application's own that does not exist yet: all goes there, and nothing else is touched."""
    takes_away: str | None = None
    """The id of the restore `into` a new folder that this one undoes: that folder is taken away."""
    database: WantedDatabase | None = None
    """A database instead of files; of the rest then only `safety_backup` and `is_inline` count."""
    is_inline: bool = False
    """Whoever asked runs it at once, in the same process; nobody else may ever begin it."""
    expected: Expected | None = None
    """The changes that whoever asked was shown; None: he asked without having seen any."""
    undoes: str | None = None
    """The id of the restore that this one undoes, by a safety backup or as `takes_away`."""
    once: str = ""
    """A token of the form that asked: sent twice it asks once."""

    @property
    def is_into_app(self) -> bool:
        """True if it goes where the application's node has it: into its folder, or into a database of its own."""
        return self.to is None and (self.database is None or self.database.to is None)


class Preview(msgspec.Struct, frozen=True):
    """The effects of a restore, and which of the files that are shown are SQLite databases."""

    changes: RestorePreview
    databases: tuple[str, ...]


def preview_restore(instance: Instance, backup: Backup, target: App, wanted: Wanted) -> Preview:
    """Return what a restore would change. Raises ServiceError, VaultError, StoreError, SourceError."""
    require_usable(backup, "restored")
    if wanted.to is None:
        require_folder(instance, target)
    root = target_root(target, wanted)
    require_target(instance, root, wanted)
    try:
        with planned_restore(instance, backup, target, root, wanted) as planned:
            below = b"" if wanted.into is None else os.fsencode(wanted.into) + b"/"
            return Preview(_preview(planned.plan, below), tuple(_databases(planned, below)))
    except OSError as error:  # also SourceFileRefused: the folder changes while we look
        raise SourceError(
            f"The application's folder can't be looked through ({error.strerror or error}); put it back, or "
            "set its new place with `holdfast app set-path`."
        ) from error


def is_inline(job: Job) -> bool:
    """True if only the process that asked for a restore may begin it."""
    return msgspec.json.decode(job.request, type=Wanted).is_inline


@dataclass
class Planned:
    """A plan, and what it was made from. Use as a context; it releases what is open."""

    plan: RestorePlan
    before: PreviousEntries
    scan: Scan
    snapshot: Snapshot
    large: Snapshot
    target: DirectoryReader
    dumps: tuple[Dump, ...]
    """Dumps of databases that are left out."""

    def __enter__(self) -> Planned:
        return self

    def __exit__(self, *failure: object) -> None:
        self.snapshot.close()
        self.large.close()
        self.target.close()


def require_target(instance: Instance, root: Path, wanted: Wanted) -> None:
    """See that the target is free to be written. Raises Conflict (TARGET_IN_INSTANCE, TARGET_IN_THE_WAY), NotFound."""
    if wanted.into is None:
        require_safe_target(instance, root)
        return
    require_free(root, wanted.into)
    require_safe_target(instance, root / wanted.into)


def target_root(target: App, wanted: Wanted) -> Path:
    return Path(wanted.to) if wanted.to is not None else Path(target.path)


def may_set_owners() -> bool:
    """True if this process may give files to their former owners."""
    return os.geteuid() == 0


def planned_restore(
    instance: Instance,
    backup: Backup,
    to: App | None,
    root: Path,
    wanted: Wanted,
    view: Callable[[Block], Block] | None = None,
    control: Control = NEVER,
    *,
    with_dumps: bool = False,
    mark: str = "",
) -> Planned:
    """A restore to `root`, the folder of `to` if it is an application's, compared with what is there.

    `view`: what is to be seen of the backup, where that is not for the owner of the target's folder to say;
    `with_dumps`: whether a restore of everything has the dumps of databases too, as one into a new folder always has;
    `mark`: of that folder. Raises ServiceError, VaultError, StoreError, SourceError.
    """
    vault = instance.vault(backup.account_id)
    dumps = () if wanted.paths or with_dumps or wanted.into is not None else dumps_in(instance, backup)
    own = (*own_paths(instance, root), *([FOLDER_PATH] if dumps else []))
    is_there = root.exists()
    is_compared = is_there and wanted.into is None
    scan = DirectorySource(root, own, bounds=instance.config.tree_bounds).scan(control) if is_compared else empty_scan()
    if view is None:
        view = without_privileges(backup, next(folder for folder in (root, *root.parents) if folder.exists()).stat())
    snapshot, large = vault.open(backup.id, view), vault.open(backup.id, view)
    try:
        # Of a folder that is still to be made nothing is ever read; any other stands in for it.
        target = DirectoryReader(root if is_there else instance.run.resolve())
        before = PreviousEntries(snapshot.all_blocks())
        databases = find_databases(scan, target, control=control)
        fold(scan, databases)
        planner = Planner(
            before,
            scan,
            paths=_chosen(before, wanted.paths),
            mode=wanted.mode,
            owners=may_set_owners(),
            protected=own,
            left_out=FOLDER_PATH if dumps else None,
            same_file=_comparer(vault, large, before, target, control),
            xattrs=_attributes(target),
            ignored=_left_alone(instance, backup, to, wanted, target, scan, before, large),
            databases=databases,
            is_database=lambda number: is_header(head_of(large, content_of(before, number), 16)),
        )
        try:
            plan = planner.make()
            if wanted.into is not None:
                plan.put_into(NewFolder(os.fsencode(wanted.into), (MARK, mark.encode())))
            return Planned(plan, before, scan, snapshot, large, target, dumps)
        except PathNotInBackup as error:
            raise NotFound("PATH_NOT_FOUND", str(error)) from None
        except TargetInTheWay as error:
            raise Conflict("TARGET_IN_THE_WAY", str(error)) from None
    except BaseException:
        snapshot.close()
        large.close()
        raise


def _left_alone(
    instance: Instance,
    backup: Backup,
    to: App | None,
    wanted: Wanted,
    target: DirectoryReader,
    scan: Scan,
    before: PreviousEntries,
    large: Snapshot,
) -> NDArray[np.bool_] | None:
    """As `left_alone`; None where nothing of the target is touched."""
    if wanted.into is not None:
        return None
    return left_alone(instance, backup, to if wanted.to is None else None, target, scan, before, large)


def _chosen(before: PreviousEntries, texts: tuple[str, ...]) -> list[bytes]:
    """The paths that texts mean: of several the first one that the backup has. Raises Invalid (PATH)."""
    chosen = []
    for text in texts:
        meant = paths_of(text)
        if not meant[0]:
            raise Invalid("path", "A path must name something in the backup; leave it out for the whole backup.")
        chosen.append(next((path for path in meant if before.paths.number_of(path) >= 0), meant[0]))
    return chosen


def without_privileges(backup: Backup, place: os.stat_result | None) -> Callable[[Block], Block]:
    """Return the view of a backup's blocks for a restore: an archive that a customer uploaded gives no privileges.

    Its files become those of the owner of the folder `place`, or nobody's without one. A backup that Holdfast took of a
    folder is seen as it is.
    """
    if backup.origin != IMPORTED or not may_set_owners():
        return lambda block: block
    return unprivileged(NOBODY, NOBODY) if place is None else unprivileged(place.st_uid, place.st_gid)


def _comparer(
    vault: Vault, snapshot: Snapshot, before: PreviousEntries, target: DirectoryReader, control: Control
) -> Callable[[int, bytes], bool]:
    """Return a function that tells if the target's file at a path has an entry's content; it raises Cancelled."""

    def read(fd: int, part: memoryview, at: int) -> int:
        control.check(CANCELLED)
        return os.preadv(fd, [part], at)

    def same(number: int, path: bytes) -> bool:
        try:
            fd = target.open(path)
        except OSError:
            return False
        try:
            return vault.same_content(snapshot, content_of(before, number), partial(read, fd))
        except OSError:
            return False
        finally:
            os.close(fd)

    return same


def head_of(snapshot: Snapshot, entry: Entry, size: int) -> bytes:
    """The first `size` bytes of a file of a backup, or all that it has. Raises DamagedError, ChunkMissing."""
    return b"".join(content_range(snapshot, entry, 0, min(size, entry.size)))


def _attributes(target: DirectoryReader) -> Callable[[int, bytes], tuple[tuple[bytes, bytes], ...]]:
    def xattrs(kind: int, path: bytes) -> tuple[tuple[bytes, bytes], ...]:
        if kind == Kind.FOLDER:
            return target.folder_xattrs(path)
        try:
            fd = target.open(path)
        except OSError:
            return ()
        try:
            return target.xattrs(fd)
        finally:
            os.close(fd)

    return xattrs


def _databases(planned: Planned, below: bytes) -> Iterator[str]:
    """Yield the paths of the SQLite databases among the files that a preview shows."""
    seen = [*planned.plan.changed.first, *planned.plan.added.first]
    pages = [one for one in seen if one.kind == Kind.FILE and one.size and one.size % PAGE_BYTES_MIN == 0]
    for one in pages[:PROBED_FILES_MAX]:
        number = planned.before.paths.number_of(one.path)
        if number >= 0 and is_header(head_of(planned.large, content_of(planned.before, number), 16)):
            yield shown(below + one.path)


def _preview(plan: RestorePlan, below: bytes) -> RestorePreview:
    """The preview of a plan. `below`: what its paths begin with in the target."""

    def first(seen: ShownPaths) -> list[ChangedPath]:
        return [
            ChangedPath(shown(below + s.path), Kind(s.kind).name.lower(), s.size)  # type: ignore[arg-type]
            for s in seen.first
        ]

    return RestorePreview(
        added=len(plan.added),
        changed=len(plan.changed),
        removed=len(plan.removed),
        write_bytes=plan.write_bytes,
        paths_added=first(plan.added),
        paths_changed=first(plan.changed),
        paths_removed=first(plan.removed),
        is_truncated=any(len(seen) > len(seen.first) for seen in (plan.added, plan.changed, plan.removed)),
    )
