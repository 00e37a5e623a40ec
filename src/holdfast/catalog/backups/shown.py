"""The backups of an application as its page shows them: the newest first, chosen, a page at a time."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import select

from holdfast.catalog.backups.found import BACKUP_COLUMNS, backup_of, beyond, is_listed
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import backups
from holdfast.catalog.records import Backup, State


class Choice(StrEnum):
    """A choice of backups."""

    ALL = ""
    BY_HAND = "by_hand"
    LOCKED = "locked"
    FAILED = "failed"
    GOOD = "good"


_CONDITIONS = {
    Choice.BY_HAND: backups.c.origin == "manual",
    Choice.LOCKED: backups.c.is_locked | backups.c.locked_until.is_not(None),
    Choice.FAILED: backups.c.state == State.FAILED,
    Choice.GOOD: backups.c.state == State.SUCCESSFUL,
}


def shown_backups(
    catalog: Catalog, app_id: str, choice: Choice, part: str, after: str | None, limit: int
) -> list[Backup]:
    """Return backups with `part` in their names, at most `limit`, those that are older than the one with id `after`."""
    of_app = backups.c.app_id == app_id
    query = select(*BACKUP_COLUMNS).where(of_app, is_listed)
    if choice in _CONDITIONS:
        query = query.where(_CONDITIONS[choice])
    if part:
        query = query.where(backups.c.name.icontains(part, autoescape=True))
    if after is not None:
        query = query.where(beyond(of_app, after, newest_first=True))
    with catalog.read() as connection:
        rows = connection.execute(query.order_by(backups.c.created_at.desc(), backups.c.id.desc()).limit(limit))
        return [backup_of(row) for row in rows.all()]
