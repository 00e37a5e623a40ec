"""The plan of a restore: the wanted entries of a backup compared with a new walk of the target."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from holdfast.restorer.changes import Change, Fix, RestorePlan, ShownPaths
from holdfast.sources.sqlite.recognise import SIDECARS, Database
from holdfast.units import MIB
from holdfast.vault.manifest.changes import match_paths, same_stat
from holdfast.vault.manifest.columns import starts_of
from holdfast.vault.manifest.entry import NO_EXTRA, Extra, Kind
from holdfast.vault.manifest.previous import PreviousEntries
from holdfast.vault.path_tree import PathTree
from holdfast.vault.paths import shown
from holdfast.vault.source import TOO_DEEP, Scan

RestoreMode = Literal["mirror", "overlay"]

DEEP_SHOWN_MAX = 20
CHANGE_BYTES_MAX = 256 * MIB
"""Paths of all changes and fixes: each is kept whole, here and in the journal."""


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
        # Nobody knows what is in them, so nothing takes them away: no backup could bring them back.
        deep = {notice.path for notice in scan.notices if notice.code == TOO_DEEP}
        self._deep = {part for path in deep for part in _self_and_parents(path)}
        self._same_file = same_file
        self._xattrs = xattrs
        self._databases = {database.path for database in databases}
        self._logged = {d.path for d in databases if d.wal is not None and int(scan.size[d.wal])}
        self._is_database = is_database
        self._paths, self._theirs = before.paths, scan.paths
        match = match_paths(scan, before)
        self._match = match
        self._number: list[int] = match.tolist()
        """For each entry of the target its number in the backup, or -1; `_place` is the other way round."""
        place = np.full(len(before), -1, np.int64)
        place[match[match >= 0]] = (match >= 0).nonzero()[0]
        self._place: list[int] = place.tolist()
        self._target_starts = starts_of(scan.target_length)
        self._ignored: list[bool] = [False] * len(match) if ignored is None else ignored.tolist()
        self._around = self._folders_around()
        self._change_bytes = 0
        self._replaced: set[int] = set()
        """The folders of the target that a change takes away as the backup has something in their place."""
        self._chosen: list[bool] | None = None
        self._chosen_there: list[bool] | None = None
        self._selected: list[bool] | None = None
        self.plan = RestorePlan(np.full(len(before), -1, np.int32), before.paths, before.kind.tolist())

    def make(self) -> RestorePlan:
        """Return the plan. Raises PathNotInBackup, TargetInTheWay, and what `same_file` raises."""
        self._selected = self._selection()
        unchanged = self._unchanged()
        self._put(unchanged)
        self._take_away()
        if self._mode == "mirror":
            deep = (notice.path for notice in self._scan.notices if notice.code == TOO_DEEP)
            self.plan.too_deep = list(dict.fromkeys(itertools.islice(deep, DEEP_SHOWN_MAX)))
        return self.plan

    def _folders_around(self) -> set[int]:
        """Return the target's folders that hold something that is ignored and that the backup lacks."""
        out: set[int] = set()
        parents = self._theirs.parents.tolist()
        for j in (np.array(self._ignored, bool) & (self._match < 0)).nonzero()[0].tolist():
            folder = parents[j]
            while folder >= 0 and folder not in out:
                out.add(folder)
                folder = parents[folder]
        return out

    def _selection(self) -> list[bool] | None:
        """Which entries are wanted, those above a chosen path included; None: all."""
        if not self._only:
            if self._left_out is None:
                return None
            out = self._paths.number_of(self._left_out)
            return [not is_out for is_out in _with_below(self._paths, {out} - {-1})]
        tops = set()
        for path in self._only:
            number = self._paths.number_of(path)
            if number < 0:
                raise PathNotInBackup(path)
            tops.add(number)
        self._chosen = _with_below(self._paths, tops)
        self._chosen_there = _with_below(self._theirs, {self._place[number] for number in tops} - {-1})
        selected = list(self._chosen)
        parents = self._paths.parents.tolist()
        for number in tops:
            while number >= 0:
                selected[number] = True
                number = parents[number]
        return selected

    def _unchanged(self) -> list[bool]:
        """For each entry of the backup, whether the target has it as it was, as far as its stat tells."""
        same = same_stat(self._scan, self._before, self._match)
        flags = np.zeros(len(self._before), bool)
        flags[self._match[same]] = True
        out: list[bool] = flags.tolist()
        return out

    def _put(self, unchanged: list[bool]) -> None:
        """Walk the wanted entries in order; a folder that is new is one change with all below it."""
        # Entries stand in the order of a walk, so all that is below a folder follows it. `top` is the folder that the
        # last change puts, and `change` is that change's number: while the folder of entries is `top` or one behind it
        # they belong to it, and nothing is compared, as the target has nothing there that stays. For any other entry
        # `i` the target's entry `j` of the same path (-1: none) decides whether it stays or is a change of its own. A
        # further hard link stays only if the first one does, which comes before it and is decided by then.
        plan, kinds, sizes = self.plan, self.plan.kinds, self._before.size.tolist()
        has_extra = (self._before.extra_length > 0).tolist()
        parents = self._paths.parents.tolist()
        change_of = plan.change_of
        top, change = len(kinds), -1
        for i, parent in enumerate(parents):
            if self._selected is not None and not self._selected[i]:
                continue
            if parent >= top:
                self._enter(i, change, sizes[i], plan.added)
            else:
                top = len(kinds)
                j = self._place[i]
                extra = self._before.extra(i) if has_extra[i] else NO_EXTRA
                if unchanged[i] and self._link_holds(extra, j, change_of):
                    continue
                if j >= 0 and self._stays(i, j, extra):
                    continue
                change = self._new_change(self._paths[i], puts=True, taken=j)
                if j >= 0:
                    self._replaced.add(j)
                if kinds[i] == Kind.FOLDER:
                    top = i
                self._enter(i, change, sizes[i], plan.changed if j >= 0 else plan.added)
            if has_extra[i]:
                first = self._before.extra(i).hard_link
                number = -1 if first is None else self._wanted_number(first)
                if number >= 0:
                    plan.links[i] = number
                    plan.write_files -= 1
                    plan.write_bytes -= sizes[i]

    def _enter(self, i: int, change: int, size: int, seen: ShownPaths) -> None:
        plan = self.plan
        plan.change_of[i] = change
        seen.add(self._paths, i, plan.kinds[i], size)
        if plan.kinds[i] == Kind.FILE:
            plan.write_files += 1
            plan.write_bytes += size

    def _wanted_number(self, path: bytes) -> int:
        """Return the number of a path of the backup that is wanted, or -1."""
        number = self._paths.number_of(path)
        return number if number >= 0 and self._is_wanted(number) else -1

    def _is_wanted(self, number: int) -> bool:
        return self._selected is None or self._selected[number]

    def _new_change(self, path: bytes, *, puts: bool, taken: int) -> int:
        """Enter a change, which takes the target's entry `taken` away (-1: none). Raises TargetInTheWay."""
        if taken >= 0 and path in self._held:
            raise TargetInTheWay(path)
        if taken >= 0 and path in self._deep:
            raise DeepFolderInTheWay(path)
        if taken in self._around:
            raise IgnoredInTheWay(path)
        self._count_bytes(path)
        number = len(self.plan.changes)
        self.plan.changes.append(Change(number, path, puts, taken >= 0))
        return number

    def _count_bytes(self, path: bytes) -> None:
        self._change_bytes += len(path)
        if self._change_bytes > CHANGE_BYTES_MAX:
            raise TooManyChanges

    def _link_holds(self, extra: Extra, j: int, change_of: NDArray[np.int32]) -> bool:
        """Return True if a further hard link still leads to the first link's file, and that file stays."""
        number = -1 if extra.hard_link is None else self._wanted_number(extra.hard_link)
        if number < 0:
            return True
        first = self._place[number]
        return bool(
            first >= 0
            and change_of[number] < 0
            and self._scan.inode[first] == self._scan.inode[j]
            and self._scan.device[first] == self._scan.device[j]
        )

    def _stays(self, i: int, j: int, extra: Extra) -> bool:
        """Return True if the target's entry at a path stays, perhaps with a fix; False if it is replaced."""
        kind = self.plan.kinds[i]
        if int(self._scan.kind[j]) != kind:
            return False
        if self._chosen is not None and not self._chosen[i]:
            return True  # a folder on the way to what is wanted: it stays as the target has it
        if kind == Kind.SYMLINK:
            start = int(self._target_starts[j])
            target = self._scan.target_bytes[start : start + int(self._scan.target_length[j])]
            return target == extra.target and self._same_owner(i, j) and self._same_mtime(i, j)
        path = self._paths[i]
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
            self._count_bytes(path)
            self.plan.fixes.append(fix)
            if kind == Kind.FILE:
                self.plan.changed.add(self._paths, i, kind, int(b.size[i]))
        return True

    def _same_owner(self, i: int, j: int) -> bool:
        if not self._owners:
            return True
        return bool(self._scan.uid[j] == self._before.uid[i] and self._scan.gid[j] == self._before.gid[i])

    def _same_mtime(self, i: int, j: int) -> bool:
        return bool(self._scan.mtime_ns[j] == self._before.mtime_ns[i])

    def _take_away(self) -> None:
        """Take away the contents of a replaced folder; for a mirror, also all that the backup lacks, by its top."""
        # `top` is a folder that goes with all in it: entries whose folder is `top` or one behind it are in it.
        sizes, kinds = self._scan.size.tolist(), self._scan.kind.tolist()
        removed, top = self.plan.removed, len(kinds)
        for j, parent in enumerate(self._theirs.parents.tolist()):
            if parent >= top:
                removed.add(self._theirs, j, kinds[j], sizes[j])
                continue
            top = len(kinds)
            number = self._number[j]
            if number >= 0 and self._is_wanted(number):
                if j in self._replaced and kinds[j] == Kind.FOLDER:
                    top = j  # goes with the folder
                continue
            if self._is_left(j, kinds[j]):
                continue
            self._new_change(self._theirs[j], puts=False, taken=j)
            removed.add(self._theirs, j, kinds[j], sizes[j])
            top = j

    def _is_left(self, j: int, kind: int) -> bool:
        """Return True if an entry of the target that the backup lacks stays."""
        path = self._theirs[j]
        stale = self._is_stale_sidecar(path) if kind == Kind.FILE else None
        if stale is not None:
            return not stale or path in self._held
        if path in self._held or path in self._deep or j in self._around:
            return True
        if self._ignored[j]:
            return True  # the backup lacks it because nobody wanted it backed up, not because it was not there
        return self._mode == "overlay" or (self._chosen_there is not None and not self._chosen_there[j])

    def _is_stale_sidecar(self, path: bytes) -> bool | None:
        """Tell if a file of the target that the backup lacks belonged to a database that is replaced (True), or belongs
        to one that stays as it is (False); None: neither."""
        end = next((end for end in SIDECARS if path.endswith(end)), None)
        database = path[: -len(end)] if end else b""
        number = self._wanted_number(database) if database else -1
        if number < 0 or self.plan.kinds[number] != Kind.FILE:
            return None
        if self.plan.change_of[number] >= 0:
            # SQLite would replay it into the database that is put there.
            return database in self._databases or self._is_database(number) or None
        return False if database in self._databases else None


def _with_below(paths: PathTree, tops: set[int]) -> list[bool]:
    """Return for each path whether it is one of `tops` or below one."""
    out: list[bool] = []
    for i, parent in enumerate(paths.parents.tolist()):
        out.append(i in tops or (parent >= 0 and out[parent]))
    return out


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


class DeepFolderInTheWay(TargetInTheWay):
    """A folder that is nested too deeply for a backup lies where the backup has something else."""

    def __init__(self, path: bytes) -> None:
        Exception.__init__(
            self,
            f"The backup has something else at {shown(path)}, a folder that is nested too deeply for a backup; move it "
            "away, or restore to another folder.",
        )


class TooManyChanges(TargetInTheWay):
    """The paths that a restore would change take more memory than they may."""

    def __init__(self) -> None:
        Exception.__init__(
            self,
            "The restore would change too many files with long paths; restore to another folder, or some paths at a "
            "time.",
        )


def _self_and_parents(path: bytes) -> list[bytes]:
    out = [path]
    while b"/" in path:
        path = path.rpartition(b"/")[0]
        out.append(path)
    return out
