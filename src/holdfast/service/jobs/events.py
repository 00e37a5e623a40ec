"""Events as the API shows them and as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.catalog.events import log as rows
from holdfast.catalog.jobs.work import BACKUP, open_work
from holdfast.catalog.records import Event, EventKind, JobState, Work
from holdfast.schemas import events as schemas
from holdfast.service.instance.home import Instance

PAGE = 200
SHOWN_MAX = 1000
"""Of more events than this a look back shows the newest."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place at which a client that was offline goes on. `is_gap`: some events in between are gone."""

    after: int
    is_gap: bool


def place_of(instance: Instance, account_id: str, after: int | None) -> Place:
    """Return the place after the event `after`; None: from now on."""
    newest = rows.last_event_seq(instance.catalog)
    if after is None:
        return Place(rows.last_event_seq(instance.catalog, account_id), False)
    if after > newest:
        # Of a catalog that is gone, or of none: whoever waited for the next number would wait for long.
        return Place(rows.last_event_seq(instance.catalog, account_id), True)
    return Place(after, newest > 0 and after < rows.first_event_seq(instance.catalog) - 1)


def newest_event(instance: Instance, account_id: str) -> int:
    """Return the number of an account's newest event; 0 before the first."""
    return rows.last_event_seq(instance.catalog, account_id)


def next_events(instance: Instance, account_id: str, app_id: str | None, after: int) -> list[Event]:
    """The events of an account (of one of its applications) behind a number, a page of at most PAGE."""
    return rows.events_after(instance.catalog, after, PAGE, account_id=account_id, app_id=app_id)


def newer_events(instance: Instance, seen: dict[str, int]) -> dict[str, int]:
    """Which accounts have events above the numbers given, and the newest number of each."""
    return rows.newer_events(instance.catalog, seen)


def running_work(instance: Instance) -> list[Work]:
    """Return the running work that accounts are shown, of all of them."""
    return [work for work in open_work(instance.catalog, [JobState.RUNNING]) if not work.is_hidden]


def shown_event(instance: Instance, event: Event, *, for_operator: bool = False) -> schemas.Event:
    """An event as it is shown."""
    return schemas.event_of(event, instance.zone, for_operator=for_operator)


def shown_progress(instance: Instance, work: Work) -> schemas.ProgressEvent:
    """Return the progress of running work, in the shape of an event."""
    return schemas.progress_event(work, instance.clock.now_ns(), instance.zone, is_backup=work.kind == BACKUP)


def history(instance: Instance, since_ns: int, app_id: str | None) -> list[Event]:
    """Return the events since a time, in order, of all accounts or of one application; the newest SHOWN_MAX at most."""
    return rows.events_since(instance.catalog, since_ns, app_id, SHOWN_MAX)


def follow_from(instance: Instance) -> int:
    """The number of the newest event of all."""
    return rows.last_event_seq(instance.catalog)


def next_of_all(instance: Instance, after: int, app_id: str | None) -> list[Event]:
    """The next events behind a number, of all accounts or of one application."""
    return rows.events_after(instance.catalog, after, PAGE, app_id=app_id)


def reason_of(data: Mapping[str, Any], *, for_operator: bool) -> str:
    """Return the text of a failure in an event's data: the customer's, or the operator's where there is one."""
    return str((data.get("detail") if for_operator else None) or data.get("message") or "")


_SENTENCES = {
    EventKind.BACKUP_QUEUED: "waits to be made",
    EventKind.BACKUP_STARTED: "is being made",
    EventKind.BACKUP_DELETED: "was deleted",
    EventKind.BACKUP_UNDELETED: "was brought back from the trash",
    EventKind.BACKUP_GONE: "is gone from the trash",
    EventKind.BACKUP_UNLOCKED: "was unlocked by the operator before its time lock was over",
    EventKind.RESTORE_STARTED: "is being restored",
    EventKind.VERIFY_STARTED: "is being read back",
    EventKind.PROVE_STARTED: "is being restored to a scratch folder, as a test",
}
_SUBJECT = {"restore": "The restore", "verify": "The reading back", "prove": "The test restore"}


def message_of(event: Event, *, for_operator: bool = False) -> str:
    """One sentence that says what happened."""
    data = event.data
    why = reason_of(data, for_operator=for_operator)
    name = data.get("name") or event.backup_id or ""
    if event.kind in _SENTENCES:
        return f"{name} {_SENTENCES[event.kind]}." + (f" {data['message']}" if data.get("message") else "")
    if event.kind is EventKind.BACKUP_FINISHED:
        return f"{name} is finished: {data.get('files', 0)} files, {data.get('stored_size', 0):,} bytes added."
    if event.kind is EventKind.BACKUP_FAILED:
        return f"{name} failed ({data.get('code', '')}): {why}"
    if event.kind is EventKind.BACKUP_OVERDUE:
        good = data.get("last_good_backup_at")
        why = reason_of(data.get("error") or {}, for_operator=for_operator)
        newest = f"the newest one is from {good}" if good else "there is none at all"
        return f"No good backup came in time; {newest}." + (f" The last try failed: {why}" if why else "")
    if event.kind is EventKind.BACKUP_SHRUNK:
        now, before = data.get("files", 0), data.get("files_before", 0)
        sizes = f"{data.get('size', 0):,} bytes after {data.get('size_before', 0):,}"
        return f"{name} has {now:,} files after {before:,}, {sizes}; retention rests until somebody accepts it."
    if event.kind is EventKind.BACKUP_EXPIRED:
        return f"{name} was deleted by a limit of the plan ({data.get('reason', '')})."
    if event.kind is EventKind.STORAGE_NEARLY_FULL:
        used, allowed = data.get("used", 0), data.get("allowed", 0)
        return f"The account stores {used:,} bytes of the {allowed:,} that its plan allows."
    if event.kind is EventKind.VERIFY_FAILED:
        return f"{name} is not as it should be ({data.get('code', '')}): {data.get('message', '')}"
    operation, _, what = event.kind.partition(".")
    if operation in _SUBJECT and what == "finished":
        state = data.get("state", "finished")
        if why:
            return f"{_SUBJECT[operation]} of {name} ended as {state} ({data.get('code', '')}): {why}"
        return f"{_SUBJECT[operation]} of {name} ended as {state}."
    return f"{name} {event.kind}."
