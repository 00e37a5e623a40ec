"""The backups of an application as its page shows them: the newest first, chosen, a page at a time."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Select, select, union_all

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


class Shown(NamedTuple):
    """A page of an application's backups. `trashed`: the one in the trash that was asked for besides."""

    backups: list[Backup]
    trashed: Backup | None = None


def shown_backups(
    catalog: Catalog,
    app_id: str,
    choice: Choice,
    part: str,
    after: str | None,
    limit: int,
    trashed_id: str | None = None,
) -> Shown:
    """Return backups with `part` in their names, at most `limit`, those that are older than the one with id `after`.

    `trashed_id`: and the one in the trash with this id.
    """
    of_app = backups.c.app_id == app_id
    query: Select[Any] = select(*BACKUP_COLUMNS).where(of_app, is_listed)
    if choice in _CONDITIONS:
        query = query.where(_CONDITIONS[choice])
    if part:
        query = query.where(backups.c.name.icontains(part, autoescape=True))
    if after is not None:
        query = query.where(beyond(of_app, after, newest_first=True))
    query = query.order_by(backups.c.created_at.desc(), backups.c.id.desc()).limit(limit)
    if trashed_id is not None:
        one = of_app, backups.c.id == trashed_id, backups.c.state == State.TRASHED, backups.c.deleted_at.is_not(None)
        query = select(union_all(select(query.subquery()), select(*BACKUP_COLUMNS).where(*one)).subquery())
    with catalog.read() as connection:
        found = [backup_of(row) for row in connection.execute(query).all()]
    shown = [backup for backup in found if backup.deleted_at is None]
    shown.sort(key=lambda backup: (backup.created_at, backup.id), reverse=True)
    return Shown(shown, next((backup for backup in found if backup.deleted_at is not None), None))
