"""A backup that goes: marked, then forgotten once its root is gone."""

from __future__ import annotations

from sqlalchemy import and_, or_, select

from holdfast.catalog.backups.audited import enter_backup_event, enter_gone, held
from holdfast.catalog.backups.found import KEPT_STATES
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app_of
from holdfast.catalog.database.tables import backups
from holdfast.catalog.events.days import count
from holdfast.catalog.packs.ledger import forget_trash_bytes
from holdfast.catalog.packs.prune import enter_wanted
from holdfast.catalog.records import Actor, EventKind, State


def mark_deleting(
    catalog: Catalog, backup_id: str, now_ns: int, by: Actor, *, deleted_before: int | None = None
) -> bool:
    """successful, failed or trashed -> deleting, unless it is locked. Return False when in another state, or locked.

    `deleted_before`: only if it was put into the trash at or before that time.
    """
    query = backups.update().where(
        backups.c.id == backup_id,
        backups.c.state.in_([State.SUCCESSFUL, State.FAILED, State.TRASHED]),
        backups.c.is_locked.is_(False),
        or_(backups.c.locked_until.is_(None), backups.c.locked_until <= now_ns),
    )
    if deleted_before is not None:
        query = query.where(backups.c.deleted_at <= deleted_before)
    with catalog.write() as connection:
        before = held(connection, backup_id)
        done = connection.execute(query.values(state=State.DELETING))
        if before is None or done.rowcount != 1:
            return False
        enter_gone(connection, by, "backup.deleted", before, now_ns, is_final=True)
        if before.state in KEPT_STATES:
            # Without it, the trash alone may need what both needed.
            forget_trash_bytes(connection, before.account_id)
        return True


def delete_row(catalog: Catalog, backup_id: str, now_ns: int) -> None:
    """Forget a backup that is being deleted and whose root is gone."""
    is_deleting = and_(backups.c.id == backup_id, backups.c.state == State.DELETING)
    with catalog.write() as connection:
        columns = (backups.c.account_id, backups.c.deleted_at)
        app_id = hold_app_of(connection, backup_id)
        row = connection.execute(select(*columns).where(is_deleting).with_for_update()).first()
        if app_id is None or row is None:
            return
        account_id, deleted_at = row
        kind = EventKind.BACKUP_DELETED if deleted_at is None else EventKind.BACKUP_GONE
        enter_backup_event(connection, kind, backup_id, now_ns)
        connection.execute(backups.delete().where(is_deleting))
        if deleted_at is None:
            count(connection, catalog.zone, app_id, now_ns)
        enter_wanted(connection, account_id, now_ns)
