"""Records of notices: who is notified of events, and the deliveries to them."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from holdfast.catalog.records import EventKind

MESSAGE_KINDS = (
    EventKind.BACKUP_FINISHED,
    EventKind.BACKUP_FAILED,
    EventKind.BACKUP_OVERDUE,
    EventKind.BACKUP_SHRUNK,
    EventKind.BACKUP_EXPIRED,
    EventKind.BACKUP_UNLOCKED,
    EventKind.RESTORE_FINISHED,
    EventKind.VERIFY_FAILED,
    EventKind.STORAGE_NEARLY_FULL,
)
"""The kinds of events that an endpoint can subscribe to."""


class Endpoint(msgspec.Struct, frozen=True):
    """A URL that is notified of events: an account's, or with `account_id` None the operator's, for all accounts.

    `kind`: `webhook` or `apprise`. `url_sealed`, `secret_sealed`: wrapped with the master key.
    """

    id: str
    account_id: str | None
    kind: str
    label: str
    url_sealed: bytes
    secret_sealed: bytes
    events: tuple[str, ...]
    created_at: int
    disabled_at: int | None


class DeliveryState(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Delivery(msgspec.Struct, frozen=True):
    """One event on its way to one endpoint; without `event_seq` a test. `attempts`: number of attempts begun."""

    id: str
    endpoint_id: str
    account_id: str | None
    event_seq: int | None
    kind: str
    body: str
    state: DeliveryState
    attempts: int
    next_at: int | None
    created_at: int
    finished_at: int | None
    status: int | None
    error: str | None
