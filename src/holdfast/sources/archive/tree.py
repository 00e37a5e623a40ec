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
_WHAT = {FILE: "a file", FOLDER: "a folder", SYMLINK: "a symbolic link"}


class Tree:
    """All members so far. Paths are those of `names.checked_path`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._places: dict[bytes, int] = {}
        self._paths: list[bytes] = []
        self._kind, self._mode = array("B"), array("H")
        self._uid, self._gid = array("I"), array("I")
        self._mtime_ns, self._size = array("q"), array("Q")
        self._first = array("q")
        """Of each entry: the number of the one whose content it has; its own, but for hard links."""
        self._implied: set[int] = set()
        self._targets: dict[int, bytes] = {}
        self._names_bytes = 0
        self._content_bytes = 0

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def files(self) -> int:
        """Return the number of files, hard links counted each time."""
        return self._kind.count(FILE)

    def path(self, number: int) -> bytes:
        """Return the path of an entry."""
        return self._paths[number]

    def add(self, path: bytes, kind: int, mode: int, uid: int, gid: int, mtime_ns: int) -> int:
        """Add an entry; return its number. Raises ArchiveRefused."""
        if not (0 <= uid <= ID_MAX and 0 <= gid <= ID_MAX):
            raise refused(path, "has an owner that no file can have")
        if not -(2**63) <= mtime_ns < 2**63:
            raise refused(path, "has a time that no file can have")
        there = self._places.get(path)
        if there is not None:
            if kind == FOLDER and there in self._implied:
                self._implied.discard(there)
                self._mode[there], self._uid[there], self._gid[there] = mode & 0o7777, uid, gid
                self._mtime_ns[there] = mtime_ns
                return there
            if kind != FOLDER and there in self._implied:
                raise refused(path, f"is {_WHAT[kind]}, and other members lie below it")
            raise refused(path, "is in the archive twice")
        self._make_parents(path, uid, gid, mtime_ns)
        return self._append(path, kind, mode, uid, gid, mtime_ns)

    def add_link(self, path: bytes, target: bytes) -> int:
        """Add a hard link to an existing entry; return the number of that entry. Raises ArchiveRefused."""
        first = self._places.get(target)
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
        self._targets[number] = checked_target(self._paths[number], target)
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
        paths = self._paths
        keys = [path.replace(b"/", b"\0") for path in paths]  # a zero byte is below all that a name can have
        order = sorted(range(len(paths)), key=keys.__getitem__)
        del keys
        at = np.array(order, np.int64)
        first = np.frombuffer(self._first, np.int64)
        counts = np.bincount(first, minlength=len(paths)) if len(paths) else first
        targets = [self._targets.get(i, b"") for i in order]
        size = np.frombuffer(self._size, np.uint64)[at]
        target_length = np.fromiter(map(len, targets), np.uint16, len(targets))
        return Scan(
            kind=np.frombuffer(self._kind, np.uint8)[at],
            mode=np.frombuffer(self._mode, np.uint16)[at],
            uid=np.frombuffer(self._uid, np.uint32)[at],
            gid=np.frombuffer(self._gid, np.uint32)[at],
            mtime_ns=np.frombuffer(self._mtime_ns, np.int64)[at],
            ctime_ns=np.zeros(len(paths), np.int64),
            size=size + target_length,
            inode=first[at].astype(np.uint64) + np.uint64(1),
            device=np.zeros(len(paths), np.uint64),
            nlink=counts[first[at]].astype(np.uint32),
            target_length=target_length,
            paths=PathTree.of(paths[i] for i in order),
            target_bytes=b"".join(targets),
            content=np.full(len(paths), ContentOrigin.COPY, np.uint8),
            notices=PathWarnings(),
        )

    def _append(self, path: bytes, kind: int, mode: int, uid: int, gid: int, mtime_ns: int) -> int:
        number = len(self._paths)
        if number >= self._limits.entries_max:
            raise ArchiveTooLarge(
                f"The archive has more than {self._limits.entries_max:,} files and folders; import it in parts."
            )
        self.count_names(len(path))
        self._places[path] = number
        self._paths.append(path)
        self._kind.append(kind)
        self._mode.append(mode & 0o7777)
        self._uid.append(uid)
        self._gid.append(gid)
        self._mtime_ns.append(mtime_ns)
        self._size.append(0)
        self._first.append(number)
        return number

    def _make_parents(self, path: bytes, uid: int, gid: int, mtime_ns: int) -> None:
        """Folders that the archive does not name get the owner and time of the first member below them."""
        missing = []
        above = path
        while (cut := above.rfind(b"/")) > 0:
            above = above[:cut]
            there = self._places.get(above)
            if there is not None:
                if self._kind[there] != FOLDER:
                    raise refused(path, f"lies below {shown_member(above)}, which is {_WHAT[self._kind[there]]}")
                break
            missing.append(above)
        for folder in reversed(missing):
            self._implied.add(self._append(folder, FOLDER, FOLDER_MODE, uid, gid, mtime_ns))
