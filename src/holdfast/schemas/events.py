"""Events: what happened, as the stream and the log of a command tell it."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any

import msgspec

from holdfast.catalog import records
from holdfast.schemas.fields import Id, Progress, Shown, Time, progress_of
from holdfast.schemas.times import iso


class Event(Shown, frozen=True):
    """Something that happened."""

    seq: Annotated[int | None, msgspec.Meta(description="Its number, also the `id` of the stream.")]
    kind: str
    at: Time | None
    app_id: Id | None
    backup_id: Id | None
    job_id: Id | None
    data: Annotated[dict[str, Any], msgspec.Meta(description="What belongs to this kind of event.")]


class ProgressData(Shown, frozen=True):
    """The data of `progress`."""

    kind: str
    progress: Progress | None


class ProgressEvent(Shown, frozen=True):
    """The progress of running work, in the shape of an event without a number."""

    seq: None
    kind: str
    at: Time
    app_id: Id
    backup_id: Id
    job_id: Id | None
    data: ProgressData


GAP = Event(
    None,
    "gap",
    None,
    None,
    None,
    None,
    {"message": "Some events after the one you named are not kept any more; read the lists anew."},
)
"""Comes first in a stream that cannot go on where its client was."""


def event_of(record: records.Event, zone: tzinfo, *, for_operator: bool = False) -> Event:
    """An event as it is shown; to others than the operator without the details of a failure."""
    at = iso(record.at, zone)
    data = record.data if for_operator else _without_detail(record.data)
    return Event(record.seq, str(record.kind), at, record.app_id, record.backup_id, record.job_id, data)


def _without_detail(data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data without the operator's text of a failure, which stands in it or in its `error`."""
    shown = {name: value for name, value in data.items() if name != "detail"}
    if isinstance(error := data.get("error"), dict):
        shown["error"] = {name: value for name, value in error.items() if name != "detail"}
    return shown


def progress_event(work: records.Work, now_ns: int, zone: tzinfo, *, is_backup: bool) -> ProgressEvent:
    """Return the progress event of running work."""
    job_id = None if is_backup else work.id
    data = ProgressData(work.kind, progress_of(work.progress))
    return ProgressEvent(None, "progress", iso(now_ns, zone), work.app_id, work.backup_id, job_id, data)
