"""The tree that an archive's members make, checked while it grows, and at the end the columns of a scan."""

from __future__ import annotations

from array import array

import numpy as np

from holdfast.sources.archive.errors import ArchiveTooLarge, Limits, refused, shown_member, too_large
from holdfast.sources.archive.names import checked_target
from holdfast.vault.path_tree import PathTree
from holdfast.vault.path_warnings import PathWarnings
from holdfast.vault.source import ContentOrigin, Scan

FILE, FOLDER, SYMLINK = 1, 2, 3
"""As vault.entry.Kind."""

FOLDER_MODE = 0o755
ID_MAX = 2**32 - 1
_ROOT, _KEY_BYTES = -1, 4
_WHAT = {FILE: "a file", FOLDER: "a folder", SYMLINK: "a symbolic link"}


class Tree:
    """All members so far. Paths are those of `names.checked_path`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # As in `vault.path_tree`, a path is its last name and the number of its folder: 16,000 folders, one in the
        # other, are 32 KB as names and 130 MB as paths.
        self._places: dict[bytes, int] = {}
        self._keys: list[bytes] = []
        self._parents = array("i")
        self._last_folder = (b"", _ROOT)
        self._kind, self._mode = array("B"), array("H")
        self._uid, self._gid = array("I"), array("I")
        self._mtime_ns, self._size = array("q"), array("Q")
        self._first = array("q")
        """Of each entry: the number of the one whose content it has; its own, but for hard links."""
        self._is_implied = array("B")
        """Of each entry: 1 if it is a folder that so far only members below it name."""
        self._targets: dict[int, bytes] = {}
        self._names_bytes = 0
        self._content_bytes = 0

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def files(self) -> int:
        """Return the number of files, hard links counted each time."""
        return self._kind.count(FILE)

    def path(self, number: int) -> bytes:
        """Return the path of an entry."""
        names = []
        while number != _ROOT:
            names.append(self._keys[number][_KEY_BYTES:])
            number = self._parents[number]
        return b"/".join(reversed(names))

    def add(self, path: bytes, kind: int, mode: int, uid: int, gid: int, mtime_ns: int) -> int:
        """Add an entry; return its number. Raises ArchiveRefused."""
        if not (0 <= uid <= ID_MAX and 0 <= gid <= ID_MAX):
            raise refused(path, "has an owner that no file can have")
        if not -(2**63) <= mtime_ns < 2**63:
            raise refused(path, "has a time that no file can have")
        folder = self._folder_of(path, uid, gid, mtime_ns)
        key = _key(folder, path[path.rfind(b"/") + 1 :])
        there = self._places.get(key)
        if there is not None:
            if kind == FOLDER and self._is_implied[there]:
                self._is_implied[there] = 0
                self._mode[there], self._uid[there], self._gid[there] = mode & 0o7777, uid, gid
                self._mtime_ns[there] = mtime_ns
                return there
            if kind != FOLDER and self._is_implied[there]:
                raise refused(path, f"is {_WHAT[kind]}, and other members lie below it")
            raise refused(path, "is in the archive twice")
        return self._append(key, folder, kind, mode, uid, gid, mtime_ns)

    def add_link(self, path: bytes, target: bytes) -> int:
        """Add a hard link to an existing entry; return the number of that entry. Raises ArchiveRefused."""
        first = self._find(target)
        if first is None:
            raise refused(
                path, f"is a hard link to {shown_member(target)}, which does not come before it in the archive"
            )
        if self._kind[first] == FOLDER:
            raise refused(path, f"is a hard link to the folder {shown_member(target)}")
        first = self._first[first]
        number = self.add(
            path,
            self._kind[first],
            self._mode[first],
            self._uid[first],
            self._gid[first],
            self._mtime_ns[first],
        )
        if self._kind[first] == SYMLINK:  # links to links are entries of their own, as when a folder is backed up
            self.set_target(number, self._targets[first])
            return number
        self.set_size(number, self._size[first])
        self._first[number] = first
        return first

    def is_file(self, number: int) -> bool:
        """Return True if an entry is a file."""
        return self._kind[number] == FILE

    def set_size(self, number: int, size: int) -> None:
        """Give a file its size. Raises ArchiveTooLarge."""
        self._content_bytes += size
        if self._content_bytes > self._limits.content_bytes_max:
            raise too_large(self._limits.content_bytes_max)
        self._size[number] = size

    def set_target(self, number: int, target: bytes) -> None:
        """Give a symbolic link its target, which is data and never followed. Raises ArchiveRefused."""
        self._targets[number] = checked_target(self.path(number), target)
        self.count_names(len(target))

    def count_names(self, size: int) -> None:
        """Count bytes of names, targets or attributes. Raises ArchiveTooLarge."""
        self._names_bytes += size
        if self._names_bytes > self._limits.names_bytes_max:
            raise ArchiveTooLarge(
                f"The archive's names, links and attributes take more than {self._limits.names_bytes_max:,} bytes; "
                "import it in parts."
            )

    def scan(self) -> Scan:
        """Return the columns, in manifest order."""
        order, count = self._order(), len(self)
        at = np.frombuffer(order, np.int64)
        first = np.frombuffer(self._first, np.int64)
        counts = np.bincount(first, minlength=count) if count else first
        targets = [self._targets.get(i, b"") for i in order]
        size = np.frombuffer(self._size, np.uint64)[at]
        target_length = np.fromiter(map(len, targets), np.uint16, len(targets))
        return Scan(
            kind=np.frombuffer(self._kind, np.uint8)[at],
            mode=np.frombuffer(self._mode, np.uint16)[at],
            uid=np.frombuffer(self._uid, np.uint32)[at],
            gid=np.frombuffer(self._gid, np.uint32)[at],
            mtime_ns=np.frombuffer(self._mtime_ns, np.int64)[at],
            ctime_ns=np.zeros(count, np.int64),
            size=size + target_length,
            inode=first[at].astype(np.uint64) + np.uint64(1),
            device=np.zeros(count, np.uint64),
            nlink=counts[first[at]].astype(np.uint32),
            target_length=target_length,
            paths=self._paths(order),
            target_bytes=b"".join(targets),
            content=np.full(count, ContentOrigin.COPY, np.uint8),
            notices=PathWarnings(),
        )

    def _find(self, path: bytes) -> int | None:
        number = _ROOT
        for name in path.split(b"/"):
            there = self._places.get(_key(number, name))
            if there is None:
                return None
            number = there
        return number

    def _folder_of(self, path: bytes, uid: int, gid: int, mtime_ns: int) -> int:
        """Return the number of the folder that a path lies in.

        Folders that the archive does not name get the owner and time of the first member below them.
        """
        above = path[: max(0, path.rfind(b"/"))]
        if not above:
            return _ROOT
        if above == self._last_folder[0]:
            return self._last_folder[1]
        number = _ROOT
        for name in above.split(b"/"):
            key = _key(number, name)
            there = self._places.get(key)
            if there is None:
                there = self._append(key, number, FOLDER, FOLDER_MODE, uid, gid, mtime_ns)
                self._is_implied[there] = 1
            elif self._kind[there] != FOLDER:
                raise refused(path, f"lies below {shown_member(self.path(there))}, which is {_WHAT[self._kind[there]]}")
            number = there
        self._last_folder = above, number
        return number

    def _append(self, key: bytes, folder: int, kind: int, mode: int, uid: int, gid: int, mtime_ns: int) -> int:
        number = len(self._keys)
        if number >= self._limits.entries_max:
            raise ArchiveTooLarge(
                f"The archive has more than {self._limits.entries_max:,} files and folders; import it in parts."
            )
        self.count_names(len(key) - _KEY_BYTES)
        self._places[key] = number
        self._keys.append(key)
        self._parents.append(folder)
        self._kind.append(kind)
        self._mode.append(mode & 0o7777)
        self._uid.append(uid)
        self._gid.append(gid)
        self._mtime_ns.append(mtime_ns)
        self._size.append(0)
        self._first.append(number)
        self._is_implied.append(0)
        return number

    def _order(self) -> array[int]:
        """Return the numbers of all entries in manifest order."""
        count = len(self)
        children = array("q", map(self._places.__getitem__, sorted(self._places)))
        parents = np.frombuffer(self._parents, np.int32)[np.frombuffer(children, np.int64)]
        starts = array("q", np.searchsorted(parents, np.arange(_ROOT, count + 1)).astype(np.int64).tobytes())
        order = array("q")
        waiting = [_ROOT]
        while waiting:
            number = waiting.pop()
            if number != _ROOT:
                order.append(number)
            waiting.extend(reversed(children[starts[number + 1] : starts[number + 2]]))
        return order

    def _paths(self, order: array[int]) -> PathTree:
        names = [self._keys[number][_KEY_BYTES:] for number in order]
        at = np.frombuffer(order, np.int64)
        places = np.empty(len(order), np.int32)
        places[at] = np.arange(len(order), dtype=np.int32)
        parents = np.frombuffer(self._parents, np.int32)[at]
        parents[parents != _ROOT] = places[parents[parents != _ROOT]]
        return PathTree(parents, np.fromiter(map(len, names), np.uint16, len(names)), b"".join(names))


def _key(folder: int, name: bytes) -> bytes:
    """Return where an entry is: its folder and its name. In their order, entries of one folder are by their bytes."""
    return (folder + 1).to_bytes(_KEY_BYTES, "big") + name
