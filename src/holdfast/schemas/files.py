"""Files in backups, differences and finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from holdfast.schemas.fields import Bytes, Count, EntryKind, Id, Shown, Time


class File(Shown, frozen=True):
    """A file, folder or link of a backup."""

    name: str
    path: str
    kind: EntryKind
    size: Bytes
    mode: Annotated[str, msgspec.Meta(pattern="^[0-7]{4}$")]
    mtime: Time
    target: Annotated[str | None, msgspec.Meta(description="Where a symbolic link points.")]


class Difference(Shown, frozen=True):
    """A path that two backups have otherwise."""

    path: str
    kind: EntryKind
    what: Literal["added", "removed", "changed", "metadata"]
    size_before: Bytes | None
    size_after: Bytes | None


class Diff(Shown, frozen=True):
    """The differences of two backups."""

    added: Count
    removed: Count
    changed: Count
    metadata: Annotated[Count, msgspec.Meta(description="Same content; other rights, owner or times.")]
    paths: Sequence[Difference]
    is_truncated: bool
    added_bytes: Annotated[Bytes, msgspec.Meta(description="Of the files that were added.")]
    removed_bytes: Annotated[Bytes, msgspec.Meta(description="Of the files that were removed.")]
    changed_bytes: Annotated[Bytes, msgspec.Meta(description="Of the changed files, as they are in the newer backup.")]


class FoundIn(Shown, frozen=True):
    """A backup that has a version."""

    id: Id
    name: str
    created_at: Time


class FileVersion(Shown, frozen=True):
    """One version of a path, with the backups that have it."""

    kind: EntryKind
    size: Bytes
    mtime: Time
    backups: Sequence[FoundIn]


class FoundPath(Shown, frozen=True):
    """A path with its versions, oldest first."""

    path: str
    versions: Sequence[FileVersion]


class UnreadableBackup(Shown, frozen=True):
    """A backup that could not be searched."""

    id: Id
    message: str


class Finds(Shown, frozen=True):
    """In which backups paths are."""

    paths: Sequence[FoundPath]
    is_truncated: bool
    unreadable: Sequence[UnreadableBackup]
