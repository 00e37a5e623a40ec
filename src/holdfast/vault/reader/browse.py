"""Browse: one path of a backup, a folder's entries, a subtree, found by reading only the blocks that hold them.

Entries stand in the order of a depth-first walk and the backup's list has each block's first path, so the block of any
path is found by bisection, and a sub-folder is passed over by a jump to where it ends.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
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

    def span(self, folder: bytes) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return the span of the entries below a folder: (block, entry) of the first one and of the one after the
        last."""
        end = (len(self._snapshot.blocks), 0)
        first = self._position(key_of(folder), behind=bool(folder)) or end
        last = self._position([*key_of(folder), _BEHIND_ALL]) if folder else None
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


class SubtreeView:
    """The subtree of a folder as a backup of its own, for the layouts: paths are relative to the folder."""

    def __init__(self, snapshot: Snapshot, folder: bytes) -> None:
        self._snapshot = snapshot
        self._cut = len(folder) + 1 if folder else 0
        (first, start), (last, stop) = Browser(snapshot).span(folder)
        self._parts = [
            (number, start if number == first else 0, stop if number == last else None)
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
        """Return the part of a block that lies below the folder."""
        of, start, stop = self._parts[number]
        return _slice(self._snapshot.block(of), start, stop, self._cut)

    def extent_list(self, ref: ListRef) -> tuple[Extent, ...]:
        """Decode an extent list, as in the whole backup."""
        return self._snapshot.extent_list(ref)


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
