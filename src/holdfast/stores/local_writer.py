"""Durable writes on a local disk: the unfinished object, and folders whose names are synced.

An error ends the object: bytes written before it are never committed, and a failed fsync is never retried.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from holdfast.stores.durable import sync_folder
from holdfast.stores.port import Buffer, StoreError, StoreFull, StoreUnreachable

WRITE_BACK_BYTES = 4 * 1024 * 1024
"""At most this many bytes are buffered before the kernel starts writing, so that the last fsync has little to do."""

BEGIN_TRIES_MAX = 100
"""At most this many new files are tried: a sweep may remove one between its creation and its lock."""

_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)


class LocalWriter:
    """An unfinished object: a locked file in `unfinished`, renamed to `path_of(name)` at its commit."""

    def __init__(self, root: Path, unfinished: Path, durable: set[Path], path_of: Callable[[str], Path]) -> None:
        """`durable` as for `make_folder`. Raises StoreFull, StoreUnreachable, StoreError."""
        self._root = root
        self._durable = durable
        self._path_of = path_of
        self._size = 0
        self._started = 0
        try:
            self._path, self._fd = _begin(unfinished)
        except OSError as error:
            raise disk_error(error, root) from error

    def write(self, data: Buffer) -> None:
        self._check_open()
        view = memoryview(data).cast("B")
        try:
            while view:
                written = os.write(self._fd, view)
                self._size += written
                view = view[written:]
        except OSError as error:
            self.abort()  # a part of `data` may be in the file; nobody may commit that
            raise disk_error(error, self._root) from error
        if self._size - self._started >= WRITE_BACK_BYTES and _sync_file_range is not None:
            # Only a hint: whether it works is seen at the fsync.
            _sync_file_range(
                self._fd,
                ctypes.c_int64(self._started),
                ctypes.c_int64(self._size - self._started),
                _SYNC_FILE_RANGE_WRITE,
            )
            self._started = self._size

    def commit(self, name: str) -> None:
        self._check_open()
        target = self._path_of(name)
        try:
            # A failed fsync is never retried: the kernel may have dropped the dirty pages, and the second one
            # would say that all is well (rsyslog, PostgreSQL learned this in 2018).
            os.fsync(self._fd)
            make_folder(target.parent, self._durable)
            os.rename(self._path, target)
            sync_folder(target.parent)
        except OSError as error:
            self._durable.intersection_update({self._root})  # a folder was removed: sync them all again
            self.abort()
            raise disk_error(error, self._root) from error
        self._close()

    def abort(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):
                os.unlink(self._path)
            self._close()

    def _close(self) -> None:
        with suppress(OSError):  # the fsync has reported everything that matters
            os.close(self._fd)
        self._fd = -1

    def _check_open(self) -> None:
        if self._fd < 0:
            raise StoreError("This object was already committed or aborted; write it again with a new writer.")


def _begin(unfinished: Path) -> tuple[Path, int]:
    """Return a new file that is locked as long as it is open, and its descriptor."""
    with suppress(FileExistsError):
        os.mkdir(unfinished, 0o700)  # never the folder above: that is the store's root
    for _ in range(BEGIN_TRIES_MAX):
        path = unfinished / os.urandom(16).hex()
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink:
                    return path, fd
        except OSError:
            os.unlink(path)
            os.close(fd)
            raise
        os.close(fd)
    raise OSError(errno.EBUSY, "every new file was swept away")


def make_folder(folder: Path, durable: set[Path]) -> None:
    """Make a folder and those above it, their names durable; `durable` holds those that are, and gets the new ones.

    A folder that is there already may have been made a moment ago by a process that has not synced it yet, and our
    object would vanish with it: so each folder is synced once by every store, whoever made it. One folder above must
    be in `durable`. Raises OSError.
    """
    if folder in durable:
        return
    make_folder(folder.parent, durable)
    with suppress(FileExistsError):
        os.mkdir(folder)
    sync_folder(folder.parent)
    durable.add(folder)


def disk_error(error: OSError, root: Path) -> StoreError:
    """Turn an error of the disk that holds `root` into one with a sentence for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(f"The disk that holds {root} is full; free some space there and try again.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ESTALE):
        why = error.strerror
        return StoreUnreachable(f"The store's folder {root} cannot be used ({why}); check it and its permissions.")
    return StoreError(f"The disk that holds {root} reported an error ({error.strerror}); check the disk.")
