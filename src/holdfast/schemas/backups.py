"""Backups: in the list, as a whole, and what requests say of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Annotated, Any, ClassVar, cast

import msgspec

from holdfast.catalog import records
from holdfast.schemas.fields import (
    BackupState,
    Body,
    Bytes,
    Count,
    Id,
    Note,
    Origin,
    Progress,
    Shown,
    Time,
    progress_of,
)
from holdfast.schemas.times import iso, iso_or_none

NAME_CHARACTERS_MAX = 191
NOTE_CHARACTERS_MAX = 1000
REFERENCE_CHARACTERS_MAX = 128

ListRow = tuple[str, int, int | None, str, int, str]
"""Name, bytes of the zip, end, key of the download, start, state: what the list needs of a backup."""

_NAME_CHAR = r"[^/\x00-\x1f\x7f-\x9f]"
GIVEN_NAME: dict[str, Any] = {
    "minLength": 1,
    "maxLength": NAME_CHARACTERS_MAX,
    "pattern": rf"^{_NAME_CHAR}*[^\s/\x00-\x1f\x7f-\x9f]{_NAME_CHAR}*$",
    "not": {"enum": [".", ".."]},
}
GivenName = Annotated[
    str,
    msgspec.Meta(
        description="No slash, no control characters, and not only blanks.",
        extra_json_schema=GIVEN_NAME,
    ),
]


GivenReference = Annotated[
    str,
    msgspec.Meta(
        description="An id of the caller's own, unique in the application; `ref:` and it stand where an id stands.",
        extra_json_schema={
            "minLength": 1,
            "maxLength": REFERENCE_CHARACTERS_MAX,
            "pattern": r"^[^\x00-\x1f\x7f-\x9f]*$",
        },
    ),
]
GivenNote = Annotated[
    str,
    msgspec.Meta(
        description="A note for people; of control characters only tabs and ends of lines.",
        extra_json_schema={
            "maxLength": NOTE_CHARACTERS_MAX,
            "pattern": r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$",
        },
    ),
]


class ListedBackup(Shown, frozen=True):
    """A backup in the list: exactly these six fields, in this order."""

    EXAMPLE: ClassVar = {
        "name": "Backup at 2024-12-07 22:07:11",
        "size": 81865653,
        "modified": "2024-12-07T22:07:20+01:00",
        "key": "85592d2b15ff867407964790224dcbb3a95ce82b",
        "created_at": "2024-12-07T22:07:11+01:00",
        "is_successful": True,
    }

    name: str
    size: Annotated[Bytes, msgspec.Meta(description="Bytes of the zip as it is downloaded; 0 unless successful.")]
    modified: Annotated[Time, msgspec.Meta(description="When it was finished.")]
    key: Annotated[
        str, msgspec.Meta(pattern="^([0-9a-f]{40})?$", description="Opens the download; empty unless successful.")
    ]
    created_at: Annotated[Time, msgspec.Meta(description="When it was started.")]
    is_successful: bool


class BackupWarning(Shown, frozen=True):
    """The problem with one path."""

    path: str
    code: str
    message: str


class Backup(ListedBackup, frozen=True):
    """The full object of a backup."""

    id: Id
    app_id: Id
    state: BackupState
    origin: Origin
    url: Annotated[str | None, msgspec.Meta(description="The download, ready to use; null unless successful.")]
    files: Count
    content_size: Annotated[Bytes, msgspec.Meta(description="Bytes of the files.")]
    stored_size: Annotated[Bytes, msgspec.Meta(description="Bytes that this backup added to the store.")]
    is_locked: bool
    locked_until: Time | None
    error: Annotated[
        Note | None,
        msgspec.Meta(
            description="Why it failed; of a successful one `DAMAGED` when some of it can't be read any more."
        ),
    ]
    warnings: tuple[BackupWarning, ...]
    progress: Progress | None
    verified_at: Time | None
    restore_proved_at: Time | None
    sha256: Annotated[
        Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None,
        msgspec.Meta(
            description="SHA-256 of the zip; null until a verification, a test restore or a whole download read it.",
        ),
    ]
    note: Annotated[str | None, msgspec.Meta(description="What its owner noted of it.")]
    reference: Annotated[str | None, msgspec.Meta(description="The id that whoever asked for it gave it.")]
    kept_by: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="The rules that keep it, as `GET .../retention` has them; none: the next retention deletes it. "
            "The plan's storage is left aside."
        ),
    ]
    copied_at: Annotated[
        Time | None, msgspec.Meta(description="When the second store had it; null without a second store.")
    ]
    deleted_at: Annotated[Time | None, msgspec.Meta(description="When it was put into the trash, or null.")]
    gone_at: Annotated[Time | None, msgspec.Meta(description="When it leaves the trash, for good.")]


class DeletedBackup(Shown, frozen=True):
    """A backup that was deleted."""

    id: Id
    freed_size: Annotated[Bytes, msgspec.Meta(description="Bytes that pruning will free once it is gone.")]
    gone_at: Annotated[
        Time | None, msgspec.Meta(description="Until then it is in the trash; null: it is gone, and cannot come back.")
    ]


class BackupLog(Shown, frozen=True):
    """The log of a backup: each line a time and what was done."""

    log: Sequence[str]


class NewBackup(Body):
    """Body of POST .../backups."""

    EXAMPLE: ClassVar = {"name": "before-the-update", "is_locked": True, "reference": "deploy-81"}

    name: GivenName | msgspec.UnsetType = msgspec.UNSET
    is_locked: bool = False
    note: GivenNote | msgspec.UnsetType | None = msgspec.UNSET
    reference: GivenReference | msgspec.UnsetType | None = msgspec.UNSET


class BackupChange(Body):
    """Body of PATCH .../backups/{id}; what is not there stays."""

    EXAMPLE: ClassVar = {"name": "after-the-update", "is_locked": False}

    name: GivenName | msgspec.UnsetType = msgspec.UNSET
    is_locked: bool | msgspec.UnsetType = msgspec.UNSET
    locked_until: Time | msgspec.UnsetType | None = msgspec.UNSET
    note: GivenNote | msgspec.UnsetType | None = msgspec.UNSET


def listed_of(row: ListRow, zone: tzinfo) -> ListedBackup:
    """A backup in the list."""
    name, size, finished_at, key, created_at, state = row
    good = state == records.State.SUCCESSFUL
    return ListedBackup(
        name,
        size if good else 0,
        iso(created_at if finished_at is None else finished_at, zone),
        key if good else "",
        iso(created_at, zone),
        good,
    )


def shown_state(state: records.State) -> BackupState:
    """A backup's state as the API shows it: one in the trash was successful, and is again when it is brought back."""
    return "successful" if state is records.State.TRASHED else cast("BackupState", state.value)


def row_of(backup: records.Backup, key: str) -> ListRow:
    """The row of the list that a backup has. `key`: of its downloads."""
    return (backup.name, backup.zip_bytes, backup.finished_at, key, backup.created_at, shown_state(backup.state))


def backup_of(
    record: records.Backup,
    key: str,
    zone: tzinfo,
    url: str | None,
    error: Note | None,
    kept_by: tuple[str, ...],
    now_ns: int,
) -> Backup:
    """A backup as a whole. `key`: of its downloads; `kept_by`: the rules that keep it."""
    listed = listed_of(row_of(record, key), zone)
    return Backup(
        **msgspec.structs.asdict(listed),
        id=record.id,
        app_id=record.app_id,
        state=shown_state(record.state),
        origin=record.origin,  # type: ignore[arg-type]
        url=url,
        files=record.files,
        content_size=record.content_bytes,
        stored_size=record.stored_bytes,
        is_locked=record.is_locked,
        locked_until=iso_or_none(record.locked_until, zone),
        error=error,
        warnings=tuple(BackupWarning(w.path, w.code, w.message) for w in (*record.damage, *record.warnings)),
        progress=progress_of(record.progress, zone, now_ns),
        verified_at=iso_or_none(record.verified_at, zone),
        restore_proved_at=iso_or_none(record.restore_proved_at, zone),
        sha256=None if record.zip_sha256 is None else record.zip_sha256.hex(),
        note=record.note,
        reference=record.reference,
        kept_by=kept_by,
        copied_at=None,
        deleted_at=iso_or_none(record.deleted_at, zone),
        gone_at=iso_or_none(record.gone_at, zone),
    )
