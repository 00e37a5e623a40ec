"""The types of fields, and the small objects, that several schemas share."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec

from holdfast.catalog.records import TimedProgress
from holdfast.schemas.times import iso_or_none

T = TypeVar("T")


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what is shown: all of its fields are always there, and no others."""


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """Base of the JSON bodies. A field that no route knows is refused: a typo must not be taken for 'no change'.

    `EXAMPLE`: a body as OpenAPI shows it; a test sends each one.
    """

    EXAMPLE: ClassVar[dict[str, Any]]


def given(value: T | msgspec.UnsetType) -> T | None:
    """Return a field of a body; None where it was left out."""
    return None if isinstance(value, msgspec.UnsetType) else value


ID_PATTERN = "^[0-9a-f]{32}$"

Id = Annotated[str, msgspec.Meta(pattern=ID_PATTERN)]
Time = Annotated[
    str, msgspec.Meta(extra_json_schema={"format": "date-time", "examples": ["2024-12-07T22:07:11+01:00"]})
]
Bytes = Annotated[int, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
EntryKind = Literal["file", "folder", "symlink"]
BackupState = Literal["queued", "running", "successful", "failed", "deleting"]
Origin = Literal["manual", "scheduled", "safety", "imported"]


class Note(Shown, frozen=True):
    """A code and a sentence for a person."""

    code: str
    message: str


class OperatorNote(Note, frozen=True):
    """The same for the operator. `detail`: all that is known, where `message` is the sentence for customers."""

    detail: str


class Progress(Shown, frozen=True):
    """The progress of running work."""

    files: Count
    bytes: Bytes
    total_files: Count
    total_bytes: Bytes
    started_at: Time | None
    eta: Annotated[Time | None, msgspec.Meta(description="When it should be done; null: that cannot be told now.")]
    bytes_per_second: Annotated[Bytes | None, msgspec.Meta(description="Of the last half minute; null: not known yet.")]


def progress_of(record: TimedProgress | None, zone: tzinfo, now_ns: int) -> Progress | None:
    """Return the progress of work; None when it does not run."""
    if record is None:
        return None
    counts = record.files, record.bytes, record.total_files, record.total_bytes
    started_at = iso_or_none(record.started_at, zone)
    if record.is_stalled(now_ns):
        return Progress(*counts, started_at, None, 0)
    return Progress(*counts, started_at, iso_or_none(record.eta, zone), record.bytes_per_second)


def note_of(code: str | None, message: str | None, detail: str | None = None) -> Note | None:
    """Why something failed; None when it did not. `detail`: for the operator, None for others."""
    if code is None:
        return None
    return Note(code, message or "") if detail is None else OperatorNote(code, message or "", detail)
