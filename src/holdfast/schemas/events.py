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


def event_of(record: records.Event, zone: tzinfo) -> Event:
    """An event as it is shown."""
    at = iso(record.at, zone)
    return Event(record.seq, str(record.kind), at, record.app_id, record.backup_id, record.job_id, record.data)


def progress_event(work: records.Work, now_ns: int, zone: tzinfo, *, is_backup: bool) -> ProgressEvent:
    """Return the progress event of running work."""
    job_id = None if is_backup else work.id
    data = ProgressData(work.kind, progress_of(work.progress))
    return ProgressEvent(None, "progress", iso(now_ns, zone), work.app_id, work.backup_id, job_id, data)
