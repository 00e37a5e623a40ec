"""The entries of the audit about a backup that is changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from holdfast.catalog.database.tables import backups
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.records import Actor, Backup

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
    connection: Connection, by: Actor, action: str, backup: Backup | Row[Any], now_ns: int, **more: str
) -> None:
    """Enter the end of a backup, with what it was, and `more` of how it came about."""
    before = {"name": backup.name, "origin": backup.origin, "state": backup.state}
    enter_change(connection, by, action, backup, {"before": before, **more}, now_ns)
