"""The entry of a backup that is asked for, and what stands in its way."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.backups.audited import enter_backup_event, enter_change
from holdfast.catalog.backups.found import is_listed
from holdfast.catalog.backups.limits import Counts, counted
from holdfast.catalog.database.announce import announce
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app, hold_running_app
from holdfast.catalog.database.tables import backups, jobs
from holdfast.catalog.records import IMPORTED, OPEN_JOBS, Actor, Backup, EventKind, State
from holdfast.units import DAY_NS


class BackupNameTaken(Exception):
    """The application has another backup of this name; `is_in_trash`: one that was deleted."""

    def __init__(self, *, is_in_trash: bool = False) -> None:
        super().__init__()
        self.is_in_trash = is_in_trash


class ReferenceTaken(Exception):
    """The application has another backup with this reference; `is_in_trash`: one that was deleted."""

    def __init__(self, *, is_in_trash: bool) -> None:
        super().__init__()
        self.is_in_trash = is_in_trash


class BackupRunning(Exception):
    """The application has a backup that is queued or running."""


class RestoreRunning(Exception):
    """The application is being restored."""


def insert_backup(catalog: Catalog, backup: Backup, by: Actor, permit: Callable[[Counts], None] | None = None) -> None:
    """Add a queued backup. Raises BackupRunning, BackupNameTaken, ReferenceTaken, RestoreRunning, AppEnded (these two
    not for a safety one).

    `permit` gets the account's counts of the last day, in the same transaction; its exceptions undo everything.
    """
    try:
        with catalog.write() as connection:
            # The application's row is held: a backup and a restore that are asked for at once see each other.
            if backup.origin == "safety":
                hold_app(connection, backup.app_id)
            else:
                hold_running_app(connection, backup.app_id)
                if is_restoring(connection, backup.app_id):
                    raise RestoreRunning
            enter_backup(connection, backup, by)
            if permit is not None:
                since = backup.created_at - DAY_NS
                permit(counted(connection, backup.account_id, backup.app_id, since, but=backup.id, hold=True))
    except IntegrityError:
        with catalog.read() as connection:
            if is_name_taken(connection, backup.app_id, backup.name):
                is_in_trash = is_name_in_trash(connection, backup.app_id, backup.name)
                raise BackupNameTaken(is_in_trash=is_in_trash) from None
            if (is_deleted := _reference_in_trash(connection, backup)) is not None:
                raise ReferenceTaken(is_in_trash=is_deleted) from None
        raise BackupRunning from None


def enter_backup(connection: Connection, backup: Backup, by: Actor) -> None:
    """Enter a queued backup within a transaction. Raises IntegrityError for its name, or a backup that is under way."""
    values = {name: getattr(backup, name) for name in Backup.__struct_fields__}
    values["warnings"] = msgspec.json.encode(backup.warnings).decode()
    values["progress"] = values["damage"] = None
    connection.execute(backups.insert().values(values))
    announce(connection, backup.node)
    enter_backup_event(connection, EventKind.BACKUP_QUEUED, backup.id, backup.created_at)
    action = "backup.rebuilt" if backup.state is not State.QUEUED else "backup.created"
    if action == "backup.created" and backup.origin == IMPORTED:
        action = "backup.imported"
    after = {"name": backup.name, "origin": backup.origin, "is_locked": backup.is_locked}
    enter_change(connection, by, action, backup, {"after": after}, backup.created_at)


def is_restoring(connection: Connection, app_id: str) -> bool:
    """Return True if a restore into the application is queued or running."""
    restoring = select(jobs.c.id).where(jobs.c.app_id == app_id, jobs.c.kind == "restore", jobs.c.state.in_(OPEN_JOBS))
    return connection.execute(restoring).first() is not None


def is_name_taken(connection: Connection, app_id: str, name: str) -> bool:
    """Return True if the application has a backup of this name, in the trash or not."""
    same = select(backups.c.id).where(backups.c.app_id == app_id, backups.c.name == name)
    return connection.execute(same).first() is not None


def is_name_in_trash(connection: Connection, app_id: str, name: str) -> bool:
    """Return True if the backup of this name was deleted."""
    same = select(backups.c.id).where(backups.c.app_id == app_id, backups.c.name == name, ~is_listed)
    return connection.execute(same).first() is not None


def _reference_in_trash(connection: Connection, backup: Backup) -> bool | None:
    """Return True if the backup with this one's reference was deleted, False if it is there; None without one."""
    if backup.reference is None:
        return None
    same = select(is_listed).where(backups.c.app_id == backup.app_id, backups.c.reference == backup.reference)
    listed = connection.execute(same).scalar()
    return None if listed is None else not listed
