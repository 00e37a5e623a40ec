"""The changes that a restore makes, and the paths that a preview shows of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from holdfast.units import MIB
from holdfast.vault.path_tree import PathTree

SHOWN_PATHS_MAX = 1000
SHOWN_BYTES_MAX = MIB
"""Of more paths than this a preview shows the first ones; the counts are always whole."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path, with all below it. `puts`: the backup has something there; `takes`: the target had.

    `must_be_free`: nothing may be at the path, where else what an application makes there meanwhile gives way.
    """

    number: int
    path: bytes
    puts: bool
    takes: bool
    must_be_free: bool = False


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


class ShownPaths:
    """All paths of one sort: the first ones, and the count of all."""

    def __init__(self) -> None:
        self.first: list[ShownPath] = []
        self._count = 0
        self._bytes = 0

    def __len__(self) -> int:
        return self._count

    def add(self, paths: PathTree, number: int, kind: int, size: int) -> None:
        """Count a path, and keep it if it is one of the first."""
        self._count += 1
        if len(self.first) < SHOWN_PATHS_MAX and self._bytes < SHOWN_BYTES_MAX:
            self.first.append(ShownPath(paths[number], kind, size))
            self._bytes += len(self.first[-1].path)


@dataclass(frozen=True, slots=True)
class NewFolder:
    """A new folder of the target that all is put into. `mark`: an extended attribute that it gets, name and value."""

    path: bytes
    mark: tuple[bytes, bytes]


@dataclass(slots=True)
class RestorePlan:
    """The changes to make. `change_of`: for each entry of the backup, the number of the change that puts it, or -1."""

    change_of: NDArray[np.int32]
    paths: PathTree
    kinds: list[int]
    links: dict[int, int] = field(default_factory=dict)
    """Entries that are made as a hard link: their number, and that of the first link."""
    changes: list[Change] = field(default_factory=list)
    fixes: list[Fix] = field(default_factory=list)
    added: ShownPaths = field(default_factory=ShownPaths)
    changed: ShownPaths = field(default_factory=ShownPaths)
    removed: ShownPaths = field(default_factory=ShownPaths)
    too_deep: list[bytes] = field(default_factory=list)
    """Folders of the target that no walk gets to the end of: they stay, with what holds them. The first ones."""
    write_files: int = 0
    write_bytes: int = 0
    into: NewFolder | None = None
    """The folder that all is put into, by one change; None: the target itself."""

    def put_into(self, folder: NewFolder) -> None:
        """Have a plan that was made against nothing put all into one new folder."""
        self.into = folder
        self.change_of[self.change_of >= 0] = 0
        self.changes = [Change(0, folder.path, puts=True, takes=False, must_be_free=True)]

    @property
    def is_empty(self) -> bool:
        """True if the target is as it should be."""
        return not (self.changes or self.fixes)
