"""Find a path in all backups of an application, with its versions.

The first paths in order that an answer has room for are what is kept while one backup after the other is looked
through: a path that is behind them in some of the backups is behind them in all.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterator
from datetime import tzinfo
from typing import NamedTuple

import msgspec

from holdfast.catalog.records import Backup, State
from holdfast.schemas.fields import EntryKind
from holdfast.schemas.files import FileVersion, Finds, FoundIn, FoundPath, UnreadableBackup
from holdfast.schemas.times import iso
from holdfast.service.access.answers import ANSWER_BYTES_MAX, ROWS_MAX, Answer
from holdfast.service.access.browse import found_entry, kind_of, opened
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.backups import list_backups
from holdfast.vault.manifest.block import Block
from holdfast.vault.paths import shown
from holdfast.vault.reader.browse import Browser, Key, key_of
from holdfast.vault.reader.snapshot import Snapshot

KNOWN_MAX = 100_000
"""Blocks that were looked through, and matches in them, that are kept for the backups that have the same blocks."""

VERSION_BYTES_MIN = 60
FOUND_IN_BYTES_MIN = 70
"""The JSON of a version, and of a backup in it, is at least this long without the names."""


class Match(NamedTuple):
    """A path of a backup that fits the pattern."""

    path: bytes
    kind: EntryKind
    size: int
    mtime_ns: int
    crc32: int


Versions = list[tuple[Match, list[Backup]]]
Fits = Callable[[bytes], bool]


class Searched(NamedTuple):
    """A search that began with the newest backup, and may have ended early.

    `backups`: how many were looked through; `older_than`: the one behind which the search goes on; None at the end.
    """

    finds: Finds
    backups: int
    left: int
    older_than: str | None


def find_newest(
    instance: Instance, app_id: str, pattern: str, is_over: Callable[[], bool], older_than: str | None = None
) -> Searched:
    """Look for a path as `find` does, from the newest backup on, or those older than one, until the time is over.

    `is_over` is asked before each backup but the first, so that a search that is gone on with comes to an end.
    Raises Invalid, NotFound.
    """
    first, known, unreadable = _First(b"", is_newest_first=True), dict[bytes, list[Match]](), list[UnreadableBackup]()
    fits = _fitting(_checked(pattern))
    good = [one for one in reversed(list_backups(instance, app_id)) if one.state is State.SUCCESSFUL]
    if older_than is not None:
        ids = [one.id for one in good]
        if older_than not in ids:
            raise NotFound("BACKUP_NOT_FOUND", "The backup up to which was searched is gone: search again.")
        good = good[ids.index(older_than) + 1 :]
    searched = 0
    for backup in good:
        if searched and is_over():
            break
        _search(instance, backup, known, fits, first, unreadable)
        searched += 1
    finds, _ = _finds(instance, first, unreadable)
    return Searched(finds, searched, len(good) - searched, good[searched - 1].id if searched < len(good) else None)


def find(instance: Instance, app_id: str, pattern: str, after: bytes = b"") -> tuple[Finds, bytes | None]:
    """In which backups of an application a path is. `pattern`: `*`, `?`, `[...]`; without a slash it means the name.

    Each path once, with its versions, oldest first: size, time, and the backups that have it so. Of paths behind
    `after`, as many as an answer has room for; the cursor to the rest, or None. Raises Invalid.
    """
    first, known, unreadable = _First(after), dict[bytes, list[Match]](), list[UnreadableBackup]()
    fits = _fitting(_checked(pattern))
    for backup in list_backups(instance, app_id):
        if backup.state is State.SUCCESSFUL:
            _search(instance, backup, known, fits, first, unreadable)
    return _finds(instance, first, unreadable)


def _checked(pattern: str) -> str:
    if not pattern or "\0" in pattern:
        raise Invalid("pattern", "A pattern must have at least one character, such as *.log, and no zero byte.")
    return pattern.strip("/")


def _search(
    instance: Instance,
    backup: Backup,
    known: dict[bytes, list[Match]],
    fits: Fits,
    first: _First,
    unreadable: list[UnreadableBackup],
) -> None:
    """Look a backup through."""
    try:
        with opened(instance, backup) as snapshot:
            for match in _matching(snapshot, known, fits, first):
                first.add(match, backup)
    except Conflict as error:
        unreadable.append(UnreadableBackup(backup.id, error.message))
    if len(known) + sum(map(len, known.values())) > KNOWN_MAX:
        known.clear()


def _finds(instance: Instance, first: _First, unreadable: list[UnreadableBackup]) -> tuple[Finds, bytes | None]:
    answer = first.answer(instance.zone)
    is_truncated = answer.is_truncated or first.has_dropped
    cursor = answer.cursor or (first.last if first.has_dropped else None)
    return Finds(answer.rows, is_truncated, unreadable), cursor


def versions_of(instance: Instance, app_id: str, text: str) -> FoundPath:
    """Return a path with its versions in the good backups of an application, oldest first: a block of each is read.

    Raises Invalid (PATH), NotFound. Damaged backups are passed over.
    """
    versions: Versions = []
    for backup in list_backups(instance, app_id):
        if backup.state is not State.SUCCESSFUL:
            continue
        try:
            with opened(instance, backup) as snapshot:
                path, entry = found_entry(Browser(snapshot), text)
        except (Conflict, NotFound):
            continue
        if entry is None:
            raise Invalid("path", "A folder's own root has no versions; ask for a path in it.")
        match = Match(path, kind_of(entry), entry.size, entry.mtime_ns, entry.crc32)
        if not versions or versions[-1][0][1:] != match[1:]:
            versions.append((match, []))
        versions[-1][1].append(backup)
    if not versions:
        raise NotFound("PATH_NOT_FOUND", f"None of the application's good backups has anything at {text!r}.")
    return _row(versions[-1][0].path, versions, instance.zone)


class _First:
    """The first paths behind a cursor, as many as an answer has room for, or a few more.

    `is_newest_first`: the order in which backups are looked through; versions are shown oldest first in any case.
    """

    def __init__(self, after: bytes, *, is_newest_first: bool = False) -> None:
        self._after = key_of(after)
        self._is_newest_first = is_newest_first
        self._end: Key | None = None
        self._found: dict[bytes, Versions] = {}
        self._bytes = 0
        self.has_dropped = False

    @property
    def last(self) -> bytes:
        """The last of the paths."""
        return max(self._found, key=key_of)

    def may_hold(self, first: Key, behind: Key | None) -> bool:
        """True if paths from `first` to before `behind` may be among them."""
        return (behind is None or behind > self._after) and (self._end is None or first < self._end)

    def add(self, match: Match, backup: Backup) -> None:
        """Enter that a backup has a path so."""
        key = key_of(match.path)
        if key <= self._after or (self._end is not None and key >= self._end):
            return
        versions = self._found.setdefault(match.path, [])
        if not versions:
            self._bytes += len(match.path)
        if not versions or versions[-1][0][1:] != match[1:]:
            versions.append((match, []))
            self._bytes += VERSION_BYTES_MIN
        versions[-1][1].append(backup)
        self._bytes += FOUND_IN_BYTES_MIN + len(backup.name)
        if self._bytes > 2 * ANSWER_BYTES_MAX or len(self._found) > 2 * ROWS_MAX:
            self._drop()

    def _drop(self) -> None:
        """Drop those at the end that cannot fit: sizes are lower bounds."""
        total = 0
        kept: dict[bytes, Versions] = {}
        for path in sorted(self._found, key=key_of):
            size = _bytes_min(path, self._found[path])
            if kept and (total + size > ANSWER_BYTES_MAX or len(kept) == ROWS_MAX):
                self._end = key_of(path)
                self.has_dropped = True
                break
            total += size
            kept[path] = self._found[path]
        self._found, self._bytes = kept, total

    def answer(self, zone: tzinfo) -> Answer[FoundPath]:
        """The rows, as far as there is room."""
        answer: Answer[FoundPath] = Answer()
        answer.add_all((path, self._row(path, zone)) for path in sorted(self._found, key=key_of))
        return answer

    def _row(self, path: bytes, zone: tzinfo) -> FoundPath:
        """A path with its versions; of too many for any answer, the newest."""
        versions = self._found[path][:: -1 if self._is_newest_first else 1]
        row = _row(path, versions, zone)
        while len(msgspec.json.encode(row)) > ANSWER_BYTES_MAX:
            self.has_dropped = True
            match, backups = versions[-1]
            versions = versions[len(versions) // 2 :] if len(versions) > 1 else [(match, backups[len(backups) // 2 :])]
            row = _row(path, versions, zone)
        return row


def _bytes_min(path: bytes, versions: Versions) -> int:
    backups = sum(FOUND_IN_BYTES_MIN + len(backup.name) for _, found in versions for backup in found)
    return len(path) + VERSION_BYTES_MIN * len(versions) + backups


def _fitting(pattern: str) -> Fits:
    matches = re.compile(fnmatch.translate(pattern)).match
    by_name = "/" not in pattern
    return lambda path: matches(shown(path.rpartition(b"/")[2] if by_name else path)) is not None


def _matching(snapshot: Snapshot, known: dict[bytes, list[Match]], fits: Fits, first: _First) -> Iterator[Match]:
    """The matches in a backup that may be among the first; blocks that another backup had are not read again."""
    starts = [key_of(ref.first_path) for ref in snapshot.blocks]
    wanted = [
        ref
        for ref, start, behind in zip(snapshot.blocks, starts, [*starts[1:], None], strict=True)
        if first.may_hold(start, behind)
    ]
    fresh = snapshot.decoded([ref.chunk_id for ref in wanted if ref.chunk_id not in known])
    for ref in wanted:
        if ref.chunk_id not in known:
            known[ref.chunk_id] = _matches(next(fresh), fits)
        elif not first.may_hold(key_of(ref.first_path), None):
            return
        yield from known[ref.chunk_id]


def _matches(block: Block, fits: Fits) -> list[Match]:
    found = []
    for i, path in enumerate(block.paths()):
        if fits(path):
            entry = block.entry(i)
            found.append(Match(path, kind_of(entry), entry.size, entry.mtime_ns, entry.crc32))
    return found


def _row(path: bytes, versions: Versions, zone: tzinfo) -> FoundPath:
    return FoundPath(
        shown(path),
        [
            FileVersion(
                match.kind,
                match.size,
                iso(match.mtime_ns, zone),
                [FoundIn(b.id, b.name, iso(b.created_at, zone)) for b in backups],
            )
            for match, backups in versions
        ],
    )
