"""A store on a local disk that is durable when it says so.

An object is written to a temporary name in the same file system, synced, renamed, and its folder synced; so after a
power cut it is there whole, or not at all. A temporary file is locked (flock) while its writer lives: what a dead
process left is told apart without clocks, and removed by `sweep_unfinished`.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from holdfast.stores.names import checked
from holdfast.stores.port import (
    Buffer,
    ObjectMissing,
    ObjectReader,
    ObjectWriter,
    StoreError,
    StoreFull,
    StoreUnreachable,
)

WRITE_BACK_BYTES = 4 * 1024 * 1024
"""The kernel is told to start writing after so many bytes, so that the fsync at the end has little left to do."""

_SYNC_FILE_RANGE_WRITE = 2
_UNFINISHED = "unfinished"
_libc = ctypes.CDLL(None, use_errno=True)
_sync_file_range = getattr(_libc, "sync_file_range", None)


class LocalStore:
    """Objects as files below `root`, which is made when it is missing. May be pickled to another process."""

    def __init__(self, root: Path) -> None:
        self._root = Path(root)
        self._unfinished = self._root / _UNFINISHED
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _store_error(error, self._root) from error

    def put(self, name: str, data: Buffer) -> None:
        writer = self.writer()
        try:
            writer.write(data)
            writer.commit(name)
        except BaseException:
            writer.abort()
            raise

    def writer(self) -> ObjectWriter:
        return _LocalWriter(self._root, self._unfinished)

    def get(self, name: str) -> bytes:
        reader = self.open(name)
        try:
            data = bytearray(reader.size)
            size = reader.read_into(0, memoryview(data))
            return bytes(data[:size])
        finally:
            reader.close()

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        reader = self.open(name)
        try:
            data = bytearray(max(0, min(length, reader.size - offset)))
            size = reader.read_into(offset, memoryview(data))
            return bytes(data[:size])
        finally:
            reader.close()

    def open(self, name: str) -> ObjectReader:
        try:
            return _LocalReader(os.open(self._root / checked(name), os.O_RDONLY | os.O_CLOEXEC), self._root)
        except FileNotFoundError:
            raise ObjectMissing(name) from None
        except OSError as error:
            raise _store_error(error, self._root) from error

    def size(self, name: str) -> int:
        try:
            return os.stat(self._root / checked(name)).st_size
        except FileNotFoundError:
            raise ObjectMissing(name) from None
        except OSError as error:
            raise _store_error(error, self._root) from error

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        folder, _, _ = prefix.rpartition("/")
        top = self._root / folder
        found = []
        for at, folders, files in os.walk(top):
            if Path(at) == self._root:
                folders[:] = [f for f in folders if f != _UNFINISHED]
            base = os.path.relpath(at, self._root)
            for file in files:
                name = file if base == "." else f"{base}/{file}"
                if name.startswith(prefix):
                    with suppress(FileNotFoundError):
                        found.append((name, os.stat(os.path.join(at, file)).st_size))
        return iter(sorted(found))

    def delete(self, name: str) -> None:
        path = self._root / checked(name)
        try:
            os.unlink(path)
            _sync_folder(path.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _store_error(error, self._root) from error

    def sweep_unfinished(self) -> int:
        """Remove what dead processes left in the making; returns how many files. Files of living ones stay."""
        removed = 0
        for path in self._unfinished.iterdir():
            with suppress(FileNotFoundError, BlockingIOError):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)
                    removed += 1
                finally:
                    os.close(fd)
        return removed


class _LocalWriter:
    def __init__(self, root: Path, unfinished: Path) -> None:
        self._root = root
        self._path = unfinished / os.urandom(16).hex()
        self._fd = -1
        self._size = 0
        self._started = 0
        try:
            self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.abort()
            raise _store_error(error, root) from error

    def write(self, data: Buffer) -> None:
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._fd, view)
                self._size += written
                view = view[written:]
        except OSError as error:
            raise _store_error(error, self._root) from error
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
        target = self._root / checked(name)
        try:
            # A failed fsync is never tried again: the kernel may have dropped the dirty pages, and the second one
            # would say that all is well (rsyslog, PostgreSQL learned this in 2018).
            os.fsync(self._fd)
            _make_folder(target.parent, self._root)
            os.rename(self._path, target)
            _sync_folder(target.parent)
        except OSError as error:
            self.abort()
            raise _store_error(error, self._root) from error
        os.close(self._fd)
        self._fd = -1

    def abort(self) -> None:
        if self._fd >= 0:
            with suppress(OSError):
                os.unlink(self._path)
            os.close(self._fd)
            self._fd = -1


class _LocalReader:
    def __init__(self, fd: int, root: Path) -> None:
        self._fd = fd
        self._root = root
        self._size = os.fstat(fd).st_size

    @property
    def size(self) -> int:
        return self._size

    def read_into(self, offset: int, buffer: memoryview) -> int:
        done = 0
        try:
            while done < len(buffer):
                got = os.preadv(self._fd, [buffer[done:]], offset + done)
                if not got:
                    break
                done += got
        except OSError as error:
            raise _store_error(error, self._root) from error
        return done

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _make_folder(folder: Path, root: Path) -> None:
    """Make a folder durable with all its parents up to `root`."""
    if folder.is_dir():
        return
    if folder != root:
        _make_folder(folder.parent, root)
    with suppress(FileExistsError):
        os.mkdir(folder)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _store_error(error: OSError, root: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreFull(f"The disk that holds {root} is full; free some space there and try again.")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.ESTALE):
        why = error.strerror
        return StoreUnreachable(f"The store's folder {root} cannot be used ({why}); check it and its rights.")
    return StoreError(f"The disk that holds {root} reported an error ({error.strerror}); check the disk.")
