"""Browse backups: a folder's entries, a file's content, the differences of two.

Paths are shown by the rule of `vault/paths.py`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from holdfast.catalog.records import Backup
from holdfast.schemas import files as schemas
from holdfast.schemas.fields import EntryKind
from holdfast.schemas.files import Diff, File
from holdfast.schemas.times import iso
from holdfast.service.access.answers import ROWS_MAX, Answer
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.backups import require_usable
from holdfast.service.registry.damage import file_named
from holdfast.service.registry.paths import paths_of
from holdfast.units import SECOND_NS
from holdfast.vault.errors import VaultError
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.manifest.entry import Entry, Kind
from holdfast.vault.paths import shown
from holdfast.vault.reader.browse import (
    Browser,
    PartView,
    SelectionView,
    SubtreeView,
    common_folder,
    key_of,
    outermost,
)
from holdfast.vault.reader.content import content_range
from holdfast.vault.reader.diff import Difference, differences
from holdfast.vault.reader.records import BUFFER_BYTES
from holdfast.vault.reader.snapshot import Snapshot


@contextmanager
def opened(instance: Instance, backup: Backup) -> Iterator[Snapshot]:
    """Raises Conflict (BACKUP_NOT_USABLE): not successful, or damaged where it was looked at."""
    require_usable(backup, "looked into")
    try:
        snapshot = instance.vault(backup.account_id).open(backup.id)
        try:
            yield snapshot
        finally:
            snapshot.close()
    except VaultError as error:
        raise Conflict("BACKUP_NOT_USABLE", f"A part of the backup is damaged: {error}") from error


def found_entry(browser: Browser, text: str) -> tuple[bytes, Entry | None]:
    """Path and entry that a text means; the root has no entry. Raises Invalid, NotFound."""
    for path in paths_of(text):
        entry = browser.entry(path) if path else None
        if entry is not None or not path:
            return path, entry
    raise NotFound("PATH_NOT_FOUND", f"The backup has nothing at {text!r}.")


def _row(entry: Entry, zone: tzinfo) -> File:
    target = entry.extra.target
    return File(
        name=shown(entry.path.rpartition(b"/")[2]),
        path=shown(entry.path),
        kind=kind_of(entry),
        size=entry.size,
        mode=f"{entry.mode:04o}",
        mtime=iso(entry.mtime_ns, zone),
        target=None if target is None else shown(target),
    )


def kind_of(entry: Entry) -> EntryKind:
    """The kind of an entry as it is shown."""
    return entry.kind.name.lower()  # type: ignore[return-value]


def list_folder(
    instance: Instance, backup: Backup, path: str, after: bytes = b"", rows_max: int = ROWS_MAX
) -> tuple[list[File], bytes | None]:
    """List what is directly in a folder, in order; of a file or link, itself.

    Of what is behind `after`, as much as an answer has room for; the cursor to the rest, or None. Raises Invalid,
    NotFound, Conflict.
    """
    with opened(instance, backup) as snapshot:
        browser = Browser(snapshot)
        at, entry = found_entry(browser, path)
        is_folder = entry is None or entry.kind is Kind.FOLDER
        entries = browser.children(at, after) if is_folder else iter([entry] if entry is not None else [])
        answer: Answer[File] = Answer(rows_max)
        answer.add_all((one.path, _row(one, instance.zone)) for one in entries)
    return answer.rows, answer.cursor


@dataclass(frozen=True)
class Content:
    """One file of a backup, or a folder or several paths as a zip, ready to be streamed from any byte on."""

    instance: Instance
    backup: Backup
    path: bytes
    entry: Entry | None
    """None for the root."""
    length: int
    etag: str
    selected: tuple[bytes, ...] = ()
    """Of several paths: all of them; `path` is the folder that they are in, and `entry` None."""

    @property
    def is_file(self) -> bool:
        """True for a file, False for a folder, which is given as a zip."""
        return self.entry is not None and self.entry.kind is Kind.FILE

    @property
    def filename(self) -> str:
        """The name to save it under."""
        name = shown(self.path.rpartition(b"/")[2]) or self.backup.name
        if self.selected:
            return f"{name} (part).zip"
        return name if self.is_file else f"{name}.zip"

    @property
    def last_modified(self) -> datetime:
        """Of a file its own time, else that of the backup; in UTC, whole seconds."""
        ns = self.entry.mtime_ns if self.entry is not None and self.is_file else self.backup.finished_at or 0
        return datetime.fromtimestamp(max(0, ns) // SECOND_NS, UTC)

    @property
    def media_type(self) -> str:
        """The Content-Type: never one that a browser would run."""
        return "application/octet-stream" if self.is_file else "application/zip"

    @property
    def sha256(self) -> bytes | None:
        """None: of a part of a backup it is not known."""
        return None

    def stream(
        self, start: int, stop: int, buffer_bytes: Callable[[], int] = lambda: BUFFER_BYTES
    ) -> Iterator[memoryview]:
        """Bytes `start` to `stop`, in buffers of about `buffer_bytes()`.

        Raises DamagedError, ChunkMissing, StoreError; what came before is right.
        """
        snapshot = self.instance.vault(self.backup.account_id).open(self.backup.id)
        try:
            snapshot.reader.buffer_bytes = buffer_bytes
            with file_named(self.instance, self.backup):
                if self.entry is not None and self.is_file:
                    yield from content_range(snapshot, self.entry, start, stop)
                else:
                    view = _view(snapshot, self.path, self.selected)
                    yield from snapshot.reader.render(zip_layout.pieces(view, start, stop))
        finally:
            snapshot.close()


def find_content(instance: Instance, backup: Backup, path: str) -> Content:
    """A file of a backup, or a folder as a zip. Raises Invalid, NotFound, Conflict."""
    with opened(instance, backup) as snapshot:
        at, entry = found_entry(Browser(snapshot), path)
        if entry is not None and entry.kind is Kind.SYMLINK:
            raise Invalid("path", f"{path!r} is a symbolic link; ask for what it points to.")
        if entry is not None and entry.kind is Kind.FILE:
            ids = b"".join([*(e.chunk_id for e in entry.extents), *(r.chunk_id for r in entry.extra.lists)])
            what = hashlib.sha256(ids + (entry.extra.inline or b"")).hexdigest()[:16]
            return Content(instance, backup, at, entry, entry.size, f'"{what}-{entry.size:x}-{entry.crc32:08x}"')
        return _zipped(instance, backup, snapshot, at, entry)


def find_selection(instance: Instance, backup: Backup, paths: Sequence[str]) -> Content:
    """Files and folders of a backup as one zip, below the folder that all of them are in.

    Raises Invalid (PATHS) for none, NotFound, Conflict.
    """
    if not paths:
        raise Invalid("paths", "Nothing is ticked: go back, and tick the files and folders that you want.")
    with opened(instance, backup) as snapshot:
        browser = Browser(snapshot)
        selected = tuple(outermost(found_entry(browser, path)[0] for path in paths))
        if selected[0] == b"":
            return _zipped(instance, backup, snapshot, b"", None)
        return _zipped(instance, backup, snapshot, common_folder(selected), None, selected)


def _view(snapshot: Snapshot, path: bytes, selected: tuple[bytes, ...]) -> PartView:
    return SelectionView(snapshot, selected) if selected else SubtreeView(snapshot, path)


def _zipped(
    instance: Instance,
    backup: Backup,
    snapshot: Snapshot,
    path: bytes,
    entry: Entry | None,
    selected: tuple[bytes, ...] = (),
) -> Content:
    view = _view(snapshot, path, selected)
    digest = hashlib.sha256(b"".join(ref.digest for ref in view.blocks)).hexdigest()[:40]
    etag = f'"{digest}-folder-{view.zip_layout}"'
    return Content(instance, backup, path, entry, zip_layout.total_bytes(view), etag, selected)


def diff(
    instance: Instance, old: Backup, new: Backup, after: bytes = b"", rows_max: int = ROWS_MAX
) -> tuple[Diff, bytes | None]:
    """Return what is different in `new`: the counts of all, and the paths behind `after` that an answer has room for.

    The second is the cursor to the rest, or None. Raises Conflict.
    """
    behind = key_of(after)
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    answer: Answer[schemas.Difference] = Answer(rows_max)
    with opened(instance, old) as was, opened(instance, new) as now:
        for found in differences(was, now):
            counts[found.what] += 1
            if (entry := found.after or found.before) is not None and entry.kind is Kind.FILE:
                sizes[f"{found.what}_bytes"] += entry.size
            if not answer.is_truncated and key_of(found.path) > behind:
                answer.add(found.path, _difference(found))
    shown = {what: counts[what] for what in ("added", "removed", "changed", "metadata")}
    totals = {name: sizes[name] for name in ("added_bytes", "removed_bytes", "changed_bytes")}
    return Diff(**shown, paths=answer.rows, is_truncated=answer.is_truncated, **totals), answer.cursor


def _difference(difference: Difference) -> schemas.Difference:
    entry = difference.after or difference.before
    assert entry is not None
    return schemas.Difference(
        path=shown(difference.path),
        kind=kind_of(entry),
        what=difference.what,
        size_before=None if difference.before is None else difference.before.size,
        size_after=None if difference.after is None else difference.after.size,
    )
