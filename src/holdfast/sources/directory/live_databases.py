"""The databases of a live source while a backup reads them.

A database is *held* by SQLite in its copier's process while its pages are read here, through a view. Then:

- a small one (SMALL_BYTES_MAX) is copied to scratch page by page, and released at once;
- a larger one in WAL mode is read through its view by whoever stores it, and released when its last part was read: its
  application waits for nobody meanwhile;
- a larger one with a rollback journal is copied by SQLite, since its application could not write while it is held;
- one that cannot be held soundly is copied by SQLite too, and the log says why.

Nothing that was read counts unless its holder says at the end that the transaction lasted until then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from holdfast.sources.reader import DirectoryReader
from holdfast.sources.sqlite.copying import Copying, copy_name
from holdfast.sources.sqlite.outcomes import Checked, Copied, Held, Refused
from holdfast.sources.sqlite.room import Room
from holdfast.sources.sqlite.shared_time import SharedTime
from holdfast.sources.sqlite.view import NoView, View, ViewReader, make_view
from holdfast.units import MIB
from holdfast.vault.control import Control
from holdfast.vault.errors import TakeAgain
from holdfast.vault.paths import shown

SMALL_BYTES_MAX = 32 * MIB
HELD_MAX = 64
"""At most this many are held at once: each has descriptors here and in its holder. Others are copied."""

_STEP_BYTES = 4 * MIB
_WAL_VERSIONS = b"\x02\x02"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class _Reading:
    held: Held
    view: View
    is_checked: bool


class LiveDatabases:
    """Holds, copies and checks the databases of one folder for one take. Use as a context; leaving it ends all."""

    def __init__(
        self, reader: DirectoryReader, scratch: Path, shared: SharedTime, control: Control, log: Callable[[str], None]
    ) -> None:
        """`reader`: of the folder; it is closed with this. Raises OSError."""
        self._reader = reader
        self._control = control
        self._log = log
        self._stack = ExitStack()
        self._stack.callback(reader.close)
        root = reader.open_folder(b"")
        self._stack.callback(os.close, root)
        room = Room(scratch.parent)
        self._copying = self._stack.enter_context(Copying(root, scratch, time=shared, control=control, room=room))
        self._reading: dict[bytes, _Reading] = {}
        self._pages_kept: set[bytes] = set()
        self.views: dict[bytes, View] = {}
        """Of databases that are held until they were read."""
        self.copies: dict[bytes, str] = {}
        """For each database that was copied, where the copy is."""
        self.unheld: set[bytes] = set()
        """Databases that are not held, since that failed before: they are copied by SQLite."""

    def close(self) -> None:
        """End all holders and copiers."""
        for reading in self._reading.values():
            reading.view.close()
        self._reading.clear()
        self.views.clear()
        self._stack.close()

    def take(self, path: bytes, owner: tuple[int, int], *, is_checked: bool) -> Copied | Refused:
        """Copy a database, or hold it until it was read; `is_checked`: SQLite checks it too.

        Raises CopierFailed, Cancelled.
        """
        size = sum(_allocated(self._reader, path + end) for end in (b"", b"-wal"))
        is_wal = self._is_wal(path)
        began = time.monotonic()
        outcome: Copied | Refused | None = None
        if path not in self.unheld:
            outcome = self._through_view(path, size, owner, is_wal=is_wal, is_checked=is_checked)
        if outcome is None:
            outcome = self._copying.copy(path, size, owner, is_wal=is_wal)
            if isinstance(outcome, Copied):
                self.copies[path] = str(self._copying.copy_path(path, owner))
        if isinstance(outcome, Refused):
            self._log(f"The database {shown(path)} was not copied: {outcome.why}.")
        elif path in self.views:
            self._log(f"The database {shown(path)} ({outcome.size:,} bytes) is held while it is read.")
        else:
            seconds = time.monotonic() - began
            self._log(f"Copied the database {shown(path)} ({outcome.size:,} bytes) in {seconds:.1f} s.")
        return outcome

    def read(self, path: bytes) -> None:
        """Release a database, as all of it was read; of one that SQLite still checks, leave that for the end.

        Raises TakeAgain when the transaction did not last, Cancelled.
        """
        reading = self._reading.get(path)
        if reading is not None and not reading.is_checked:
            self._release(path)

    def verdicts(self) -> list[tuple[Checked, bool]]:
        """Release what is still held, and wait for all checks; True with a result: the pages that were read are kept.

        Raises TakeAgain, CopierFailed, Cancelled.
        """
        for path in list(self._reading):
            self._release(path)
        return [(checked, checked.path in self._pages_kept) for checked in self._copying.verdicts()]

    def _release(self, path: bytes) -> None:
        reading = self._reading.pop(path)
        self.views.pop(path)
        try:
            is_whole = reading.view.is_still_whole()
        finally:
            reading.view.close()
        if not self._copying.release(reading.held) or not is_whole:
            self.unheld.add(path)
            raise TakeAgain(f"The database {shown(path)} could not be held until it was read.")

    def _through_view(
        self, path: bytes, size: int, owner: tuple[int, int], *, is_wal: bool, is_checked: bool
    ) -> Copied | Refused | None:
        """Take a database through its view; None where only SQLite can copy it."""
        held = self._copying.hold(path, size, owner, is_wal=is_wal)
        if isinstance(held, Refused):
            return held
        view: View | None = None
        try:
            if not held.is_shared:
                raise NoView("its log's index cannot be written")
            if held.is_wal != is_wal:
                raise NoView("its journal mode changed")
            view = make_view(self._reader.open, path, held.page_size, held.pages, held.files, is_wal=held.is_wal)
            if view.size > SMALL_BYTES_MAX:
                if held.is_wal and len(self._reading) < HELD_MAX:
                    self._keep(path, size, held, view, is_checked=is_checked)
                    return Copied(view.size)
            elif self._copy_small(path, owner, held, view):
                self._pages_kept.add(path)
                if is_checked:
                    self._copying.check(path, view.size, owner, deep=False)
                return Copied(view.size)
            else:
                self._log(f"The database {shown(path)} could not be held until it was read; SQLite copies it.")
        except (NoView, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self._log(f"The database {shown(path)} is copied by SQLite: {why}.")
        if view is not None:
            view.close()
        if self._copying.holds(held):
            self._copying.release(held)
        return None

    def _keep(self, path: bytes, size: int, held: Held, view: View, *, is_checked: bool) -> None:
        self._reading[path] = _Reading(held, view, is_checked)
        self.views[path] = view
        self._pages_kept.add(path)
        if is_checked:
            self._copying.check_held(held, size)

    def _copy_small(self, path: bytes, owner: tuple[int, int], held: Held, view: View) -> bool:
        """Copy a view to scratch and release its database; return True if it was held to the end. Raises OSError."""
        name = copy_name(path)
        folder = os.open(self._copying.folder(owner), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            with self._copying.has_room(view.size) as is_there:
                if not is_there:
                    return False
                with suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                fd = os.open(name, _NEW, 0o600, dir_fd=folder)
                try:
                    if os.geteuid() == 0:
                        os.fchown(fd, *owner)
                    self._write(view, fd)
                finally:
                    os.close(fd)
        finally:
            os.close(folder)
        is_whole = view.is_still_whole()
        if not self._copying.release(held) or not is_whole:
            return False
        view.close()
        self.copies[path] = str(self._copying.copy_path(path, owner))
        return True

    def _write(self, view: View, fd: int) -> None:
        os.ftruncate(fd, view.size)
        buffer = memoryview(bytearray(min(_STEP_BYTES, view.size)))
        reader = ViewReader(view)
        try:
            at = 0
            while at < view.size:
                self._control.check("The backup was cancelled.")
                at, stop = reader.data_run(at, view.size)
                while at < stop:
                    got = reader.read_into(buffer[: stop - at], at)
                    os.pwrite(fd, buffer[:got], at)
                    at += got
        finally:
            reader.close()

    def _is_wal(self, path: bytes) -> bool:
        """Return True if a database's header says that it has a log."""
        try:
            fd = self._reader.open(path)
        except OSError:
            return False
        try:
            return os.pread(fd, 2, 18) == _WAL_VERSIONS
        finally:
            os.close(fd)


def _allocated(reader: DirectoryReader, path: bytes) -> int:
    """Bytes that a file has on the disk; 0 where it cannot be opened."""
    try:
        fd = reader.open(path)
    except OSError:
        return 0
    try:
        found = os.fstat(fd)
        return min(found.st_size, found.st_blocks * 512)
    finally:
        os.close(fd)
