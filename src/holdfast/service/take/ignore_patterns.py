"""Ignore patterns of an application: set them, show what they match, and what a restore spares because of them.

They are in the application's settings, followed by the lines of `.backupignore` in its folder, which therefore take
precedence. A restore in `mirror` mode spares what today's patterns ignore (the safety backup would lack it), and what
the backup's patterns ignored (the backup says nothing about it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from holdfast.catalog.accounts.apps import app_by_id, change_settings
from holdfast.catalog.records import Actor, App, AppSettings, Backup
from holdfast.schemas.apps import Ignored, MatchedBy, MatchedPath
from holdfast.service.errors import Conflict, Invalid
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.sentences import sentence_of
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.apps import excluded_paths, get_app, require_folder
from holdfast.service.registry.restored_folders import left_out
from holdfast.sources.directory.ignore import (
    FILE_BYTES_MAX,
    IGNORE_FILE,
    PATTERN_BYTES_MAX,
    PATTERNS_MAX,
    Pattern,
    PatternsTooSlow,
    Rules,
    match_used,
    patterns_in,
    patterns_of,
    read_ignore_file,
)
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.port import SourceError, SourceTooLarge
from holdfast.sources.reader import DirectoryReader
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.manifest.previous import PreviousEntries, content_of
from holdfast.vault.path_warnings import PathWarning
from holdfast.vault.paths import shown
from holdfast.vault.reader.content import content_range
from holdfast.vault.reader.snapshot import Snapshot
from holdfast.vault.source import Scan

PATHS_SHOWN_MAX = 100
"""At most this many of the largest ignored paths are in a preview; the totals count all."""


def set_patterns(instance: Instance, app: App, patterns: Sequence[str], by: Actor) -> App:
    """Replace the patterns in an application's settings. Raises Invalid (IGNORE)."""
    checked = checked_patterns(patterns)
    return _changed(instance, app, lambda now: checked, by)


def add_patterns(instance: Instance, app: App, patterns: Sequence[str], by: Actor) -> App:
    """Put patterns behind those of the settings; one that is there already moves behind. Raises Invalid (IGNORE)."""
    checked = checked_patterns(patterns)
    return _changed(instance, app, lambda now: (*(p for p in now if p not in checked), *checked), by)


def remove_patterns(instance: Instance, app: App, patterns: Sequence[str], by: Actor) -> App:
    """Take patterns out of the settings. Raises Invalid (IGNORE) when one is not there."""

    def without(now: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if pattern not in now:
                raise Invalid("ignore", f"The pattern {pattern!r} is not among the application's; nothing was changed.")
        return tuple(p for p in now if p not in patterns)

    return _changed(instance, app, without, by)


def _changed(instance: Instance, app: App, change: Callable[[tuple[str, ...]], tuple[str, ...]], by: Actor) -> App:
    def changed(settings: AppSettings) -> AppSettings:
        patterns = change(settings.ignore)
        if len(patterns) > PATTERNS_MAX:
            raise _too_many()
        return msgspec.structs.replace(settings, ignore=patterns)

    change_settings(instance.catalog, app.id, changed, instance.clock.now_ns(), by, "ignore.set")
    store_record(instance, app.account_id)
    return get_app(instance, app.account_id, app.id)


def checked_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    """The patterns as they are kept. Raises Invalid (IGNORE) for what can't be one, or can never match."""
    if len(patterns) > PATTERNS_MAX:
        raise _too_many()
    out = []
    for pattern in patterns:
        try:
            size = len(pattern.encode())
        except UnicodeEncodeError:
            raise Invalid("ignore", f"A pattern must be UTF-8, and {os.fsencode(pattern)!r} is not.") from None
        if "\n" in pattern or "\r" in pattern or "\0" in pattern:
            raise Invalid("ignore", f"The pattern {pattern!r} must be one line, without a zero byte.")
        if size > PATTERN_BYTES_MAX:
            raise Invalid("ignore", f"A pattern may have at most {PATTERN_BYTES_MAX} bytes, and one has {size}.")
        found = patterns_of([pattern])
        if pattern.startswith("#"):
            raise Invalid(
                "ignore", f"The pattern {pattern!r} is a comment; write a backslash before a # that is meant."
            )
        if not found or not Rules(found).can_match(0):
            raise Invalid(
                "ignore",
                f"The pattern {pattern!r} can never match anything; see that its brackets are closed and that it does "
                "not end with a backslash.",
            )
        out.append(found[0].text.decode())
    return tuple(dict.fromkeys(out))


def _too_many() -> Invalid:
    return Invalid("ignore", f"An application may have at most {PATTERNS_MAX} patterns.")


def not_readable(error: SourceError) -> Conflict:
    """Return the refusal for a folder that cannot be looked through; what is too large is its owner's to hear."""
    is_own = isinstance(error, SourceTooLarge)
    message = str(error) if is_own else sentence_of("APP_NOT_READABLE", "The look")
    return Conflict("APP_NOT_READABLE", message, str(error))


def preview_ignored(instance: Instance, app: App, patterns: Sequence[str] | None = None) -> Ignored:
    """Preview what patterns leave out of an application's folder now; those of its `.backupignore` come after them.

    `patterns`: in place of the settings' own; None: those. Raises Invalid (IGNORE), Conflict (APP_NOT_READABLE,
    OTHER_NODE).
    """
    require_folder(instance, app)
    ours = patterns_of(app.settings.ignore if patterns is None else checked_patterns(patterns))
    ours = [*patterns_of(left_out(app)), *ours]
    folder = DirectorySource(Path(app.path), excluded_paths(instance, app), bounds=instance.config.tree_bounds)
    try:
        scan = folder.scan()
        reader = folder.reader()
    except SourceError as error:
        raise not_readable(error) from None
    except OSError as error:
        raise not_readable(SourceError(f"The folder {app.path} cannot be opened ({error.strerror}).")) from None
    try:
        theirs, notices = _patterns_there(reader)
    finally:
        reader.close()
    rules = Rules([*ours, *theirs])
    try:
        matched = rules.match(scan)
    except PatternsTooSlow:
        raise Invalid("ignore", "The patterns take too long to match; write simpler ones, with fewer stars.") from None
    warnings = [notice.message for notice in notices]
    for number, pattern in enumerate(rules.patterns):
        if not rules.can_match(number):
            warnings.append(f"Line {pattern.line} of {pattern.source} can never match anything: {shown(pattern.text)}")
    return _summed(rules, scan, matched, warnings)


def _patterns_there(reader: DirectoryReader) -> tuple[list[Pattern], list[PathWarning]]:
    root = reader.open_folder(b"")
    try:
        return read_ignore_file(root)
    finally:
        os.close(root)


def _summed(rules: Rules, scan: Scan, matched: NDArray[np.int32], notices: list[str]) -> Ignored:
    is_file = scan.kind == Kind.FILE
    sizes = np.where(is_file, scan.size, 0).astype(np.int64)
    is_out = matched != -1
    rule = np.where(matched >= 0, matched, -2 - matched)[is_out]
    count = len(rules.patterns)
    files_of = np.bincount(rule, weights=is_file[is_out], minlength=count).astype(np.int64).tolist()
    bytes_of = np.bincount(rule, weights=sizes[is_out], minlength=count).astype(np.int64).tolist()
    tops = (matched >= 0).nonzero()[0]
    # What lies in a folder stands right behind it, so the sum of a top is that of all up to the next top; what stays
    # has no share in it.
    out_files, out_bytes = np.where(is_out & is_file, 1, 0), np.where(is_out, sizes, 0)
    files = np.add.reduceat(out_files, tops) if len(tops) else tops
    size = np.add.reduceat(out_bytes, tops) if len(tops) else tops
    order = np.lexsort((tops, -files, -size))
    first = [
        MatchedPath(
            path=shown(scan.paths[int(tops[i])]),
            kind=Kind(int(scan.kind[tops[i]])).name.lower(),
            files=int(files[i]),
            bytes=int(size[i]),
            pattern=shown(rules.patterns[int(matched[tops[i]])].text),
        )
        for i in order[:PATHS_SHOWN_MAX]
    ]
    rest = order[PATHS_SHOWN_MAX:]
    return Ignored(
        patterns=[
            MatchedBy(shown(p.text), p.source, p.line, files_of[i], bytes_of[i]) for i, p in enumerate(rules.patterns)
        ],
        paths=first,
        more_paths=len(rest),
        more_files=int(files[rest].sum()),
        more_bytes=int(size[rest].sum()),
        files=int(out_files.sum()),
        bytes=int(out_bytes.sum()),
        total_files=int(is_file.sum()),
        total_bytes=int(sizes.sum()),
        notices=notices,
    )


def left_alone(
    instance: Instance,
    backup: Backup,
    target: App | None,
    reader: DirectoryReader,
    scan: Scan,
    before: PreviousEntries,
    snapshot: Snapshot,
) -> NDArray[np.bool_]:
    """For each entry of a restore's target, whether patterns leave it out: then it stays where the backup lacks it.

    `target`: the application whose folder it is, or None; `reader`, `scan`: of the target; `before`, `snapshot`: of the
    backup. Raises DamagedError, ChunkMissing.
    """
    theirs, _ = _patterns_there(reader) if len(scan.kind) else ([], [])
    ours = (*left_out(target), *target.settings.ignore) if target is not None else ()
    now = match_used(patterns_of(ours), theirs, scan)
    source = app_by_id(instance.catalog, backup.app_id)
    then, _ = patterns_in(_file_in(before, snapshot))
    return now | match_used(patterns_of(source.settings.ignore if source else ()), then, scan)


def _file_in(before: PreviousEntries, snapshot: Snapshot) -> bytes:
    """The `.backupignore` of a backup; empty when it has none."""
    number = before.paths.number_of(IGNORE_FILE)
    if number < 0 or int(before.kind[number]) != Kind.FILE:
        return b""
    entry = content_of(before, number)
    return b"".join(content_range(snapshot, entry, 0, min(FILE_BYTES_MAX + 1, entry.size)))
