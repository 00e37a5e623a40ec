"""An application's folder with the dumps of its databases in it: entries `_databases/<name>.<ext>` beside its files.

The folder's own `_databases` is left out of the backup, with a warning.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.sources.databases import mariadb, postgres, redis
from holdfast.sources.databases.client import Patience
from holdfast.sources.databases.errors import database_named
from holdfast.sources.databases.spec import FOLDER, DatabaseSpec
from holdfast.sources.databases.tools import Found, Tool
from holdfast.sources.directory.live import LiveSource
from holdfast.sources.directory.live_reader import LiveReader
from holdfast.vault.control import Control
from holdfast.vault.errors import StreamFailed
from holdfast.vault.paths import shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from holdfast.vault.path_tree import PathTree
    from holdfast.vault.source import Scan, Settled, SourceStream
    from holdfast.vault.source import Scan as ScanView

FOLDER_PATH = FOLDER.encode()
_FOLDER_MODE, _DUMP_MODE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class Order:
    """A database to be dumped, and the tool for it."""

    spec: DatabaseSpec
    tool: Tool


def find(spec: DatabaseSpec, patience: Patience) -> Found:
    """Return the tool for a database, and its server's answer. Raises DatabaseFailed (of any kind)."""
    if spec.kind == "postgres":
        return postgres.find(spec)
    return mariadb.find(spec, patience) if spec.kind == "mariadb" else redis.find(spec)


@dataclass
class WithDumps:
    """A folder's source, and dumps of databases in the tree. Use within the context of the folder's source.

    May be pickled once it is settled; no password is in it.
    """

    folder: LiveSource
    """It leaves out what the folder has at `_databases`."""
    specs: tuple[DatabaseSpec, ...]
    scratch: Path
    """A folder of its own for dumps that go through a file; whoever makes it removes it."""
    now_ns: int
    """The time of the dumps' entries."""
    patience: Patience = field(default_factory=Patience)
    orders: dict[bytes, Order] = field(default_factory=dict)
    files: dict[bytes, str] = field(default_factory=dict)
    """For each database that was dumped into a file, where that is."""

    def __post_init__(self) -> None:
        self._at = 0
        self._scan: Scan | None = None

    def __getstate__(self) -> dict[str, Any]:
        state = {name: getattr(self, name) for name in ("folder", "specs", "scratch", "now_ns", "orders", "files")}
        return {**state, "silence_seconds": self.patience.silence_seconds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parent = os.getppid()
        silence = state.pop("silence_seconds")
        self.__dict__.update(state)
        # Now in a worker process; it cannot be told to stop, but must not go on when its parent is gone.
        self.patience = Patience(silence, Control(lambda: os.getppid() != parent))

    def scan(self) -> Scan:
        """Walk the tree, and put the dumps in. Raises SourceMissing, SourceError."""
        from holdfast.vault.path_warnings import PathWarning

        whole = self.folder.scan()
        if os.path.lexists(self.folder.folder.root / FOLDER):
            message = (
                f"The application's own {FOLDER} was left out: a backup has the dumps of its databases "
                "there. Give it another name."
            )
            whole.notices.append(PathWarning(FOLDER_PATH, "DATABASES_FOLDER_LEFT_OUT", message))
        self._scan = self._with_dumps(whole)
        return self._scan

    def settle(self, scan: ScanView, read: NDArray[np.int64], is_before: NDArray[np.bool_]) -> Settled:
        """Find the tools, have the folder settle, and dump what goes through a file.

        Raises DatabaseFailed (of any sort), Cancelled, and what the folder's source raises.
        """
        import numpy as np

        from holdfast.vault.path_warnings import PathWarning
        from holdfast.vault.source import Settled

        whole, at, more = self._scan, self._at, len(self.specs) + 1
        assert whole is not None
        sizes: dict[DatabaseSpec, int] = {}
        for spec in self.specs:
            with database_named(spec.name):
                found = find(spec, self.patience)
            self.orders[spec.path] = Order(spec, found.tool)
            sizes[spec] = found.size
            self.folder.log(f"The database {spec.name} ({found.server}) is dumped by {found.tool.text}.")
            if found.tables:
                message = (
                    f"Of the database {spec.name} these tables have no transactions and may be of another moment than "
                    f"the others: {', '.join(found.tables)}."
                )
                whole.notices.append(PathWarning(spec.path, "TABLES_WITHOUT_TRANSACTIONS", message))
        ours = np.arange(at, at + more)
        theirs = np.setdiff1d(read, ours)
        theirs = np.where(theirs >= at, theirs - more, theirs)
        settled = self.folder.settle(_without(whole, at, more), theirs, np.delete(is_before, ours))
        out = self._with_dumps(settled.scan)
        for spec in self.specs:
            # Of a stream it is a guess, good for choosing how many processes read and for showing how far they are.
            size = self._dumped(spec).stat().st_size if spec.kind == "redis" else sizes[spec]
            out.size[self._number(spec)] = size
        before = [n if n < self._at else n + more for n in settled.from_before]
        return Settled(out, before)

    def check_read(self, content_bytes: int) -> None:
        """Raise SourceTooLarge when the files have grown beyond the bound of the tree while they were read."""
        dumps = sum(os.stat(place).st_size for place in self.files.values())  # the bound is of the application's files
        self.folder.check_read(content_bytes - dumps)

    def file_read(self, path: bytes) -> None:
        """Release a file, as all of it was read. Raises as the folder's source does."""
        self.folder.file_read(path)

    def close_reading(self) -> list[bytes]:
        """Release the application, as everything is read. Raises as the folder's source does."""
        return self.folder.close_reading()

    def descriptors(self) -> list[int]:
        """Return the descriptors that a worker must have."""
        return self.folder.descriptors()

    def reader(self) -> DumpReader:
        """Return a reader of files and dumps. Raises OSError when the folder cannot be opened."""
        return DumpReader(self.folder, self.orders, self.files, self.patience)

    def _dumped(self, spec: DatabaseSpec) -> Path:
        self.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        place = self.scratch / spec.path.decode().rpartition("/")[2]
        place.unlink(missing_ok=True)
        with database_named(spec.name):
            redis.dump(spec, self.orders[spec.path].tool, place, self.patience)
        self.files[spec.path] = str(place)
        return place

    def _number(self, spec: DatabaseSpec) -> int:
        return self._at + 1 + self._sorted().index(spec)

    def _sorted(self) -> list[DatabaseSpec]:
        return sorted(self.specs, key=lambda spec: spec.path)

    def _with_dumps(self, scan: Any) -> Scan:
        """Return a scan with the folder and the dumps at their place in the order of paths."""

        from holdfast.vault.manifest.entry import Kind
        from holdfast.vault.source import ContentOrigin

        specs = self._sorted()
        paths = [FOLDER_PATH, *(spec.path for spec in specs)]
        tree, at = scan.paths.with_folder(paths)
        self._at = at
        ways = {"redis": ContentOrigin.COPY}
        rows = {
            "kind": [Kind.FOLDER, *(Kind.FILE for _ in specs)],
            "mode": [_FOLDER_MODE, *(_DUMP_MODE for _ in specs)],
            "uid": os.geteuid(),
            "gid": os.getegid(),
            "mtime_ns": self.now_ns,
            "ctime_ns": self.now_ns,  # another one in each backup: a dump is made anew each time
            "nlink": 1,
            "content": [ContentOrigin.FILE, *(ways.get(spec.kind, ContentOrigin.STREAM) for spec in specs)],
        }
        return _columns(scan, lambda name, old: _inserted(old, at, rows.get(name, 0), len(paths)), tree)


def _inserted(old: NDArray[Any], at: int, values: Any, count: int) -> NDArray[Any]:
    import numpy as np

    new = np.zeros(count, old.dtype)
    new[:] = values
    return np.concatenate([old[:at], new, old[at:]])


def _without(scan: Scan, at: int, count: int) -> Scan:
    """Return a scan without `count` entries from `at` on."""
    import numpy as np

    keep = np.ones(len(scan.paths), bool)
    keep[at : at + count] = False
    return _columns(scan, lambda name, old: old[keep], scan.paths.only(keep))


def _columns(scan: Any, change: Callable[[str, NDArray[Any]], NDArray[Any]], paths: PathTree) -> Scan:
    """Return a scan with every column changed; the list of notices stays the same one."""
    from holdfast.vault.source import SCAN_COLUMNS, Scan

    columns: dict[str, Any] = {name: change(name, getattr(scan, name)) for name in SCAN_COLUMNS}
    return Scan(**columns, paths=paths, target_bytes=scan.target_bytes, notices=scan.notices)


class DumpReader(LiveReader):
    """Opens an application's files, and gives the dumps of its databases."""

    def __init__(
        self, folder: LiveSource, orders: Mapping[bytes, Order], files: Mapping[bytes, str], patience: Patience
    ) -> None:
        """Raises OSError when the folder cannot be opened."""
        super().__init__(folder.folder, folder.views, {**folder.copies, **files}, folder.plain)
        self._dumped = files
        self._orders = orders
        self._patience = patience

    def folder_xattrs(self, path: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes of a folder; none for the folder of the dumps."""
        return () if path == FOLDER_PATH else super().folder_xattrs(path)

    def xattrs(self, fd: int) -> tuple[tuple[bytes, bytes], ...]:
        """Return extended attributes of an open file; none for a dump."""
        return () if self._copied.get(fd) in self._dumped else super().xattrs(fd)

    def stream(self, path: bytes) -> SourceStream:
        """Return the dump at `path`, begun now. Raises StreamFailed, PasswordMissing."""
        order = self._orders.get(path)
        if order is None:
            raise StreamFailed(f"{shown(path)} is not a database.")
        if order.spec.kind == "postgres":
            return postgres.PostgresDump(order.spec, order.tool, self._patience)
        return mariadb.MariadbDump(order.spec, order.tool, self._patience)
