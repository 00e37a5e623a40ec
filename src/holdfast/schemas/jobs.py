"""Jobs: long operations, their progress, plan and result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from holdfast.catalog import records
from holdfast.schemas.fields import (
    ID_PATTERN,
    Body,
    Bytes,
    Count,
    EntryKind,
    Id,
    Note,
    Progress,
    Shown,
    Time,
    note_of,
    progress_of,
)
from holdfast.schemas.times import iso, iso_or_none

INTO_CHARACTERS_MAX = 63
"""Of a new folder to restore into: so that it fits, in whatever script, into a name of the file system."""
_CHAR = r"[^/\x00-\x1f\x7f-\x9f]"
INTO_PATTERN = rf"^{_CHAR}+(/{_CHAR}+)*$"
NOT_INTO_PATTERN = r"(^|/)(\.{1,2}(/|$)|\.holdfast-restore-)|^(_databases|\.backupignore)(/|$)"
"""Of what it may not be: a way out, or a name that Holdfast itself uses."""


class Job(Shown, frozen=True):
    """A job, or a backup as one."""

    id: Id
    kind: Annotated[str, msgspec.Meta(description="`backup`, `restore`, `verify` or `prove`.")]
    app_id: Id
    backup_id: Id
    state: Literal["queued", "running", "successful", "failed", "cancelled"]
    created_at: Time
    finished_at: Time | None
    progress: Progress | None
    result: Annotated[dict[str, Any] | None, msgspec.Meta(description="What a finished job did.")]
    error: Note | None


class JobLine(Shown, frozen=True):
    """A line of a job's log."""

    at: Time
    message: str


class JobWithLog(Job, frozen=True):
    """A job with its log."""

    log: Sequence[JobLine]


class ChangedPath(Shown, frozen=True):
    """A path that a restore would change."""

    path: str
    kind: EntryKind
    size: Bytes


class RestorePreview(Shown, frozen=True):
    """The effects of a restore. Counts are of files, folders and links; the lists show the first of them."""

    added: Count
    changed: Count
    removed: Count
    write_bytes: Bytes
    paths_added: Sequence[ChangedPath]
    paths_changed: Sequence[ChangedPath]
    paths_removed: Sequence[ChangedPath]
    is_truncated: Annotated[bool, msgspec.Meta(description="Whether the lists show only the first thousand each.")]


class Restore(Body):
    """Body of POST .../restore."""

    EXAMPLE: ClassVar = {"paths": ["hello.txt"], "mode": "overlay"}

    # An empty list is refused: who made it by leaving paths out of a list would get everything replaced.
    paths: (
        Annotated[
            list[Annotated[str, msgspec.Meta(min_length=1)]],
            msgspec.Meta(min_length=1, description="Only these, with all below them; without the field, everything."),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    target_app_id: (
        Annotated[
            str,
            msgspec.Meta(
                description="Another application of the account to restore into.",
                extra_json_schema={"pattern": ID_PATTERN},
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    into: (
        Annotated[
            str,
            msgspec.Meta(
                description="A folder below the application's own that does not exist yet: all goes there, nothing "
                "else is touched, and backups leave it out.",
                extra_json_schema={
                    "minLength": 1,
                    "maxLength": INTO_CHARACTERS_MAX,
                    "pattern": INTO_PATTERN,
                    "not": {"pattern": NOT_INTO_PATTERN},
                },
            ),
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET
    mode: Annotated[
        Literal["mirror", "overlay"],
        msgspec.Meta(description="`mirror` removes what the backup does not have, `overlay` leaves it."),
    ] = "mirror"
    dry_run: Annotated[bool, msgspec.Meta(description="Only say what would change.")] = False
    safety_backup: Annotated[
        bool, msgspec.Meta(description="Take a backup first, so that the restore can be undone.")
    ] = True


def job_of(record: records.Job, zone: tzinfo, now_ns: int, *, for_operator: bool = False) -> Job:
    """A job as it is shown."""
    detail = (record.reason or "") if for_operator else None
    return Job(
        id=record.id,
        kind=record.kind,
        app_id=record.app_id,
        backup_id=record.backup_id,
        state=record.state.value,
        created_at=iso(record.created_at, zone),
        finished_at=iso_or_none(record.finished_at, zone),
        progress=progress_of(record.progress, zone, now_ns),
        result=None if record.result is None else msgspec.json.decode(record.result),
        error=note_of(record.error_code, record.error_message, detail),
    )


def job_with_log(record: records.Job, log: Sequence[JobLine], zone: tzinfo, now_ns: int) -> JobWithLog:
    """A job with the lines of its log."""
    return JobWithLog(**msgspec.structs.asdict(job_of(record, zone, now_ns)), log=log)
