"""A backup's name, note, locks and hash, changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, or_, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.backups.audited import enter_backup_event, enter_change, held
from holdfast.catalog.backups.changes.asked import BackupNameTaken
from holdfast.catalog.backups.found import is_listed
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import backups
from holdfast.catalog.events.audit import changed
from holdfast.catalog.records import Actor, Backup, EventKind, State


def rename_backup(catalog: Catalog, backup_id: str, name: str, now_ns: int, by: Actor) -> None:
    """Give a backup another name. Raises BackupNameTaken."""
    try:
        with catalog.write() as connection:
            before = held(connection, backup_id)
            connection.execute(backups.update().where(backups.c.id == backup_id).values(name=name))
            if before is not None and before.name != name:
                data = changed({"name": before.name}, {"name": name})
                enter_change(connection, by, "backup.renamed", before, data, now_ns)
    except IntegrityError:
        with catalog.read() as connection:
            app_id = select(backups.c.app_id).where(backups.c.id == backup_id).scalar_subquery()
            same = select(backups.c.deleted_at).where(backups.c.app_id == app_id, backups.c.name == name)
            is_in_trash = connection.execute(same).scalar() is not None
        raise BackupNameTaken(is_in_trash=is_in_trash) from None


def set_note(catalog: Catalog, backup_id: str, note: str | None, now_ns: int, by: Actor) -> None:
    """Give a backup another note; None takes it away."""
    with catalog.write() as connection:
        before = held(connection, backup_id)
        if before is None or before.note == note:
            return
        connection.execute(backups.update().where(backups.c.id == backup_id).values(note=note))
        enter_change(connection, by, "backup.noted", before, changed({"note": before.note}, {"note": note}), now_ns)


def set_zip_sha256(catalog: Catalog, backup: Backup, digest: bytes) -> None:
    """Enter the SHA-256 of a successful backup's zip, unless it was found to be damaged meanwhile."""
    is_it = backups.c.id == backup.id, backups.c.state == State.SUCCESSFUL, backups.c.damage.is_(None)
    with catalog.write(durable=False) as connection:
        connection.execute(backups.update().where(*is_it).values(zip_sha256=digest))


def set_lock(
    catalog: Catalog, backup_id: str, is_locked: bool | None, locked_until: int | None, now_ns: int, by: Actor
) -> bool:
    """Change the given locks of a backup. Return False, with nothing changed, when a time lock would get shorter, or
    when it is in the trash by now: nothing there is locked."""
    change: dict[str, Any] = {}
    if is_locked is not None:
        change["is_locked"] = is_locked
    query = backups.update().where(backups.c.id == backup_id, is_listed)
    if locked_until is not None:
        change["locked_until"] = locked_until
        # In the same statement: of two locks set at once, the shorter one must not win.
        query = query.where(
            or_(
                backups.c.locked_until.is_(None),
                backups.c.locked_until <= now_ns,
                backups.c.locked_until <= locked_until,
            )
        )
    if not change:
        return True
    with catalog.write() as connection:
        before = held(connection, backup_id)
        done = connection.execute(query.values(**change)).rowcount == 1
        if done and before is not None:
            data = changed(_locks(before), {**_locks(before), **change})
            if data["after"]:
                is_locking = bool(change.get("is_locked")) or locked_until is not None
                action = "backup.locked" if is_locking else "backup.unlocked"
                enter_change(connection, by, action, before, data, now_ns)
        return done


def _locks(row: Row[Any]) -> dict[str, Any]:
    return {"is_locked": bool(row.is_locked), "locked_until": row.locked_until}


def override_locks(catalog: Catalog, backup_id: str, now_ns: int, by: Actor) -> None:
    """Take all locks of a backup away, also a time lock that is not over, and enter an event that says so."""
    with catalog.write() as connection:
        before = held(connection, backup_id)
        if before is None:
            return
        none = {"is_locked": False, "locked_until": None}
        connection.execute(backups.update().where(backups.c.id == backup_id).values(none))
        data = changed(_locks(before), none)
        if data["after"]:
            enter_change(connection, by, "backup.lock_overridden", before, data, now_ns)
        if before.locked_until is not None and before.locked_until > now_ns:
            enter_backup_event(connection, EventKind.BACKUP_UNLOCKED, backup_id, now_ns)
