"""Opening an application's files: below the root, through no link, regular files only.

Where the kernel has openat2 (Linux 5.6), it refuses links and ways out itself, in one call. Elsewhere every component
is opened with O_NOFOLLOW below the one before; the last folder's chain is kept, because files come in order of path.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.native import library as native
from holdfast.vault.errors import StreamFailed
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    from holdfast.vault.source import FileStat, SourceStream

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class SourceFileRefused(OSError):
    """The path no longer leads to a regular file below the root."""


def open_root(root: Path, last: int = _FOLDER) -> int:
    """Return a descriptor of the folder `root`, an absolute path, reached through no link. `last`: its flags.

    The path had no links when the application was added; a later one may be the tenant's, who would make us
    read another folder. Raises SourceFileRefused then, and OSError.
    """
    top = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        parts = [part for part in os.fsencode(root).split(b"/") if part]
        for depth, part in enumerate(parts, 1):
            # Of the folders above nothing is read, and the right to do so may be missing: O_PATH.
            below = os.open(part, last if depth == len(parts) else _FOLDER | os.O_PATH, dir_fd=top)
            os.close(top)
            top = below
    except OSError as error:
        os.close(top)
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and Path(root).is_dir():
            raise SourceFileRefused(errno.ELOOP, "there is a link in its path now") from None
        raise
    return top


ROOT_MODE = 0o755
"""Of an application's folder that was gone, as of one that its owner makes."""


def make_root(root: Path, *, with_parents: bool = False) -> bool:
    """Make the folder `root`, an absolute path, if it alone is missing; no link in its path is followed.

    Return True if it was missing. `with_parents`: folders above it are made too. Raises SourceFileRefused,
    FileNotFoundError, OSError.
    """
    top, is_made = os.open("/", _FOLDER | os.O_PATH), False
    try:
        parts = [part for part in os.fsencode(root).split(b"/") if part]
        for depth, part in enumerate(parts, 1):
            try:
                below = os.open(part, _FOLDER | os.O_PATH, dir_fd=top)
            except FileNotFoundError:
                if depth < len(parts) and not with_parents:
                    raise
                os.mkdir(part, dir_fd=top)
                below = os.open(part, _FOLDER | os.O_PATH, dir_fd=top)
                os.chmod(f"/proc/self/fd/{below}", ROOT_MODE)  # our umask would close it to the application
                is_made = True
            os.close(top)
            top = below
        return is_made
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.EEXIST):
            raise SourceFileRefused(errno.ELOOP, "there is a link or a file in its path now") from None
        raise
    finally:
        os.close(top)


class DirectoryReader:
    """Opens files below `root`. Not to be shared between threads."""

    def __init__(
        self,
        root: Path,
        *,
        by_component: bool = False,
        file_bytes_max: int = sys.maxsize,
        content_bytes_max: int = sys.maxsize,
    ) -> None:
        """`by_component` does without openat2. Raises OSError when the root cannot be opened."""
        self.content_bytes_max = content_bytes_max
        self._file_bytes_max = file_bytes_max
        self._root = open_root(root)
        self._by_component = by_component
        self._chain: list[tuple[bytes, int]] = []

    def close(self) -> None:
        """Release the open folders."""
        self._drop_to(0)
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def open(self, path: bytes) -> int:
        """Return a read-only descriptor of the regular file at `path`.

        Raises FileNotFoundError, PermissionError, SourceFileRefused (now a link, a folder, a pipe), OSError.
        """
        # O_NOATIME would spare the inode's write, but is allowed to the owner alone; relatime makes it moot.
        fd = self._open(path, _READ)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise SourceFileRefused(errno.EINVAL, "it is no longer a regular file")
        return fd

    def stat(self, fd: int) -> FileStat:
        """Return the stat of an open file. Raises OSError."""
        return os.fstat(fd)

    def read_into(self, fd: int, buffer: memoryview, at: int) -> int:
        """Read from `at` on into `buffer`; return the number of bytes, 0 at the end. Raises OSError."""
        return os.preadv(fd, [buffer], at)

    def data_run(self, fd: int, at: int, end: int) -> tuple[int, int]:
        """Return the next run of data within `at` to `end`; both are the end where only a hole is left."""
        return data_run(fd, at, end)

    def bytes_max(self, fd: int) -> int:
        """Return how large an open file may be."""
        return self._file_bytes_max

    def open_folder(self, path: bytes) -> int:
        """Return a descriptor of the folder at `path`; of the root for an empty one. Raises as `open`."""
        return self._open(path, _FOLDER) if path else os.dup(self._root)

    def xattrs(self, fd: int) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes of an open file, sorted by name; none where the file system has none."""
        try:
            names = os.listxattr(fd)
        except OSError:
            return ()
        found = []
        for name in names:
            with suppress(OSError):  # taken away since it was listed, or not ours to read
                found.append((os.fsencode(name), os.getxattr(fd, name)))
        return tuple(sorted(found))

    def folder_xattrs(self, path: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes of the folder at `path`; none when it cannot be opened (any more)."""
        try:
            fd = self._open(path, _FOLDER)
        except OSError:
            return ()
        try:
            return self.xattrs(fd)
        finally:
            os.close(fd)

    def doubt(self, path: bytes, head: bytes | memoryview) -> tuple[str, str] | None:
        """Return None: plain files are trusted as they were read."""
        return None

    def stream(self, path: bytes) -> SourceStream:
        """Raise StreamFailed: a folder has no streams."""
        raise StreamFailed(f"{shown(path)} is not a stream.")

    def _open(self, path: bytes, flags: int) -> int:
        if not self._by_component:
            fd: int = native.open_beneath(self._root, path, flags)
            if fd >= 0:
                return fd
            if fd == -errno.EAGAIN:  # a rename somewhere on the machine raced the look-up; the kernel says try again
                return self._walk_to(path, flags)
            if fd == -errno.ENAMETOOLONG:  # longer than the kernel takes at once
                return self._walk_to(path, flags)
            if fd != -errno.ENOSYS:
                raise _refused(-fd)
            self._by_component = True
        return self._walk_to(path, flags)

    def _walk_to(self, path: bytes, flags: int) -> int:
        *folders, name = path.split(b"/")
        if any(part in (b"", b".", b"..") for part in (*folders, name)):
            raise SourceFileRefused(errno.EINVAL, "its path does not lie below the root")
        same = 0
        while same < min(len(folders), len(self._chain)) and self._chain[same][0] == folders[same]:
            same += 1
        self._drop_to(same)
        try:
            for folder in folders[same:]:
                above = self._chain[-1][1] if self._chain else self._root
                self._chain.append((folder, os.open(folder, _FOLDER, dir_fd=above)))
            above = self._chain[-1][1] if self._chain else self._root
            return os.open(name, flags, dir_fd=above)
        except OSError as error:
            raise _refused(error.errno or errno.EIO) from None

    def _drop_to(self, depth: int) -> None:
        while len(self._chain) > depth:
            os.close(self._chain.pop()[1])


def data_run(fd: int, at: int, end: int) -> tuple[int, int]:
    """Return the next run of data of a file within `at` to `end`; both are the end where only a hole is left."""
    try:
        start = os.lseek(fd, at, os.SEEK_DATA)
    except OSError:
        return end, end
    if start >= end:
        return end, end
    return start, min(end, os.lseek(fd, start, os.SEEK_HOLE))


def _refused(code: int) -> OSError:
    if code in (errno.ELOOP, errno.EXDEV, errno.EMLINK):
        return SourceFileRefused(code, "there is a link in its path now")
    return OSError(code, os.strerror(code))
