"""The audit: who changed what, entered in the transaction of the change, so that none is without the other."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from holdfast.catalog.database.access_tables import audit
from holdfast.catalog.records import Actor


class Change(msgspec.Struct, frozen=True):
    """A change that is about to be made. `action`: as `key.created`; `data`: before and after, never a secret."""

    by: Actor
    action: str
    account_id: str | None = None
    app_id: str | None = None
    backup_id: str | None = None
    job_id: str | None = None
    data: dict[str, Any] = {}


def enter_audit(connection: Connection, change: Change, at: int) -> None:
    """Enter a change in its own transaction. `at`: nanoseconds."""
    connection.execute(
        audit.insert().values(
            at=at,
            account_id=change.account_id,
            actor_kind=change.by.kind,
            actor_id=change.by.id,
            actor_name=change.by.name,
            ip=change.by.ip,
            action=change.action,
            app_id=change.app_id,
            backup_id=change.backup_id,
            job_id=change.job_id,
            data=msgspec.json.encode(change.data).decode(),
        )
    )
