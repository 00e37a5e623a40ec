"""The entries about a backup that is changed: in the audit, and among the events."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from holdfast.catalog.database.tables import backups
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.records import Actor, Backup, EventKind

_NAMES = ("id", "account_id", "app_id", "name", "origin", "state", "is_locked", "locked_until", "note")
_COLUMNS = tuple(backups.c[name] for name in _NAMES)


def held(connection: Connection, backup_id: str) -> Row[Any] | None:
    """Return what the audit tells of a backup, its row held; None when it is gone."""
    query = select(*_COLUMNS).where(backups.c.id == backup_id)
    return connection.execute(query.with_for_update(key_share=True)).first()


def enter_change(
    connection: Connection, by: Actor, action: str, backup: Backup | Row[Any], data: dict[str, Any], now_ns: int
) -> None:
    """Enter a change of a backup."""
    enter_audit(connection, Change(by, action, backup.account_id, backup.app_id, backup.id, data=data), now_ns)


def enter_gone(
    connection: Connection, by: Actor, action: str, backup: Backup | Row[Any], now_ns: int, **more: Any
) -> None:
    """Enter the end of a backup, with what it was, and `more` of how it came about."""
    before = {"name": backup.name, "origin": backup.origin, "state": backup.state}
    enter_change(connection, by, action, backup, {"before": before, **more}, now_ns)


def enter_backup_event(connection: Connection, kind: EventKind, backup_id: str, now_ns: int, **data: Any) -> None:
    """Record an event of a backup, with the data that identifies it."""
    columns = (backups.c.account_id, backups.c.app_id, backups.c.name, backups.c.origin, backups.c.is_operators)
    row = connection.execute(select(*columns).where(backups.c.id == backup_id)).one()
    account_id, app_id, name, origin, is_operators = row
    about = {"name": name, "origin": origin, **({"is_operators": True} if is_operators else {}), **data}
    enter_event(connection, kind, account_id, now_ns, app_id=app_id, backup_id=backup_id, **about)
