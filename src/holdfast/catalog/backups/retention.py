"""Retention in the catalog: the backups as its policy sees them, and the step that starts to delete one.

It must never delete a backup unless a newer good one is committed. The statement itself ensures that.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, exists, false, func, or_, select

from holdfast.catalog.accounts.apps import COLUMNS, app_of
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import apps, backups, jobs
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.records import IMPORTED, OPEN_JOBS, Actor, EventKind, State

SAFETY = "safety"
"""Origin of a backup that a restore took, so that it can be undone."""

BY_HAND = ("manual", IMPORTED)
"""Origins of backups that a person requested."""

_FINISHED = (State.SUCCESSFUL, State.FAILED)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A backup as the policy sees it. Times in nanoseconds; `order`: of the commits, which no clock can turn around."""

    id: str
    created_at: int
    order: int
    state: State = State.SUCCESSFUL
    origin: str = "scheduled"
    stored_bytes: int = 0
    is_locked: bool = False
    locked_until: int | None = None
    is_damaged: bool = False
    is_in_use: bool = False
    app_id: str = ""
    name: str = ""
    is_operators: bool = False

    @property
    def is_good(self) -> bool:
        """True if an older one may go because this one is there."""
        return self.state is State.SUCCESSFUL and self.origin != IMPORTED and not self.is_damaged

    @property
    def is_by_hand(self) -> bool:
        """True if a person requested it."""
        return self.origin in BY_HAND


_is_in_use = exists().where(jobs.c.backup_id == backups.c.id, jobs.c.state.in_(OPEN_JOBS)).correlate(backups)


def candidates(catalog: Catalog, *, app_id: str | None = None, account_id: str | None = None) -> list[Candidate]:
    """Return the backups of an application, or of an account, oldest first."""
    with catalog.read() as connection:
        return candidates_in(connection, app_id=app_id, account_id=account_id)


def candidates_in(
    connection: Connection, *, app_id: str | None = None, account_id: str | None = None
) -> list[Candidate]:
    """Return the same, within a transaction."""
    query = select(
        backups.c.id,
        backups.c.created_at,
        backups.c.commit_seq,
        backups.c.state,
        backups.c.origin,
        backups.c.stored_bytes,
        backups.c.is_locked,
        backups.c.locked_until,
        backups.c.damage.is_not(None),
        _is_in_use,
        backups.c.app_id,
        backups.c.name,
        backups.c.is_operators,
    ).order_by(backups.c.created_at, backups.c.id)
    if app_id is not None:
        query = query.where(backups.c.app_id == app_id)
    if account_id is not None:
        query = query.where(backups.c.account_id == account_id)
    rows = connection.execute(query).all()
    return [
        Candidate(row[0], int(row[1]), -1 if row[2] is None else int(row[2]), State(row[3]), row[4], int(row[5]),
                  bool(row[6]), row[7], bool(row[8]), bool(row[9]), row[10], row[11],
                  bool(row[12]))
        for row in rows
    ]  # fmt: skip


def mark_outdated(
    catalog: Catalog, backup_id: str, now_ns: int, by: Actor, why: str, *, expired_by: str | None = None
) -> bool:
    """successful or failed -> deleting, as retention decided. Return False, with nothing changed, if it must stay.

    It must stay when it is locked by now, when a job works on it, when its application has shrunk since, or when no
    newer good backup of its application is there (a failed one needs none).

    `why`: the rule or cap by which it goes, for the audit; `expired_by`: the cap of which an event tells its owner.
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
        columns = (this.c.account_id, this.c.app_id, this.c.name, this.c.origin, this.c.state)
        before = connection.execute(select(*columns).where(this.c.id == backup_id)).first()
        shrunk = None if row is None else app_of(row).settings.shrunk
        is_spared = false() if shrunk is None else this.c.commit_seq < shrunk.order
        done = connection.execute(
            this.update()
            .where(
                this.c.id == backup_id,
                or_(this.c.state == State.FAILED, and_(this.c.state == State.SUCCESSFUL, has_newer, ~is_spared)),
                this.c.is_locked.is_(False),
                or_(this.c.locked_until.is_(None), this.c.locked_until <= now_ns),
                ~_is_in_use,
            )
            .values(state=State.DELETING)
        )
        if done.rowcount == 1 and before is not None:
            data = {"before": {"name": before.name, "origin": before.origin, "state": before.state}, "why": why}
            change = Change(by, "backup.deleted", before.account_id, before.app_id, backup_id, data=data)
            enter_audit(connection, change, now_ns)
        if done.rowcount == 1 and expired_by is not None:
            _enter_expired(connection, backup_id, now_ns, expired_by)
        return done.rowcount == 1


def _enter_expired(connection: Connection, backup_id: str, now_ns: int, why: str) -> None:
    columns = (backups.c.account_id, backups.c.app_id, backups.c.name, backups.c.origin)
    account_id, app_id, name, origin = connection.execute(select(*columns).where(backups.c.id == backup_id)).one()
    about = {"name": name, "origin": origin, "reason": why}
    enter_event(connection, EventKind.BACKUP_EXPIRED, account_id, now_ns, app_id=app_id, backup_id=backup_id, **about)


def apps_with_several(catalog: Catalog, node: str) -> list[str]:
    """Return the ids of a node's applications with more than one finished backup; others have nothing to delete."""
    query = (
        select(backups.c.app_id)
        .join(apps, apps.c.id == backups.c.app_id)
        .where(apps.c.node == node, backups.c.state.in_(_FINISHED))
        .group_by(backups.c.app_id)
        .having(func.count() > 1)
    )
    with catalog.read() as connection:
        return [row[0] for row in connection.execute(query)]
