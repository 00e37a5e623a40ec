"""Browse: one path of a backup, a folder's entries, a subtree, several paths: only the blocks that hold them are read.

Entries stand in the order of a depth-first walk and the backup's list has each block's first path, so the block of any
path is found by bisection, and a sub-folder is passed over by a jump to where it ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from holdfast.vault.layout.listing import ref_of
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.columns import COLUMNS
from holdfast.vault.manifest.entry import Entry, Extent, Kind, ListRef
from holdfast.vault.manifest.listing import BlockRef
from holdfast.vault.reader.snapshot import Snapshot

_BEHIND_ALL = b"\xff" * 256
"""Greater than any name: those have at most 255 bytes on any file system that can be walked."""

Key = list[bytes]
Span = tuple[tuple[int, int], tuple[int, int]]
"""Entries of a backup: (block, entry) of the first one and of the one after the last."""


def key_of(path: bytes) -> Key:
    """Return the sort key of a path: its components. The root's is the empty list."""
    return path.split(b"/") if path else []


class Browser:
    """Finds entries of one opened backup."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    @cached_property
    def _firsts(self) -> list[Key]:
        return [key_of(ref.first_path) for ref in self._snapshot.blocks]

    def entry(self, path: bytes) -> Entry | None:
        """Return the entry at a path; None when there is none. The root has no entry."""
        at = self._position(key_of(path))
        if at is None:
            return None
        block = self._snapshot.block(at[0])
        return block.entry(at[1]) if block.path(at[1]) == path else None

    def children(self, folder: bytes, after: bytes = b"") -> Iterator[Entry]:
        """Yield the entries directly in a folder, in order; the root's for an empty path."""
        prefix = folder + b"/" if folder else b""
        if after.startswith(prefix) and after:
            at = self._position([*key_of(after), _BEHIND_ALL])
        else:
            at = self._position(key_of(folder), behind=bool(folder))
        while at is not None:
            number, i = at
            block = self._snapshot.block(number)
            path = block.path(i)
            if not path.startswith(prefix):
                return
            entry = block.entry(i)
            yield entry
            if entry.kind is Kind.FOLDER:
                at = self._position([*key_of(path), _BEHIND_ALL])
            else:
                at = (number, i + 1) if i + 1 < len(block) else self._begin_of(number + 1)

    def span(self, path: bytes, *, has_own: bool = False) -> Span:
        """Return the span of the entries below a path, with `has_own` of its own entry too."""
        end = (len(self._snapshot.blocks), 0)
        first = self._position(key_of(path), behind=bool(path) and not has_own) or end
        last = self._position([*key_of(path), _BEHIND_ALL]) if path else None
        return first, last or end

    def _begin_of(self, number: int) -> tuple[int, int] | None:
        return (number, 0) if number < len(self._snapshot.blocks) else None

    def _position(self, key: Key, *, behind: bool = False) -> tuple[int, int] | None:
        """Return (block, entry) of the first entry at or after a key (`behind`: after it); None when there is none."""
        number = max(0, bisect_right(self._firsts, key) - 1)
        if number >= len(self._firsts):
            return None
        block = self._snapshot.block(number)
        keys = [key_of(path) for path in block.paths()]
        i = (bisect_right if behind else bisect_left)(keys, key)
        return (number, i) if i < len(block) else self._begin_of(number + 1)


class PartView:
    """A part of a backup as one of its own, for the layouts: spans of entries, whose paths lose their first bytes."""

    def __init__(self, snapshot: Snapshot, spans: Iterable[Span], cut: int) -> None:
        self._snapshot = snapshot
        self._cut = cut
        self._parts = [
            (number, start if number == first else 0, stop if number == last else None)
            for (first, start), (last, stop) in spans
            for number in range(first, last + 1)
            if number < last or stop
        ]

    @property
    def zip_layout(self) -> int:
        """The version of the zip's layout, as of the whole backup."""
        return self._snapshot.zip_layout

    @cached_property
    def blocks(self) -> Sequence[BlockRef]:
        """Return a reference for each part of a block; their ids name nothing that is stored."""
        return [ref_of(self.block(n), self._snapshot.blocks[part[0]].chunk_id) for n, part in enumerate(self._parts)]

    def block(self, number: int) -> Block:
        """Return what of a block lies in one of the spans."""
        of, start, stop = self._parts[number]
        return _slice(self._snapshot.block(of), start, stop, self._cut)

    def extent_list(self, ref: ListRef) -> tuple[Extent, ...]:
        """Decode an extent list, as in the whole backup."""
        return self._snapshot.extent_list(ref)


class SubtreeView(PartView):
    """The subtree of a folder: paths are relative to the folder."""

    def __init__(self, snapshot: Snapshot, folder: bytes) -> None:
        super().__init__(snapshot, [Browser(snapshot).span(folder)], len(folder) + 1 if folder else 0)


class SelectionView(PartView):
    """Several paths, each with all below it: they are relative to the folder that all of them are in.

    A path below another one of them adds nothing. None of them is the root.
    """

    def __init__(self, snapshot: Snapshot, paths: Iterable[bytes]) -> None:
        browser, chosen = Browser(snapshot), outermost(paths)
        folder = common_folder(chosen)
        spans = [browser.span(path, has_own=True) for path in chosen]
        super().__init__(snapshot, spans, len(folder) + 1 if folder else 0)


def outermost(paths: Iterable[bytes]) -> list[bytes]:
    """Return the paths that lie below no other one of them, in the order of a backup's entries."""
    found: list[Key] = []
    for key in sorted(map(key_of, paths)):
        if not found or key[: len(found[-1])] != found[-1]:
            found.append(key)
    return [b"/".join(key) for key in found]


def common_folder(paths: Sequence[bytes]) -> bytes:
    """Return the innermost folder that all of some paths are in; empty for the root."""
    folders = [key_of(path)[:-1] for path in paths]
    same = 0
    while all(len(one) > same and one[same] == folders[0][same] for one in folders):
        same += 1
    return b"/".join(folders[0][:same])


def _slice(block: Block, start: int, stop: int | None, cut: int) -> Block:
    rows = slice(start, stop)
    columns = {name: getattr(block, name)[rows] for name in COLUMNS}
    columns["path_length"] = columns["path_length"] - cut
    last = len(block) if stop is None else stop
    extents = block.extents[_ends(block.extent_ends, start) : _ends(block.extent_ends, last)]
    extras = block.extra_bytes[_ends(block.extra_ends, start) : _ends(block.extra_ends, last)]
    return Block(columns, extents, b"".join(path[cut:] for path in block.paths()[rows]), extras)


def _ends(ends: list[int], i: int) -> int:
    return ends[i - 1] if i else 0
