"""Endpoints and deliveries in the words of their pages."""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from holdfast.catalog.events.records import MESSAGE_KINDS, Delivery, DeliveryState, Endpoint
from holdfast.catalog.records import EventKind
from holdfast.service.language.texts import N_, _
from holdfast.service.notify.messages import TEST_KIND
from holdfast.web.dashboard import words

EVENTS = {
    EventKind.BACKUP_FINISHED: N_("A backup is finished"),
    EventKind.BACKUP_FAILED: N_("A backup failed"),
    EventKind.BACKUP_OVERDUE: N_("No good backup in time"),
    EventKind.BACKUP_SHRUNK: N_("An application has shrunk"),
    EventKind.BACKUP_EXPIRED: N_("A backup was deleted, as the plan allows no more"),
    EventKind.BACKUP_UNLOCKED: N_("The host unlocked a backup"),
    EventKind.RESTORE_FINISHED: N_("A restore has ended"),
    EventKind.VERIFY_FAILED: N_("A backup is damaged"),
    EventKind.STORAGE_NEARLY_FULL: N_("The storage is nearly full"),
}
"""By the kind of an event: its words in forms and lists."""

_STATES = {
    DeliveryState.DELIVERED: ("good", "check", N_("Arrived")),
    DeliveryState.FAILED: ("bad", "x", N_("Did not arrive")),
    DeliveryState.PENDING: ("run", "loader", N_("On its way")),
}


def kind_words(kind: str) -> str:
    """Tell the kind of an event, or of a test."""
    return _("Test") if kind == TEST_KIND else _(EVENTS[EventKind(kind)])


def event_choices(chosen: tuple[str, ...]) -> list[tuple[str, str, bool]]:
    """All events that can be chosen: their names, words, and which of them are."""
    return [(str(kind), _(EVENTS[kind]), str(kind) in chosen) for kind in MESSAGE_KINDS]


def delivery_line(delivery: Delivery, now: int, zone: tzinfo) -> dict[str, Any]:
    """A delivery as a line of a list."""
    css, icon, word = _STATES[delivery.state]
    return {
        "css": css,
        "icon": icon,
        "word": _(word),
        "about": kind_words(delivery.kind),
        "when": words.when(delivery.created_at, now, zone),
        "answer": "" if delivery.status is None else _("answered %(status)s", status=delivery.status),
        "error": words.sentence(delivery.error or ""),
        "attempts": delivery.attempts,
        "next": "" if delivery.next_at is None else words.when(delivery.next_at, now, zone),
    }


def endpoint_line(endpoint: Endpoint, service: str, last: Delivery | None, now: int, zone: tzinfo) -> dict[str, Any]:
    """An endpoint as a line of a list. `service`: the name of what it is sent by."""
    disabled = endpoint.disabled_at
    return {
        "id": endpoint.id,
        "label": endpoint.label,
        "kind": _(service) if service else "",
        "events": [_(EVENTS[EventKind(kind)]) for kind in endpoint.events],
        "added": words.when(endpoint.created_at, now, zone),
        "disabled": "" if disabled is None else words.when(disabled, now, zone),
        "last": None if last is None else delivery_line(last, now, zone),
    }
