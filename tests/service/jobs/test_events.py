"""Events as sentences: every kind has one that a person can read."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.catalog.records import Event, EventKind
from holdfast.service.jobs.events import message_of

DATA: dict[str, Any] = {
    "name": "Backup at noon",
    "state": "failed",
    "code": "STORE_FULL",
    "message": "The disk is full.",
}
SAID = {
    EventKind.BACKUP_QUEUED: "Backup at noon waits to be made. The disk is full.",
    EventKind.BACKUP_FAILED: "Backup at noon failed (STORE_FULL): The disk is full.",
    EventKind.BACKUP_FINISHED: "Backup at noon is finished: 0 files, 0 bytes added.",
    EventKind.BACKUP_OVERDUE: "No good backup came in time; there is none at all.",
    EventKind.BACKUP_SHRUNK: "Backup at noon has 0 files after 0, 0 bytes after 0; retention rests until somebody "
    "accepts it.",
    EventKind.RESTORE_FINISHED: "The restore of Backup at noon ended as failed (STORE_FULL): The disk is full.",
    EventKind.VERIFY_FAILED: "Backup at noon is not as it should be (STORE_FULL): The disk is full.",
}


def event(kind: EventKind, data: dict[str, Any]) -> Event:
    return Event(1, "ana", "a" * 32, "b" * 32, None, kind, 0, data)


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_is_a_sentence(kind: EventKind) -> None:
    said = message_of(event(kind, DATA))
    assert said.endswith(".")
    assert "{" not in said
    assert said == SAID.get(kind, said)


def test_overdue_says_since_when_and_why() -> None:
    data = {"last_good_backup_at": "2024-12-07T22:07:11+01:00", "error": {"code": "SOURCE_MISSING", "message": "Gone."}}
    assert message_of(event(EventKind.BACKUP_OVERDUE, data)) == (
        "No good backup came in time; the newest one is from 2024-12-07T22:07:11+01:00. The last try failed: Gone."
    )
