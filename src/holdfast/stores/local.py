"""A store on a local disk that is durable when it says so.

An object is written to a temporary name in the same file system, synced, renamed, and its folder synced; so after a
power cut it exists whole, or not at all. A temporary file is locked (flock) while its writer lives: files that a dead
process left are recognised without clocks, and removed by `sweep_unfinished`.

A store whose folder went away is unreachable, never empty. An empty folder where the store was (its disk is not
mounted) is told by the mark alone: see `identified`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from holdfast.stores.durable import sync_folder
from holdfast.stores.local_writer import LocalWriter, disk_error, make_folder
from holdfast.stores.names import checked, checked_prefix, is_name
from holdfast.stores.port import Buffer, ObjectMissing, ObjectReader, ObjectWriter, StoreError, StoreUnreachable

_UNFINISHED = "unfinished"


def make_root(root: Path) -> None:
    """Make the folder of a new store, durably; nothing below it. Raises StoreUnreachable, StoreFull, StoreError."""
    try:
        above = [folder for folder in root.absolute().parents if folder.exists()]
        if not root.is_dir():
            make_folder(root.absolute(), {above[0]})
            root.chmod(0o700)
    except OSError as error:
        raise disk_error(error, root) from error


class LocalStore:
    """Objects as files below `root`, which is never made here. May be pickled to another process."""

    def __init__(self, root: Path) -> None:
        self._root = Path(root)
        self._unfinished = self._root / _UNFINISHED
        self._durable = {self._root}  # folders whose names this store has synced; see `make_folder`

    def put(self, name: str, data: Buffer) -> None:
        writer = self.writer()
        try:
            writer.write(data)
            writer.commit(name)
        except BaseException:
            writer.abort()
            raise

    def writer(self) -> ObjectWriter:
        return LocalWriter(self._root, self._unfinished, self._durable, self._path)

    def get(self, name: str) -> bytes:
        reader = self.open(name)
        try:
            return _read(reader, 0, reader.size)
        finally:
            reader.close()

    def get_range(self, name: str, offset: int, length: int) -> bytes:
        reader = self.open(name)
        try:
            return _read(reader, offset, max(0, min(length, reader.size - offset)))
        finally:
            reader.close()

    def open(self, name: str) -> ObjectReader:
        path = self._path(name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(name) from None
        except OSError as error:
            raise disk_error(error, self._root) from error
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise ObjectMissing(name)
        return _LocalReader(fd, status.st_size, self._root)

    def size(self, name: str) -> int:
        path = self._path(name)
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            raise self._missing(name) from None
        except OSError as error:
            raise disk_error(error, self._root) from error
        if not stat.S_ISREG(status.st_mode):
            raise ObjectMissing(name)
        return status.st_size

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        found = []
        for name in self.names(prefix):
            with suppress(FileNotFoundError):
                found.append((name, os.stat(self._root / name).st_size))
        return iter(found)

    def names(self, prefix: str) -> Iterator[str]:
        top = self._root / checked_prefix(prefix).rpartition("/")[0]
        if not self._is_there():
            raise self._gone()
        found = []
        for at, folders, files in os.walk(top, onerror=self._not_listed):
            if Path(at) == self._root:
                folders[:] = [f for f in folders if f != _UNFINISHED]
            base = os.path.relpath(at, self._root)
            names = files if base == "." else [f"{base}/{file}" for file in files]
            found += [name for name in names if name.startswith(prefix) and is_name(name)]
        return iter(sorted(found))

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            os.unlink(path)
            sync_folder(path.parent)
        except (FileNotFoundError, NotADirectoryError):
            if not self._is_there():
                raise self._gone() from None
        except OSError as error:
            raise disk_error(error, self._root) from error

    def sweep_unfinished(self) -> int:
        """Remove unfinished files of dead processes; return their number. Files of living ones stay."""
        removed = 0
        if not self._is_there():
            raise self._gone()
        try:
            for path in self._unfinished.iterdir() if self._unfinished.is_dir() else ():
                with suppress(FileNotFoundError, BlockingIOError):
                    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        os.unlink(path)
                        removed += 1
                    finally:
                        os.close(fd)
        except OSError as error:
            raise disk_error(error, self._root) from error
        return removed

    def _path(self, name: str) -> Path:
        if checked(name).partition("/")[0] == _UNFINISHED:
            raise ValueError(f"not an object name here, where unfinished objects lie: {name!r}")
        return self._root / name

    def _is_there(self) -> bool:
        return os.path.isdir(self._root)

    def _gone(self) -> StoreError:
        return StoreUnreachable(
            f"The store's folder {self._root} is gone; mount its disk or put it back, and try again."
        )

    def _missing(self, name: str) -> StoreError:
        return ObjectMissing(name) if self._is_there() else self._gone()

    def _not_listed(self, error: OSError) -> None:
        # A folder that vanished holds nothing; one that cannot be read may hold anything, so no list is better than
        # one that is short.
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise disk_error(error, self._root) from error


class _LocalReader:
    def __init__(self, fd: int, size: int, root: Path) -> None:
        self._fd = fd
        self._root = root
        self._size = size

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
            raise disk_error(error, self._root) from error
        return done

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _read(reader: ObjectReader, offset: int, length: int) -> bytes:
    data = bytearray(length)
    size = reader.read_into(offset, memoryview(data))
    return bytes(data[:size])
