"""The step by which retention deletes a backup.

It must never delete a backup unless a newer good one is committed. The statement itself ensures that.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, exists, false, or_, select

from holdfast.catalog.accounts.apps import COLUMNS, app_of
from holdfast.catalog.backups.audited import enter_gone, held
from holdfast.catalog.backups.retention import is_in_use
from holdfast.catalog.backups.trash import enter_trashed, state_after_retention
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import apps, backups
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.records import IMPORTED, TRASH_NS, Actor, EventKind, State


def mark_outdated(
    catalog: Catalog, backup_id: str, now_ns: int, by: Actor, why: str, *, expired_by: str | None = None
) -> bool:
    """successful -> trashed, failed -> deleting, as retention decided. Return False, with nothing changed, if it must
    stay.

    It must stay when it is locked by now, when a job works on it, when its application has shrunk since, or when no
    newer good backup of its application is there (a failed one needs none).

    `why`: the rule or cap by which it goes, for the audit; `expired_by`: the cap by which a good one goes, of which an
    event tells its owner.
    """
    newer = backups.alias()
    this = backups
    has_newer = exists().where(
        newer.c.app_id == this.c.app_id,
        newer.c.state == State.SUCCESSFUL,
        newer.c.origin != IMPORTED,
        newer.c.damage.is_(None),
        newer.c.commit_seq > this.c.commit_seq,
    )
    with catalog.write() as connection:
        # The application's row is held: a job on the backup that is asked for at once comes before or after.
        app_id = select(this.c.app_id).where(this.c.id == backup_id).scalar_subquery()
        row = connection.execute(select(*COLUMNS).where(apps.c.id == app_id).with_for_update(key_share=True)).first()
        shrunk = None if row is None else app_of(row).settings.shrunk
        before = held(connection, backup_id)
        is_spared = false() if shrunk is None else this.c.commit_seq < shrunk.order
        done = connection.execute(
            this.update()
            .where(
                this.c.id == backup_id,
                or_(this.c.state == State.FAILED, and_(this.c.state == State.SUCCESSFUL, has_newer, ~is_spared)),
                this.c.is_locked.is_(False),
                or_(this.c.locked_until.is_(None), this.c.locked_until <= now_ns),
                ~is_in_use,
            )
            .values(state_after_retention(now_ns))
        )
        if before is None or done.rowcount != 1:
            return False
        if before.state == State.FAILED:
            enter_gone(connection, by, "backup.deleted", before, now_ns, is_final=True, why=why)
        else:
            enter_trashed(connection, catalog.zone, before, now_ns, by, freed_bytes=None, why=why)
            if expired_by is not None:
                _enter_expired(connection, backup_id, now_ns, expired_by)
        return True


def _enter_expired(connection: Connection, backup_id: str, now_ns: int, why: str) -> None:
    columns = (backups.c.account_id, backups.c.app_id, backups.c.name, backups.c.origin)
    account_id, app_id, name, origin = connection.execute(select(*columns).where(backups.c.id == backup_id)).one()
    about = {"name": name, "origin": origin, "reason": why, "gone_at": now_ns + TRASH_NS}
    enter_event(connection, EventKind.BACKUP_EXPIRED, account_id, now_ns, app_id=app_id, backup_id=backup_id, **about)
