"""The plan of a restore: the wanted entries of a backup compared with a new walk of the target."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.sources.sqlite.recognise import SIDECARS, Database
from holdfast.vault.manifest.changes import match_paths, same_stat
from holdfast.vault.manifest.columns import split, starts_of
from holdfast.vault.manifest.entry import NO_EXTRA, Extra, Kind
from holdfast.vault.manifest.previous import PreviousEntries
from holdfast.vault.paths import shown
from holdfast.vault.source import Scan

RestoreMode = Literal["mirror", "overlay"]


@dataclass(frozen=True, slots=True)
class Change:
    """One path, with all below it. `puts`: the backup has something there; `takes`: the target had."""

    number: int
    path: bytes
    puts: bool
    takes: bool


@dataclass(frozen=True, slots=True)
class Fix:
    """Mode, owner, times and attributes of a file or folder that stays. Times in nanoseconds."""

    path: bytes
    kind: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int
    xattrs: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class ShownPath:
    """One path as `--dry-run` shows it."""

    path: bytes
    kind: int
    size: int


@dataclass(slots=True)
class RestorePlan:
    """The changes to make. `change_of`: for each entry of the backup, the number of the change that puts it, or -1."""

    change_of: NDArray[np.int32]
    paths: list[bytes]
    kinds: list[int]
    links: dict[int, bytes] = field(default_factory=dict)
    """Entries that are made as a hard link: their number, and the path of the first link."""
    changes: list[Change] = field(default_factory=list)
    fixes: list[Fix] = field(default_factory=list)
    added: list[ShownPath] = field(default_factory=list)
    changed: list[ShownPath] = field(default_factory=list)
    removed: list[ShownPath] = field(default_factory=list)
    write_files: int = 0
    write_bytes: int = 0

    @property
    def is_empty(self) -> bool:
        """True if the target is as it should be."""
        return not (self.changes or self.fixes)


class Planner:
    """Makes one plan. Use once."""

    def __init__(
        self,
        before: PreviousEntries,
        scan: Scan,
        *,
        paths: Sequence[bytes],
        mode: RestoreMode,
        owners: bool,
        protected: Sequence[bytes],
        same_file: Callable[[int, bytes], bool],
        xattrs: Callable[[int, bytes], tuple[tuple[bytes, bytes], ...]],
        left_out: bytes | None = None,
        ignored: NDArray[np.bool_] | None = None,
        databases: Sequence[Database] = (),
        is_database: Callable[[int], bool] = lambda number: False,
    ) -> None:
        """`before`: the backup's entries; `scan`: the target's. `paths`: only these, with all below; none: everything.

        `owners`: whether owners can be restored, and so count. `protected`: paths in the target that are never taken
        away, nor what holds them. `same_file(entry number, path)`: whether the target's file has that entry's content.
        `left_out`: a path of the backup that is not wanted, with all below it, unless `paths` say so.
        `xattrs(kind, path)`: the target's attributes. `ignored`: for each entry of the target whether ignore patterns
        leave it out; what the backup lacks of those stays, in a mirror too. `databases`: those of the target, their
        entries folded; `is_database(entry number)`: whether a file of the backup is one.
        """
        self._before = before
        self._scan = scan
        self._only = tuple(paths)
        self._left_out = left_out
        self._mode = mode
        self._owners = owners
        self._held = {part for path in protected for part in _self_and_parents(path)}
        self._same_file = same_file
        self._xattrs = xattrs
        self._databases = {database.path for database in databases}
        self._logged = {d.path for d in databases if d.wal is not None and int(scan.size[d.wal])}
        self._is_database = is_database
        self._paths = split(before.path_bytes, before.path_length)
        self._theirs = split(scan.path_bytes, scan.path_length)
        self._place = {path: j for j, path in enumerate(self._theirs)}
        self._number = {path: i for i, path in enumerate(self._paths)}
        target_starts = starts_of(scan.target_length)
        self._target_starts = target_starts
        self._ignored: list[bool] = [False] * len(self._theirs) if ignored is None else ignored.tolist()
        self._around = _folders_of(
            path for j, path in enumerate(self._theirs) if self._ignored[j] and path not in self._number
        )
        self._selected: list[bool] | None = None
        self.plan = RestorePlan(np.full(len(before), -1, np.int32), self._paths, before.kind.tolist())

    def make(self) -> RestorePlan:
        """Return the plan. Raises PathNotInBackup, TargetInTheWay, and what `same_file` raises."""
        self._selected = self._selection()
        unchanged = self._unchanged()
        self._put(unchanged)
        self._take_away()
        return self.plan

    def _selection(self) -> list[bool] | None:
        """Which entries are wanted, those above a chosen path included; None: all."""
        if not self._only:
            out = self._left_out
            if out is None:
                return None
            return [path != out and not path.startswith(out + b"/") for path in self._paths]
        for path in self._only:
            if path not in self._number:
                raise PathNotInBackup(path)
        above = {part for path in self._only for part in _self_and_parents(path)}
        below = tuple(path + b"/" for path in self._only)
        return [path in above or path.startswith(below) for path in self._paths]

    def _is_chosen(self, path: bytes) -> bool:
        """Return True if a path is one of those to be restored or below one (and not only above one)."""
        return not self._only or path in self._only or path.startswith(tuple(p + b"/" for p in self._only))

    def _unchanged(self) -> list[bool]:
        """For each entry of the backup, whether the target has it as it was, as far as its stat tells."""
        match = match_paths(self._scan, self._before)
        same = same_stat(self._scan, self._before, match)
        flags = np.zeros(len(self._before), bool)
        flags[match[same]] = True
        out: list[bool] = flags.tolist()
        return out

    def _put(self, unchanged: list[bool]) -> None:
        """Walk the wanted entries in order; a folder that is new is one change with all below it."""
        # Entries stand in the order of a walk, so all that is below a folder follows it. `top` is the path, with a
        # slash, of the folder that the last change puts, and `change` is that change's number: while paths begin with
        # `top` they belong to it, and nothing is compared, as the target has nothing there that stays. For any other
        # entry `i` the target's entry `j` of the same path (-1: none) decides whether it stays or is a change of its
        # own. A further hard link stays only if the first one does, which comes before it and is decided by then.
        plan, kinds, sizes = self.plan, self.plan.kinds, self._before.size.tolist()
        has_extra = (self._before.extra_length > 0).tolist()
        change_of = plan.change_of
        top, change = b"", -1
        for i, path in enumerate(self._paths):
            if self._selected is not None and not self._selected[i]:
                continue
            if top and path.startswith(top):
                self._enter(i, path, change, sizes[i], plan.added)
            else:
                j = self._place.get(path, -1)
                extra = self._before.extra(i) if has_extra[i] else NO_EXTRA
                if unchanged[i] and self._link_holds(extra, j, change_of):
                    continue
                if j >= 0 and self._stays(i, j, path, extra):
                    continue
                change = self._new_change(path, puts=True, takes=j >= 0)
                top = path + b"/" if kinds[i] == Kind.FOLDER else b""
                self._enter(i, path, change, sizes[i], plan.changed if j >= 0 else plan.added)
            if has_extra[i]:
                first = self._before.extra(i).hard_link
                if first is not None and self._is_wanted(first):
                    plan.links[i] = first
                    plan.write_files -= 1
                    plan.write_bytes -= sizes[i]

    def _enter(self, i: int, path: bytes, change: int, size: int, seen: list[ShownPath]) -> None:
        plan = self.plan
        plan.change_of[i] = change
        seen.append(ShownPath(path, plan.kinds[i], size))
        if plan.kinds[i] == Kind.FILE:
            plan.write_files += 1
            plan.write_bytes += size

    def _is_wanted(self, path: bytes) -> bool:
        number = self._number.get(path)
        return number is not None and (self._selected is None or self._selected[number])

    def _new_change(self, path: bytes, *, puts: bool, takes: bool) -> int:
        if takes and path in self._held:
            raise TargetInTheWay(path)
        if takes and path in self._around:
            raise IgnoredInTheWay(path)
        number = len(self.plan.changes)
        self.plan.changes.append(Change(number, path, puts, takes))
        return number

    def _link_holds(self, extra: Extra, j: int, change_of: NDArray[np.int32]) -> bool:
        """Return True if a further hard link still leads to the first link's file, and that file stays."""
        if extra.hard_link is None or not self._is_wanted(extra.hard_link):
            return True
        first = self._place.get(extra.hard_link, -1)
        return (
            first >= 0
            and change_of[self._number[extra.hard_link]] < 0
            and self._scan.inode[first] == self._scan.inode[j]
            and self._scan.device[first] == self._scan.device[j]
        )

    def _stays(self, i: int, j: int, path: bytes, extra: Extra) -> bool:
        """Return True if the target's entry at a path stays, perhaps with a fix; False if it is replaced."""
        kind = self.plan.kinds[i]
        if int(self._scan.kind[j]) != kind:
            return False
        if not self._is_chosen(path):
            return True  # a folder on the way to what is wanted: it stays as the target has it
        if kind == Kind.SYMLINK:
            start = int(self._target_starts[j])
            target = self._scan.target_bytes[start : start + int(self._scan.target_length[j])]
            return target == extra.target and self._same_owner(i, j) and self._same_mtime(i, j)
        if kind == Kind.FILE and (
            extra.hard_link is not None
            or path in self._logged  # what is in the file alone is not what the database holds
            # A file with other names may be one of somebody else's, whose rights we must not change.
            or int(self._scan.nlink[j]) > 1
            or self._scan.size[j] != self._before.size[i]
            or not self._same_file(i, path)
        ):
            return False
        same = self._scan.mode[j] == self._before.mode[i] and self._same_owner(i, j) and self._same_mtime(i, j)
        if not same or self._xattrs(kind, path) != extra.xattrs:
            b = self._before
            fix = Fix(path, kind, int(b.mode[i]), int(b.uid[i]), int(b.gid[i]), int(b.mtime_ns[i]), extra.xattrs)
            self.plan.fixes.append(fix)
            if kind == Kind.FILE:
                self.plan.changed.append(ShownPath(path, kind, int(b.size[i])))
        return True

    def _same_owner(self, i: int, j: int) -> bool:
        if not self._owners:
            return True
        return bool(self._scan.uid[j] == self._before.uid[i] and self._scan.gid[j] == self._before.gid[i])

    def _same_mtime(self, i: int, j: int) -> bool:
        return bool(self._scan.mtime_ns[j] == self._before.mtime_ns[i])

    def _take_away(self) -> None:
        """Take away the contents of a replaced folder; for a mirror, also all that the backup lacks, by its top."""
        replaced = {change.path for change in self.plan.changes if change.takes}
        skip = b""
        taking = False
        sizes, kinds = self._scan.size.tolist(), self._scan.kind.tolist()
        for j, path in enumerate(self._theirs):
            if skip and path.startswith(skip):
                if taking:
                    self.plan.removed.append(ShownPath(path, kinds[j], sizes[j]))
                continue
            skip, taking = b"", False
            if path in self._number and self._is_wanted(path):
                if path in replaced and kinds[j] == Kind.FOLDER:
                    skip, taking = path + b"/", True  # goes with the folder
                continue
            stale = self._is_stale_sidecar(path) if kinds[j] == Kind.FILE else None
            if stale is False or path in self._held or path in self._around:
                continue
            if stale is None and self._ignored[j]:
                continue  # the backup lacks it because nobody wanted it backed up, not because it was not there
            if stale is None and (self._mode == "overlay" or not self._is_chosen(path)):
                continue
            self._new_change(path, puts=False, takes=True)
            self.plan.removed.append(ShownPath(path, kinds[j], sizes[j]))
            skip, taking = path + b"/", True

    def _is_stale_sidecar(self, path: bytes) -> bool | None:
        """Tell if a file of the target that the backup lacks belonged to a database that is replaced (True), or belongs
        to one that stays as it is (False); None: neither."""
        end = next((end for end in SIDECARS if path.endswith(end)), None)
        database = path[: -len(end)] if end else b""
        if not database or not self._is_wanted(database):
            return None
        number = self._number[database]
        if self.plan.kinds[number] != Kind.FILE:
            return None
        if self.plan.change_of[number] >= 0:
            # SQLite would replay it into the database that is put there.
            return database in self._databases or self._is_database(number) or None
        return False if database in self._databases else None


class PathNotInBackup(Exception):
    """A chosen path is not in the backup."""

    def __init__(self, path: bytes) -> None:
        super().__init__(f"The backup has nothing at {shown(path)}.")


class TargetInTheWay(Exception):
    """Something that must stay lies where the backup has something else."""

    def __init__(self, path: bytes) -> None:
        super().__init__(
            f"The backup has something else at {shown(path)}, where Holdfast's own data lies; "
            "restore to another folder."
        )


class IgnoredInTheWay(TargetInTheWay):
    """A path that patterns ignore, and so no backup has, is a folder where the backup has something else."""

    def __init__(self, path: bytes) -> None:
        Exception.__init__(
            self,
            f"The backup has something else at {shown(path)}, a folder with files in it that the ignore patterns "
            "leave out; move them away, or restore to another folder.",
        )


def _folders_of(paths: Iterable[bytes]) -> set[bytes]:
    """Return all folders above the paths."""
    out: set[bytes] = set()
    for path in paths:
        folder = path.rpartition(b"/")[0]
        while folder and folder not in out:
            out.add(folder)
            folder = folder.rpartition(b"/")[0]
    return out


def _self_and_parents(path: bytes) -> list[bytes]:
    out = [path]
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        out.append(path)
    return out
