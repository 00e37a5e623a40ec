"""Backups as the catalog has them: records made from rows, and the queries that find them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, or_, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import backups, open_backups
from holdfast.catalog.records import IMPORTED, Backup, State, Warned
from holdfast.vault.control import TimedProgress

_FIELDS = Backup.__struct_fields__
BACKUP_COLUMNS = tuple(backups.c[name] for name in _FIELDS)
_WARNINGS, _PROGRESS, _STATE, _DAMAGE = (_FIELDS.index(name) for name in ("warnings", "progress", "state", "damage"))

is_listed = backups.c.deleted_at.is_(None)
"""A condition: all but those in the trash, and those that go out of it."""

OPEN_STATES = frozenset((State.QUEUED, State.RUNNING, State.DELETING))
REFERENCE_PREFIX = "ref:"
"""A backup's reference stands behind it where an id stands."""

KEPT_STATES = (State.SUCCESSFUL, State.TRASHED)
"""The states of backups whose roots the store has."""

_warnings = msgspec.json.Decoder(tuple[Warned, ...])
_progress = msgspec.json.Decoder(TimedProgress)


def backup_of(row: Row[Any]) -> Backup:
    """Return a record from a row of all columns."""
    values = list(row)
    values[_STATE] = State(values[_STATE])
    values[_WARNINGS] = _warnings.decode(values[_WARNINGS])
    values[_DAMAGE] = () if values[_DAMAGE] is None else _warnings.decode(values[_DAMAGE])
    if values[_PROGRESS] is not None:
        values[_PROGRESS] = _progress.decode(values[_PROGRESS])
    return Backup(*values)


def named(id_or_name: str) -> ColumnElement[bool]:
    """Return a condition: the backups of an application that `ref:<reference>`, an id or a name may mean."""
    same = or_(backups.c.id == id_or_name, backups.c.name == id_or_name)
    if not id_or_name.startswith(REFERENCE_PREFIX):
        return same
    return or_(same, backups.c.reference == id_or_name.removeprefix(REFERENCE_PREFIX))


def meant(found: Sequence[Backup], id_or_name: str) -> Backup | None:
    """Return the backup that is meant of those that `named` finds: by its id before its reference, then its name."""
    return min(found, key=lambda b: (b.id != id_or_name, b.name == id_or_name), default=None)


def backup_by_id(catalog: Catalog, backup_id: str) -> Backup | None:
    """Return one backup."""
    with catalog.read() as connection:
        row = connection.execute(select(*BACKUP_COLUMNS).where(backups.c.id == backup_id)).first()
    return backup_of(row) if row else None


def backup_of_app(catalog: Catalog, app_id: str, id_or_name: str) -> Backup | None:
    """Return one backup of an application, by id, `ref:<reference>` or name. None for one in the trash."""
    with catalog.read() as connection:
        query = select(*BACKUP_COLUMNS).where(backups.c.app_id == app_id, named(id_or_name), is_listed)
        return meant([backup_of(row) for row in connection.execute(query).all()], id_or_name)


def list_backups(catalog: Catalog, app_id: str, limit: int | None, after: str | None) -> list[Backup]:
    """Backups of an application, oldest first; at most `limit`, those behind the backup with the id `after`."""
    query = (
        select(*BACKUP_COLUMNS)
        .where(backups.c.app_id == app_id, is_listed)
        .order_by(backups.c.created_at, backups.c.id)
    )
    if after is not None:
        query = query.where(beyond(backups.c.app_id == app_id, after, newest_first=False))
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query.limit(limit)).all()]


def list_account_backups(
    catalog: Catalog, account_id: str, limit: int | None, after: str | None, app_ids: Collection[str] | None = None
) -> list[Backup]:
    """Return the backups of an account, newest first; of some of its applications only, if those are given."""
    query = (
        select(*BACKUP_COLUMNS)
        .where(backups.c.account_id == account_id, is_listed)
        .order_by(backups.c.created_at.desc(), backups.c.id.desc())
    )
    if app_ids is not None:
        query = query.where(backups.c.app_id.in_(app_ids))
    if after is not None:
        query = query.where(beyond(backups.c.account_id == account_id, after, newest_first=True))
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query.limit(limit)).all()]


def beyond(same_owner: ColumnElement[bool], after: str, *, newest_first: bool) -> Any:
    """Return the condition for rows beyond a backup; another owner's backup does not exist for this one."""
    at = select(backups.c.created_at).where(same_owner, backups.c.id == after).scalar_subquery()
    if newest_first:
        return or_(backups.c.created_at < at, and_(backups.c.created_at == at, backups.c.id < after))
    return or_(backups.c.created_at > at, and_(backups.c.created_at == at, backups.c.id > after))


def backup_by_idempotency_key(catalog: Catalog, app_id: str, key: str, since: int) -> Backup | None:
    """Return the newest backup that was asked for with this key since a time."""
    with catalog.read() as connection:
        row = connection.execute(
            select(*BACKUP_COLUMNS)
            .where(
                backups.c.app_id == app_id,
                backups.c.idempotency_key == key,
                backups.c.created_at >= since,
                is_listed,
            )
            .order_by(backups.c.created_at.desc())
            .limit(1)
        ).first()
    return backup_of(row) if row else None


def backups_in(catalog: Catalog, states: Sequence[State], node: str | None = None) -> list[Backup]:
    """Return all backups in the given states, oldest first; of one node, or of all."""
    query = select(*BACKUP_COLUMNS).where(backups.c.state.in_(states)).order_by(backups.c.created_at)
    if OPEN_STATES.issuperset(states):
        query = query.where(open_backups)
    if node is not None:
        query = query.where(backups.c.node == node)
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


def kept_backups(catalog: Catalog, account_id: str) -> list[Backup]:
    """Return the backups of an account that can be read, in the trash or not."""
    query = select(*BACKUP_COLUMNS).where(backups.c.account_id == account_id, backups.c.state.in_(KEPT_STATES))
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


def backups_of_app(catalog: Catalog, app_id: str) -> list[Backup]:
    """Return all backups of an application in whatever state, those in the trash too."""
    query = select(*BACKUP_COLUMNS).where(backups.c.app_id == app_id).order_by(backups.c.created_at, backups.c.id)
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


def newest_of_account(catalog: Catalog, account_id: str) -> Backup | None:
    """Return the newest backup of an account that can be read, in the trash or not, of whatever application."""
    with catalog.read() as connection:
        row = connection.execute(
            select(*BACKUP_COLUMNS)
            .where(backups.c.account_id == account_id, backups.c.state.in_(KEPT_STATES))
            .order_by(backups.c.created_at.desc(), backups.c.id.desc())
            .limit(1)
        ).first()
    return backup_of(row) if row else None


def latest_successful(catalog: Catalog, app_id: str) -> Backup | None:
    """The newest successful backup that was taken of an application's folder (an imported one says nothing of it)."""
    with catalog.read() as connection:
        row = connection.execute(
            select(*BACKUP_COLUMNS)
            .where(
                backups.c.app_id == app_id,
                backups.c.state == State.SUCCESSFUL,
                backups.c.origin != IMPORTED,
            )
            .order_by(backups.c.created_at.desc(), backups.c.id.desc())
            .limit(1)
        ).first()
    return backup_of(row) if row else None


def log_of(catalog: Catalog, backup_id: str) -> str | None:
    """Return a backup's log as it was entered with its end; None when there is none (yet)."""
    with catalog.read() as connection:
        found: str | None = connection.execute(select(backups.c.log).where(backups.c.id == backup_id)).scalar()
        return found
