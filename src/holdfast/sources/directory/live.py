"""An application's folder while the application runs: its files, and consistent copies of its SQLite databases."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.sources.directory.bounds import check_sizes
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.port import SourceError
from holdfast.sources.reader import DirectoryReader, SourceFileRefused
from holdfast.sources.sqlite.header import is_header
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import SourceFailed, TakeAgain
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from holdfast.sources.sqlite.copying import Copying
    from holdfast.sources.sqlite.recognise import Database, Without
    from holdfast.sources.sqlite.shared_time import SharedTime
    from holdfast.vault.source import Scan, Settled
    from holdfast.vault.source import Scan as ScanView

_COPY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DatabaseBusy(SourceFailed):
    """A database was locked for too long, and no earlier backup has it."""

    code = "DATABASE_BUSY"


class DatabaseUnreadable(SourceFailed):
    """A database cannot be copied, and no earlier backup has it."""

    code = "DATABASE_UNREADABLE"


class NoRoomForCopy(SourceFailed):
    """The scratch disk has no room for the copy of a database."""

    code = "SCRATCH_FULL"


@dataclass
class LiveSource:
    """The tree below a folder, with copies in place of its databases. Use as a context; it removes the copies.

    May be pickled once it is settled; the copy can read, and nothing else.
    """

    folder: DirectorySource
    scratch: Path
    """A folder of its own for the copies; made when it is needed."""
    wait_seconds: float = 30.0
    """At most this long does a copy wait for a locked database."""
    control: Control = NEVER
    log: Callable[[str], None] = lambda line: None
    on_read: Callable[[], None] = lambda: None
    """Called when everything is read, to release the application."""
    copies: dict[bytes, str] = field(default_factory=dict)
    """For each database that was copied, where the copy is."""
    plain: dict[bytes, str] = field(default_factory=dict)
    """Files that only look like databases, and the reason that they are not."""

    def __post_init__(self) -> None:
        self._open = ExitStack()
        self._copying: Copying | None = None
        self._time: SharedTime | None = None
        """Of all databases, also when the backup begins anew because one was damaged."""
        self._whole: Scan | None = None
        self._databases: list[Database] = []
        self._notices: list[Any] = []

    def __enter__(self) -> LiveSource:
        return self

    def __exit__(self, *failure: object) -> None:
        self._let_go()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "copies": self.copies, "plain": self.plain}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def scan(self) -> Scan:
        """Walk the tree. Raises SourceMissing, SourceTooLarge, SourceError, Cancelled."""
        from holdfast.sources.sqlite.recognise import find_databases, fold

        whole = self.folder.scan_with_spared(self.control)
        try:
            reader = self.folder.reader()
        except OSError as error:
            raise SourceError(f"The application's folder {self.folder.root} went away ({error.strerror}).") from None
        try:
            found = find_databases(whole, reader, self.plain, self.control)
        finally:
            reader.close()
        spared = set(whole.spared)
        self._databases = [database for database in found if database.number not in spared]
        fold(whole, self._databases)
        self._whole = whole
        self._notices = whole.notices
        seen = self._seen(whole).scan
        check_sizes(seen, self.folder.bounds)
        return seen

    def _seen(self, whole: Scan) -> Without:
        """Return the scan without sidecars of databases, and without ignored files that are not sidecars."""
        from holdfast.sources.sqlite.recognise import Without

        hidden = {n for database in self._databases for n in database.sidecars}
        return Without(whole, list(hidden.union(whole.spared)))

    def settle(self, scan: ScanView, read: NDArray[np.int64], is_before: NDArray[np.bool_]) -> Settled:
        """Copy those databases that are to be read.

        Raises DatabaseBusy, DatabaseUnreadable, NoRoomForCopy, CopierFailed, Cancelled.
        """
        from holdfast.sources.sqlite.copying import Copied
        from holdfast.sources.sqlite.recognise import unfold
        from holdfast.vault.path_warnings import PathWarning
        from holdfast.vault.source import Settled

        whole = self._whole
        assert whole is not None
        seen = self._seen(whole)
        wanted = set(read.tolist())
        sizes: dict[int, int] = {}
        from_before, raw = [], []
        for database in self._databases:
            here = seen.number(database.number)
            if here not in wanted:
                continue
            outcome = self._copy(whole, database)
            if isinstance(outcome, Copied):
                sizes[database.number] = outcome.size
            elif outcome.kind in ("damaged", "gone"):
                if outcome.kind == "damaged":
                    self.plain[database.path] = outcome.why
                raw.append(database)
            elif not is_before[here] or outcome.kind == "no_room":
                raise _failure(outcome.kind, database.path, outcome.why)
            else:
                from_before.append(database.number)
                message = (
                    f"The database {shown(database.path)} could not be copied now ({outcome.why}); "
                    "this backup has it as of the previous backup."
                )
                self._notices.append(PathWarning(database.path, "DATABASE_NOT_COPIED", message))
        if raw:
            unfold(whole, raw)
            self._databases = [database for database in self._databases if database not in raw]
            seen = self._seen(whole)
            scan = seen.scan
        for number, size in sizes.items():
            scan.size[seen.number(number)] = size
        return Settled(scan, [seen.number(number) for number in from_before])

    def close_reading(self) -> None:
        """Wait for the checks of the copies. Raises TakeAgain when one is damaged, Cancelled, CopierFailed."""
        from holdfast.vault.path_warnings import PathWarning

        self.on_read()
        if self._copying is None:
            return
        damaged = False
        for checked in self._copying.verdicts():
            if checked.problem is not None:
                damaged = True
                self.plain[checked.path] = checked.problem
            elif checked.note is not None:
                message = f"The database {shown(checked.path)} was copied, but {checked.note}."
                self._notices.append(PathWarning(checked.path, "DATABASE_NOTE", message))
        self._let_go()
        if damaged:
            self.copies = {}
            raise TakeAgain("A database turned out to be damaged.")

    def reader(self) -> LiveReader:
        """Return a reader of the files. Raises OSError when the folder cannot be opened."""
        return LiveReader(self.folder, self.copies, self.plain)

    def _let_go(self) -> None:
        self._copying = None
        self._open.close()

    def _copy(self, whole: Scan, database: Database) -> Any:
        from holdfast.sources.sqlite.copying import Copied, Copying
        from holdfast.sources.sqlite.room import Room
        from holdfast.sources.sqlite.shared_time import SharedTime

        if self._copying is None:
            self._time = self._time or SharedTime(self.wait_seconds)
            self._reader = self.folder.reader()
            self._open.callback(self._reader.close)
            root = self._reader.open_folder(b"")
            self._open.callback(os.close, root)
            room = Room(self.scratch.parent)
            copying = Copying(root, self.scratch, time=self._time, control=self.control, room=room)
            self._copying = self._open.enter_context(copying)
        number = database.number
        owner = int(whole.uid[number]), int(whole.gid[number])
        size = sum(_allocated(self._reader, database.path + end) for end in (b"", b"-wal"))
        began = time.monotonic()
        outcome = self._copying.copy(database.path, size, owner)
        seconds = time.monotonic() - began
        if isinstance(outcome, Copied):
            self.copies[database.path] = str(self._copying.copy_path(database.path, owner))
            self.log(f"Copied the database {shown(database.path)} ({outcome.size:,} bytes) in {seconds:.1f} s.")
        else:
            self.log(f"The database {shown(database.path)} was not copied: {outcome.why}.")
        return outcome


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


class LiveReader(DirectoryReader):
    """Opens files below a folder, and the copies of its databases in their place."""

    def __init__(self, folder: DirectorySource, copies: Mapping[bytes, str], plain: Mapping[bytes, str]) -> None:
        """Raises OSError when the root cannot be opened."""
        super().__init__(folder.root, file_bytes_max=folder.bounds.file_bytes)
        self._copies = copies
        self._plain = plain
        self._copied: dict[int, bytes] = {}

    def open(self, path: bytes) -> int:
        """Return a read-only descriptor of the file at `path`, or of its copy. Raises as `DirectoryReader.open`."""
        place = self._copies.get(path)
        if place is None:
            fd = super().open(path)
            self._copied.pop(fd, None)
            return fd
        fd = os.open(place, _COPY)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise SourceFileRefused(22, "its copy is not a file")
        self._copied[fd] = path
        return fd

    def bytes_max(self, fd: int) -> int:
        """Return how large an open file may be; a copy is ours, and as large as it is."""
        return sys.maxsize if fd in self._copied else super().bytes_max(fd)

    def xattrs(self, fd: int) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes of an open file, sorted by name; of a database those of the original."""
        path = self._copied.get(fd)
        if path is None:
            return super().xattrs(fd)
        try:
            original = super().open(path)
        except OSError:
            return ()
        try:
            return super().xattrs(original)
        finally:
            os.close(original)

    def doubt(self, path: bytes, head: bytes | memoryview) -> tuple[str, str] | None:
        """Return the reason that the plain copy of a file cannot be trusted."""
        if not is_header(head) or path in self._copies:
            return None
        why = self._plain.get(path)
        if why is not None:
            return (
                "DATABASE_DAMAGED",
                f"{shown(path)} starts like an SQLite database, but SQLite cannot read it ({why}); it was kept as a "
                "plain file, and may be mixed if it changed meanwhile. If it is encrypted, this is expected.",
            )
        return (
            "DATABASE_RAW",
            f"{shown(path)} starts like an SQLite database, but was none yet when the backup began, or has a size "
            "that no database has; it was kept as a plain file, which may be mixed.",
        )


def _failure(kind: str, path: bytes, why: str) -> SourceFailed:
    name = shown(path)
    if kind == "no_room":
        return NoRoomForCopy(
            f"The server's disk is too full to copy the database {name} ({why}); the operator must free space."
        )
    if kind == "busy":
        return DatabaseBusy(
            f"The database {name} could not be copied ({why}), and no earlier backup has it; "
            "end the long transaction or stop the application, and take the backup again."
        )
    return DatabaseUnreadable(
        f"The database {name} could not be copied ({why}), and no earlier backup has it; "
        "check that the application can open it, and take the backup again."
    )
