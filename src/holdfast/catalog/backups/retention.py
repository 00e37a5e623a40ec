"""Retention in the catalog: the backups as its policy sees them. `outdated.py` has the step that deletes one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import apps, backups, jobs
from holdfast.catalog.records import IMPORTED, OPEN_JOBS, State

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


is_in_use = exists().where(jobs.c.backup_id == backups.c.id, jobs.c.state.in_(OPEN_JOBS)).correlate(backups)


def candidates(
    catalog: Catalog,
    *,
    app_id: str | None = None,
    account_id: str | None = None,
    app_ids: Collection[str] | None = None,
) -> list[Candidate]:
    """Return the backups of an application, of several, or of an account, oldest first; the trash stays out."""
    with catalog.read() as connection:
        return candidates_in(connection, app_id=app_id, account_id=account_id, app_ids=app_ids)


def candidates_in(
    connection: Connection,
    *,
    app_id: str | None = None,
    account_id: str | None = None,
    app_ids: Collection[str] | None = None,
) -> list[Candidate]:
    """Do what `candidates` does, within a transaction."""
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
        is_in_use,
        backups.c.app_id,
        backups.c.name,
        backups.c.is_operators,
    ).where(backups.c.deleted_at.is_(None))
    query = query.order_by(backups.c.created_at, backups.c.id)
    if app_id is not None:
        query = query.where(backups.c.app_id == app_id)
    if account_id is not None:
        query = query.where(backups.c.account_id == account_id)
    if app_ids is not None:
        query = query.where(backups.c.app_id.in_(app_ids))
    rows = connection.execute(query).all()
    return [
        Candidate(row[0], int(row[1]), -1 if row[2] is None else int(row[2]), State(row[3]), row[4], int(row[5]),
                  bool(row[6]), row[7], bool(row[8]), bool(row[9]), row[10], row[11],
                  bool(row[12]))
        for row in rows
    ]  # fmt: skip


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
