"""The room on the disk of the copies: promised to one copy after the other, over all processes of this machine.

Two copiers that look at the same free bytes at the same time would both take them. So each copy is promised its bytes
before it begins: a file beside the copies, locked (flock) for as long as the copy is written, with their number in it.
What a dead process was promised is free again, as its lock is gone. A copier looks at the disk once more with each step
that it writes, as others write there too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

RESERVE_BYTES = 512 * 1024 * 1024
"""At least this much of the disk stays free, whoever copies what."""

_LOCK = "databases.lock"
_PROMISE = ".promise"


def free_bytes(folder: Path) -> int:
    """Return the bytes of a folder's disk that may be written."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


class Room:
    """The room for copies below one folder, which is the same for all that copy there."""

    def __init__(
        self, folder: Path, *, reserve_bytes: int = RESERVE_BYTES, free: Callable[[Path], int] = free_bytes
    ) -> None:
        self._folder = folder
        self._free = free
        self.reserve_bytes = reserve_bytes

    @contextmanager
    def promised(self, need: int) -> Iterator[bool]:
        """Reserve `need` bytes for as long as this is open; yields False where they do not fit. Raises OSError.

        The bytes that a copy has written already count twice until its promise ends: it errs on the safe side.
        """
        path = self._folder / f"{uuid4().hex}{_PROMISE}"
        fd = -1
        with self._alone():
            if self._free(self._folder) - self._promised_bytes() >= need + self.reserve_bytes:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                fcntl.flock(fd, fcntl.LOCK_EX)
                os.write(fd, str(need).encode())
        try:
            yield fd >= 0
        finally:
            if fd >= 0:
                path.unlink(missing_ok=True)
                os.close(fd)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fd = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _promised_bytes(self) -> int:
        total = 0
        for path in self._folder.glob(f"*{_PROMISE}"):
            with suppress(FileNotFoundError, ValueError):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()  # its process is dead
                except BlockingIOError:
                    total += int(os.read(fd, 32))
                finally:
                    os.close(fd)
        return total
