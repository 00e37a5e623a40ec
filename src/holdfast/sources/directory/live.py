"""An application's folder while the application runs: its files, and its SQLite databases as of one moment each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.sources.directory.bounds import check_sizes
from holdfast.sources.directory.live_reader import LiveReader
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.port import SourceError
from holdfast.sources.sqlite.check_due import CheckDue
from holdfast.sources.sqlite.view import View
from holdfast.vault.control import NEVER, Control
from holdfast.vault.errors import SourceFailed, TakeAgain
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from holdfast.sources.directory.live_databases import LiveDatabases
    from holdfast.sources.sqlite.outcomes import Copied, Refused
    from holdfast.sources.sqlite.recognise import Database, Without
    from holdfast.sources.sqlite.shared_time import SharedTime
    from holdfast.vault.source import Scan, Settled
    from holdfast.vault.source import Scan as ScanView


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
    """The tree below a folder, with views or copies in place of its databases. Use as a context; it ends them.

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
    due: CheckDue = field(default_factory=CheckDue)
    """Which databases SQLite checks."""
    views: dict[bytes, View] = field(default_factory=dict)
    """Of databases that are held while they are read."""
    copies: dict[bytes, str] = field(default_factory=dict)
    """For each database that was copied, where the copy is."""
    plain: dict[bytes, str] = field(default_factory=dict)
    """Files that only look like databases, and the reason that they are not."""

    def __post_init__(self) -> None:
        self._taking: LiveDatabases | None = None
        self._unheld: set[bytes] = set()
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
        return {name: getattr(self, name) for name in ("folder", "views", "copies", "plain")}

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
        """Hold or copy those databases that are to be read.

        Raises DatabaseBusy, DatabaseUnreadable, NoRoomForCopy, CopierFailed, Cancelled.
        """
        from holdfast.sources.sqlite.outcomes import Copied
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
            outcome = self._take(whole, database, is_in_before=bool(is_before[here]))
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

    def check_read(self, content_bytes: int) -> None:
        """Raise SourceTooLarge when the files have grown beyond the bound of the tree while they were read."""
        self.folder.check_read(content_bytes)

    def file_read(self, path: bytes) -> None:
        """Release a database that was held while it was read. Raises TakeAgain when that did not last, Cancelled."""
        if self._taking is not None and path in self.views:
            try:
                self._taking.read(path)
            except TakeAgain:
                self._begin_anew()
                raise

    def close_reading(self) -> list[bytes]:
        """Release everything, and wait for the checks; return the databases that the next backup reads again.

        Raises TakeAgain when one was not held to the end, or its copy is damaged; Cancelled, CopierFailed.
        """
        from holdfast.vault.path_warnings import PathWarning

        self.on_read()
        if self._taking is None:
            return []
        try:
            verdicts = self._taking.verdicts()
        except TakeAgain:
            self._begin_anew()
            raise
        doubted, is_damaged = [], False
        for checked, are_pages_kept in verdicts:
            if checked.problem is not None and not are_pages_kept:
                is_damaged = True
                self.plain[checked.path] = checked.problem
            elif checked.problem is not None:
                doubted.append(checked.path)
                message = (
                    f"{shown(checked.path)} was copied as it is, but SQLite finds it damaged ({checked.problem}); "
                    "repair it in the application, or restore it from an earlier backup."
                )
                self._notices.append(PathWarning(checked.path, "DATABASE_DAMAGED", message))
            elif checked.note is not None:
                doubted.append(checked.path)
                message = f"The database {shown(checked.path)} was copied, but {checked.note}."
                self._notices.append(PathWarning(checked.path, "DATABASE_NOTE", message))
        if is_damaged:
            self._begin_anew()
            raise TakeAgain("A database turned out to be damaged.")
        self._let_go()
        return doubted

    def reader(self) -> LiveReader:
        """Return a reader of the files. Raises OSError when the folder cannot be opened."""
        return LiveReader(self.folder, self.views, self.copies, self.plain)

    def descriptors(self) -> list[int]:
        """Return the descriptors of the databases that are held while they are read."""
        return [fd for view in self.views.values() for fd in view.descriptors]

    def _begin_anew(self) -> None:
        self._let_go()
        self.views, self.copies = {}, {}

    def _let_go(self) -> None:
        if self._taking is not None:
            self._unheld |= self._taking.unheld
            self._taking.close()
        self._taking = None

    def _take(self, whole: Scan, database: Database, *, is_in_before: bool) -> Copied | Refused:
        from holdfast.sources.directory.live_databases import LiveDatabases
        from holdfast.sources.sqlite.shared_time import SharedTime

        if self._taking is None:
            self._time = self._time or SharedTime(self.wait_seconds)
            self._taking = LiveDatabases(self.folder.reader(), self.scratch, self._time, self.control, self.log)
            self._taking.unheld |= self._unheld
            self.views, self.copies = self._taking.views, self._taking.copies
        number, path = database.number, database.path
        owner = int(whole.uid[number]), int(whole.gid[number])
        is_checked = self.due.is_due(path, shown(path), is_in_before=is_in_before)
        return self._taking.take(path, owner, is_checked=is_checked)


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
