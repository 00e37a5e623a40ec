"""Webhooks: the endpoints that are told of events, what was sent to them, and the body of a message."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from holdfast.catalog.events.records import MESSAGE_KINDS, Endpoint
from holdfast.catalog.events.records import Delivery as DeliveryRecord
from holdfast.schemas.apps import Standing
from holdfast.schemas.fields import Body, Count, Id, Note, Shown, Time
from holdfast.schemas.times import iso, iso_or_none

LABEL_CHARACTERS_MAX = 100

# On the item, as msgspec's own schema of a list's items would replace one that is given for the list.
EventName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": [str(kind) for kind in MESSAGE_KINDS]})]
Events = Annotated[
    list[EventName],
    msgspec.Meta(
        description="The events to send; by default all but `backup.finished`.", extra_json_schema={"minItems": 1}
    ),
]
Label = Annotated[
    str,
    msgspec.Meta(
        description="Its name in lists; by default what may be shown of its URL. Any printable text.",
        extra_json_schema={
            "minLength": 1,
            "maxLength": LABEL_CHARACTERS_MAX,
            "pattern": r"^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$",
        },
    ),
]


class Delivery(Shown, frozen=True):
    """A delivery to a webhook."""

    id: Annotated[Id, msgspec.Meta(description="The header `webhook-id` is `msg_` and this, at every attempt.")]
    type: Annotated[str, msgspec.Meta(description="The event, or `webhook.test`.")]
    state: Literal["pending", "delivered", "failed"]
    attempts: Count
    created_at: Time
    next_attempt_at: Time | None
    finished_at: Time | None
    status: Annotated[int | None, msgspec.Meta(description="The HTTP status of the last attempt.")]
    error: Annotated[str | None, msgspec.Meta(description="Why the last attempt failed.")]


class Webhook(Shown, frozen=True):
    """A webhook or another target: nothing of its URL but what its label says."""

    id: Id
    kind: Literal["webhook", "apprise"]
    label: str
    events: Events
    created_at: Time
    disabled_at: Annotated[Time | None, msgspec.Meta(description="The time since which nothing is sent to it.")]
    last_delivery: Delivery | None


class WebhookWithSecret(Webhook, frozen=True):
    """A webhook with its secret: the only object that has it."""

    secret: Annotated[str | None, msgspec.Meta(description="`whsec_...`; null for apprise.")]


class DeletedWebhook(Shown, frozen=True):
    """A webhook that is gone."""

    id: Id


class NewWebhook(Body):
    """Body of POST /v3/webhooks."""

    EXAMPLE: ClassVar = {"url": "https://example.org/hook", "events": ["backup.failed"], "label": "pager"}

    url: Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1})] = ""
    events: Events | msgspec.UnsetType = msgspec.UNSET
    label: Label | msgspec.UnsetType = msgspec.UNSET


class WebhookChange(Body):
    """Body of PATCH /v3/webhooks/{id}; what is not there stays."""

    EXAMPLE: ClassVar = {"is_enabled": False}

    events: Events | msgspec.UnsetType = msgspec.UNSET
    label: Label | msgspec.UnsetType = msgspec.UNSET
    is_enabled: (
        Annotated[bool, msgspec.Meta(description="False: send it nothing; what waits for it is given up.")]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class Happened(Shown, frozen=True, kw_only=True):
    """The data of a webhook's message. `backup`: the full object without what opens it; `state`: of a restore.

    `standing`: of the application when the message was first sent; null where there is none. `..._external_id`: the
    host's own ids, and `reference`: the caller's own id of the backup, in the operator's messages.
    """

    account_id: str
    app_id: str | None
    app: str | None
    backup_id: str | None
    job_id: str | None
    message: str
    link: str
    error: Note | None
    last_good_backup_at: Time | None
    standing: Standing | None
    backup: dict[str, Any] | None
    state: str | msgspec.UnsetType = msgspec.UNSET
    account_external_id: str | msgspec.UnsetType | None = msgspec.UNSET
    app_external_id: str | msgspec.UnsetType | None = msgspec.UNSET
    reference: str | msgspec.UnsetType | None = msgspec.UNSET


class Tried(Shown, frozen=True):
    """The data of a test."""

    account_id: str | None
    message: str
    link: str


class WebhookBody(Shown, frozen=True):
    """The message for programs. `timestamp`: of the event."""

    type: str
    timestamp: Time
    data: Happened | Tried


def webhook_of(record: Endpoint, last: DeliveryRecord | None, zone: tzinfo) -> Webhook:
    """A webhook as it is shown, with the last that was sent to it."""
    return Webhook(
        id=record.id,
        kind=record.kind,  # type: ignore[arg-type]
        label=record.label,
        events=list(record.events),
        created_at=iso(record.created_at, zone),
        disabled_at=iso_or_none(record.disabled_at, zone),
        last_delivery=None if last is None else delivery_of(last, zone),
    )


def with_secret(webhook: Webhook, secret: str | None) -> WebhookWithSecret:
    """A webhook with its secret."""
    return WebhookWithSecret(**msgspec.structs.asdict(webhook), secret=secret)


def delivery_of(record: DeliveryRecord, zone: tzinfo) -> Delivery:
    """A delivery as it is shown."""
    return Delivery(
        id=record.id,
        type=record.kind,
        state=record.state.value,
        attempts=record.attempts,
        created_at=iso(record.created_at, zone),
        next_attempt_at=iso_or_none(record.next_at, zone),
        finished_at=iso_or_none(record.finished_at, zone),
        status=record.status,
        error=record.error,
    )
