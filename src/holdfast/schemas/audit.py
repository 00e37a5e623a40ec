"""The audit as it is shown: who changed what, from where, and what it was before."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, Any, Literal

import msgspec

from holdfast.catalog import records
from holdfast.catalog.records import PRIVATE, ActorKind
from holdfast.schemas.fields import Id, Shown, Time
from holdfast.schemas.times import iso

Kind = Literal["person", "key", "schedule", "host", "operator", "system"]


class Actor(Shown, frozen=True):
    """Who did it."""

    kind: Kind
    id: Annotated[str, msgspec.Meta(description="Of a person or a key; else empty.")]
    name: str


class AuditEntry(Shown, frozen=True):
    """A change, or a download."""

    seq: Annotated[int, msgspec.Meta(description="Its number; it names the place where the next page begins.")]
    at: Time
    actor: Actor
    ip: str | None
    action: Annotated[str, msgspec.Meta(description="As `backup.deleted`.")]
    app_id: Id | None
    backup_id: Id | None
    job_id: Id | None
    data: Annotated[dict[str, Any], msgspec.Meta(description="`before` and `after`, and what else belongs to it.")]


class OperatorAuditEntry(AuditEntry, frozen=True):
    """An entry as the operator sees it, with the account that it is of; None for the instance itself."""

    account_id: str | None


def entry_of(record: records.AuditEntry, zone: tzinfo) -> AuditEntry:
    """Return an entry as its account sees it: of the operator only that it was he, of his machines nothing."""
    who = record.actor
    is_operator = who.kind is ActorKind.OPERATOR
    actor = Actor(who.kind.value, "", "operator") if is_operator else _actor(record)
    data = {name: value for name, value in record.data.items() if name != PRIVATE}
    ids = (record.app_id, record.backup_id, record.job_id)
    ip = None if is_operator else who.ip
    return AuditEntry(record.seq, iso(record.at, zone), actor, ip, record.action, *ids, data)


def operator_entry_of(record: records.AuditEntry, zone: tzinfo) -> OperatorAuditEntry:
    """Return an entry as the operator sees it: whole."""
    ids = (record.app_id, record.backup_id, record.job_id)
    at = iso(record.at, zone)
    who = record.actor.ip
    return OperatorAuditEntry(
        record.seq, at, _actor(record), who, record.action, *ids, record.data, account_id=record.account_id
    )


def _actor(record: records.AuditEntry) -> Actor:
    return Actor(record.actor.kind.value, record.actor.id, record.actor.name)
