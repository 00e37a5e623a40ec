"""The paths of a tree: each is kept as its last name and the number of its folder's entry.

The owner of a tree may make few folders with long names, one in the other, and in the last of them many files: 20,000
paths of 32 KB are 640 MB, and 5 MB of names. So paths are kept as names, and joined where one is needed. Of a tree
whose paths are short, all are joined at once, which is faster.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from holdfast.native import library as native

JOINED_BYTES_MAX = 64 * 1024 * 1024
"""Paths of no more than this together are all kept joined."""

_WINDOW = 64
"""Number of paths that are joined at once in a larger tree: they are mostly asked for in their order."""


class PathTree(Sequence[bytes]):
    """Paths in manifest order: depth first, names of one folder by their bytes, a folder before what is in it."""

    def __init__(self, parents: NDArray[np.int32], name_lengths: NDArray[np.uint16], name_bytes: bytes) -> None:
        """`parents`: for each path the number of its folder's, which comes before it; -1: the root."""
        self.parents = np.ascontiguousarray(parents, "<i4")
        self.name_lengths = np.ascontiguousarray(name_lengths, "<u2")
        self.name_bytes = name_bytes
        count = len(self.parents)
        ends: NDArray[np.int64] = self.name_lengths.cumsum(dtype=np.int64)
        self._name_starts: NDArray[np.int64] = ends - self.name_lengths
        self.lengths: NDArray[np.uint16] = np.empty(count, "<u2")
        """The length of each path."""
        code = native.paths_lengths(
            self.parents.ctypes.data, self.name_lengths.ctypes.data, count, self.lengths.ctypes.data
        )
        if code:
            raise OSError(-code, os.strerror(-code))
        self.columns = native.PathColumns(
            self.parents.ctypes.data,
            self.name_lengths.ctypes.data,
            self._name_starts.ctypes.data,
            self.lengths.ctypes.data,
            name_bytes,
            count,
        )
        """The same for `native`; valid for as long as this object lives."""
        self._joined: list[bytes] | None = None
        self._window: list[bytes] = []
        self._window_at = -1

    @classmethod
    def of(cls, paths: Iterable[bytes]) -> PathTree:
        """Return the tree of whole paths, which are in manifest order."""
        builder = PathTreeBuilder()
        whole = list(paths)
        builder.add(b"".join(whole), np.fromiter(map(len, whole), np.uint16, len(whole)))
        return builder.tree()

    def __len__(self) -> int:
        return len(self.parents)

    @overload
    def __getitem__(self, number: int) -> bytes: ...
    @overload
    def __getitem__(self, number: slice) -> list[bytes]: ...
    def __getitem__(self, number: int | slice) -> bytes | list[bytes]:
        joined = self._all()
        if joined is not None:
            return joined[number]
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        if number < 0:
            number += len(self)
        if not 0 <= number < len(self):
            raise IndexError(number)
        at = number // _WINDOW
        if at != self._window_at:
            self._window = self._join(at * _WINDOW, min((at + 1) * _WINDOW, len(self)))
            self._window_at = at
        return self._window[number % _WINDOW]

    def __iter__(self) -> Iterator[bytes]:
        joined = self._all()
        if joined is not None:
            yield from joined
            return
        for start in range(0, len(self), _WINDOW):
            yield from self._join(start, min(start + _WINDOW, len(self)))

    def last_bytes(self) -> NDArray[np.uint8]:
        """Return the last byte of each path."""
        names = np.frombuffer(self.name_bytes, np.uint8)
        last: NDArray[np.uint8] = names[self._name_starts + self.name_lengths - 1]
        return last

    def is_same(self, other: PathTree) -> bool:
        """Return True if both have the same paths."""
        return (
            np.array_equal(self.parents, other.parents)
            and np.array_equal(self.name_lengths, other.name_lengths)
            and self.name_bytes == other.name_bytes
        )

    def match(self, other: PathTree) -> NDArray[np.int64]:
        """Return for each path its number in another tree, or -1."""
        if self.is_same(other):
            return np.arange(len(self), dtype=np.int64)
        out = np.empty(len(self), np.int64)
        code = native.paths_match(ctypes.byref(self.columns), ctypes.byref(other.columns), out.ctypes.data)
        if code:
            raise MemoryError
        return out

    def place(self, path: bytes) -> int:
        """Return the number of the first path that does not come before `path`."""
        place: int = native.paths_find(ctypes.byref(self.columns), path, len(path))
        if place < 0:
            raise MemoryError
        return place

    def number_of(self, path: bytes) -> int:
        """Return the number of a path, or -1."""
        place = self.place(path)
        return place if place < len(self) and self[place] == path else -1

    def only(self, keep: NDArray[np.bool_]) -> PathTree:
        """Return the tree of some of the paths, which have all that is above them."""
        numbers = np.cumsum(keep, dtype=np.int32) - 1
        parents = self.parents[keep]
        parents[parents >= 0] = numbers[parents[parents >= 0]]
        names = np.repeat(keep, self.name_lengths)
        return PathTree(parents, self.name_lengths[keep], np.frombuffer(self.name_bytes, np.uint8)[names].tobytes())

    def with_folder(self, paths: Sequence[bytes]) -> tuple[PathTree, int]:
        """Return the tree with one more folder, with files, in the root; and the folder's number.

        `paths`: the folder's and, in order, those of its files.
        """
        at, count = self.place(paths[0]), len(paths)
        parents = self.parents.copy()
        parents[parents >= at] += count
        names = [paths[0], *(path[len(paths[0]) + 1 :] for path in paths[1:])]
        start = int(self._name_starts[at]) if at < len(self) else len(self.name_bytes)
        tree = PathTree(
            np.concatenate([parents[:at], np.array([-1, *[at] * (count - 1)], np.int32), parents[at:]]),
            np.insert(self.name_lengths, at, [len(name) for name in names]),
            self.name_bytes[:start] + b"".join(names) + self.name_bytes[start:],
        )
        return tree, at

    def _all(self) -> list[bytes] | None:
        """Return all paths, joined; None where they would take too much."""
        if self._joined is None and int(self.lengths.sum(dtype=np.int64)) <= JOINED_BYTES_MAX:
            self._joined = self._join(0, len(self))
        return self._joined

    def _join(self, start: int, stop: int) -> list[bytes]:
        ends = self.lengths[start:stop].cumsum(dtype=np.int64).tolist()
        if not ends:
            return []
        out = ctypes.create_string_buffer(ends[-1] or 1)
        native.paths_expand(ctypes.byref(self.columns), start, stop, out)
        blob = out.raw
        return [blob[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]


class PathTreeBuilder:
    """Makes a tree of whole paths that come in parts. Use once."""

    def __init__(self) -> None:
        self._state = ctypes.create_string_buffer(native.SPLIT_STATE_BYTES)
        self._parents: list[NDArray[Any]] = []
        self._lengths: list[NDArray[Any]] = []
        self._names: list[bytes] = []

    def add(self, path_bytes: bytes, lengths: NDArray[np.integer]) -> None:
        """Add paths, back to back, that follow those before in manifest order."""
        count = len(lengths)
        whole = np.ascontiguousarray(lengths, "<u2")
        parents, name_lengths = np.empty(count, "<i4"), np.empty(count, "<u2")
        names = ctypes.create_string_buffer(len(path_bytes) or 1)
        size = native.paths_split(
            self._state,
            path_bytes,
            whole.ctypes.data,
            count,
            parents.ctypes.data,
            name_lengths.ctypes.data,
            names,
        )
        self._parents.append(parents)
        self._lengths.append(name_lengths)
        self._names.append(ctypes.string_at(names, size))

    def tree(self) -> PathTree:
        """Return the tree."""
        if not self._parents:
            return empty_tree()
        return PathTree(np.concatenate(self._parents), np.concatenate(self._lengths), b"".join(self._names))


def empty_tree() -> PathTree:
    """Return the tree of no paths."""
    return PathTree(np.empty(0, np.int32), np.empty(0, np.uint16), b"")
