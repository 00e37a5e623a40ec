"""The trash in the catalog: deleted backups that can still be brought back.

A successful backup that is deleted becomes `trashed`; `deleted_at` says since when. While that is set, it is in no list
and counts in no limit. It leaves the trash as successful again, or as `deleting`, which nothing turns around. Each of
these steps is one statement that looks at the state it changes, so of two that race one wins.

The store has the same in the backup's *marks*, for a rebuild. They are written after the catalog; until then the backup
is *unmarked*, which is a fact of the catalog too, so that what a crash left out is made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import tzinfo
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, case, func, or_, select

from holdfast.catalog.backups.audited import enter_backup_event, enter_change, enter_gone, held
from holdfast.catalog.backups.found import BACKUP_COLUMNS, backup_of, meant, named
from holdfast.catalog.backups.limits import Counts, counted
from holdfast.catalog.backups.proofs import first_prove
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app_of
from holdfast.catalog.database.tables import accounts, backups, facts
from holdfast.catalog.events.days import count
from holdfast.catalog.packs.ledger import forget_trash_bytes
from holdfast.catalog.records import TRASH_NS, Actor, Backup, EventKind, State
from holdfast.units import DAY_NS

_UNMARKED = "unmarked "


class Trash(NamedTuple):
    """The trash of an account, or of all. `bytes`: of the store, which only its backups need, as last measured."""

    backups: int
    bytes: int


def put_into_trash(catalog: Catalog, backup_id: str, now_ns: int, by: Actor, freed_bytes: int | None) -> bool:
    """successful -> trashed, unless it is locked. Return False when in another state, or locked.

    `freed_bytes`: by how much the trash grows; None: not known.
    """
    with catalog.write() as connection:
        hold_app_of(connection, backup_id)
        before = held(connection, backup_id)
        done = connection.execute(
            backups.update()
            .where(
                backups.c.id == backup_id,
                backups.c.state == State.SUCCESSFUL,
                backups.c.is_locked.is_(False),
                or_(backups.c.locked_until.is_(None), backups.c.locked_until <= now_ns),
            )
            .values(state=State.TRASHED, deleted_at=now_ns)
        )
        if before is None or done.rowcount != 1:
            return False
        enter_trashed(connection, catalog.zone, before, now_ns, by, freed_bytes=freed_bytes)
        return True


def enter_trashed(
    connection: Connection,
    zone: tzinfo,
    before: Row[Any],
    now_ns: int,
    by: Actor,
    *,
    freed_bytes: int | None,
    **more: str,
) -> None:
    """Enter what comes with a backup that was just put into the trash, in the same transaction, which holds its
    application's row.

    `before`: what the audit tells of it (`audited.held`); `more`: of how it came about.
    """
    gone_at = now_ns + TRASH_NS
    enter_gone(
        connection, by, "backup.deleted", before, now_ns, after={"state": State.TRASHED, "gone_at": gone_at}, **more
    )
    enter_backup_event(connection, EventKind.BACKUP_DELETED, before.id, now_ns, gone_at=gone_at)
    _enter_unmarked(connection, before.id)
    # NULL stays NULL: what was to be measured still is.
    grown = None if freed_bytes is None else accounts.c.trash_bytes + freed_bytes
    connection.execute(accounts.update().where(accounts.c.id == before.account_id).values(trash_bytes=grown))
    count(connection, zone, before.app_id, now_ns)


def take_out(
    catalog: Catalog, backup_id: str, now_ns: int, by: Actor, permit: Callable[[Counts], None] | None = None
) -> bool:
    """trashed -> successful. Return False when it is not in the trash (any more).

    `permit` gets the account's counts without this backup, in the same transaction; its exceptions undo everything.
    """
    with catalog.write() as connection:
        hold_app_of(connection, backup_id)
        before = held(connection, backup_id)
        done = connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state == State.TRASHED)
            .values(state=State.SUCCESSFUL, deleted_at=None)
        )
        if before is None or done.rowcount != 1:
            return False
        data = {"before": {"name": before.name, "state": State.TRASHED}, "after": {"state": State.SUCCESSFUL}}
        enter_change(connection, by, "backup.undeleted", before, data, now_ns)
        if permit is not None:
            since = now_ns - DAY_NS
            permit(counted(connection, before.account_id, before.app_id, since, but=backup_id, hold=True))
        enter_backup_event(connection, EventKind.BACKUP_UNDELETED, backup_id, now_ns)
        _enter_unmarked(connection, backup_id)
        count(connection, catalog.zone, before.app_id, now_ns)
        first_prove(connection, backup_id, now_ns)
        forget_trash_bytes(connection, before.account_id)
        return True


# -- what is in it --------------------------------------------------------------------------------------------------


def trashed_of_app(catalog: Catalog, app_id: str, limit: int | None = None, after: str | None = None) -> list[Backup]:
    """The trash of an application, in the order of the list; at most `limit`, those behind the backup `after`."""
    key = backups.c.created_at, backups.c.id
    query = select(*BACKUP_COLUMNS).where(backups.c.app_id == app_id, backups.c.state == State.TRASHED)
    if after is not None:
        at = select(backups.c.created_at).where(backups.c.app_id == app_id, backups.c.id == after).scalar_subquery()
        query = query.where(or_(key[0] > at, (key[0] == at) & (key[1] > after)))
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query.order_by(*key).limit(limit)).all()]


def trashed_backup(catalog: Catalog, app_id: str, id_or_name: str) -> Backup | None:
    """Return one backup of an application that is in the trash, by id, `ref:<reference>` or name."""
    in_trash = backups.c.app_id == app_id, backups.c.state == State.TRASHED
    with catalog.read() as connection:
        query = select(*BACKUP_COLUMNS).where(*in_trash, named(id_or_name))
        return meant([backup_of(row) for row in connection.execute(query).all()], id_or_name)


def trashed_ids(catalog: Catalog, account_id: str) -> list[str]:
    """Return the ids of an account's backups in the trash, those that were deleted first before others."""
    with catalog.read() as connection:
        return _trashed_ids(connection, account_id)


def _trashed_ids(connection: Connection, account_id: str) -> list[str]:
    query = select(backups.c.id).where(backups.c.account_id == account_id, backups.c.state == State.TRASHED)
    return list(connection.execute(query.order_by(backups.c.deleted_at, backups.c.id)).scalars())


def due(catalog: Catalog, deleted_before: int, limit: int) -> list[Backup]:
    """Return backups that were put into the trash at or before a time and are still in it, oldest first."""
    query = (
        select(*BACKUP_COLUMNS)
        .where(backups.c.deleted_at <= deleted_before, backups.c.state == State.TRASHED)
        .order_by(backups.c.deleted_at, backups.c.id)
        .limit(limit)
    )
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


# -- what it takes --------------------------------------------------------------------------------------------------


def trash_of(catalog: Catalog, account_id: str | None = None) -> Trash:
    """Return what is in the trash of an account, or of all."""
    counted = select(func.count()).where(backups.c.deleted_at.is_not(None), backups.c.state == State.TRASHED)
    summed = select(func.coalesce(func.sum(accounts.c.trash_bytes), 0))
    if account_id is not None:
        counted = counted.where(backups.c.account_id == account_id)
        summed = summed.where(accounts.c.id == account_id)
    with catalog.read() as connection:
        return Trash(int(connection.execute(counted).scalar_one()), int(connection.execute(summed).scalar_one()))


def unmeasured(catalog: Catalog) -> list[str]:
    """Return the ids of accounts of whose trash it is not known what it takes."""
    query = select(accounts.c.id).where(accounts.c.trash_bytes.is_(None)).order_by(accounts.c.id)
    with catalog.read() as connection:
        return list(connection.execute(query).scalars())


def note_trash_bytes(catalog: Catalog, account_id: str, measured: Collection[str], size: int) -> bool:
    """Record what the trash of an account takes; return False, with nothing recorded, if it has other backups now.

    `measured`: the ids of those that were in it.
    """
    with catalog.write() as connection:
        connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True))
        if set(_trashed_ids(connection, account_id)) != set(measured):
            return False
        connection.execute(accounts.update().where(accounts.c.id == account_id).values(trash_bytes=size))
        return True


# -- backups whose marks are to be written ---------------------------------------------------------------------------


def _enter_unmarked(connection: Connection, backup_id: str) -> None:
    name = _UNMARKED + backup_id
    if connection.execute(select(facts.c.name).where(facts.c.name == name)).first() is None:
        connection.execute(facts.insert().values(name=name, value=""))


def unmarked_ids(catalog: Catalog) -> list[str]:
    """Return the ids of backups whose marks in the store may be older than the catalog."""
    query = select(facts.c.name).where(facts.c.name.startswith(_UNMARKED, autoescape=True))
    with catalog.read() as connection:
        return [name.removeprefix(_UNMARKED) for name in connection.execute(query).scalars()]


def note_marked(catalog: Catalog, backup_id: str) -> None:
    """Record that the marks of a backup are as the catalog has it."""
    with catalog.write(durable=False) as connection:
        connection.execute(facts.delete().where(facts.c.name == _UNMARKED + backup_id))


def restore_marks(catalog: Catalog, backup_id: str, deleted_at: int | None) -> None:
    """Put a backup into the trash, or out of it, as its marks in the store have it: for a rebuild."""
    is_other = backups.c.deleted_at.is_not(None) if deleted_at is None else backups.c.deleted_at.is_(None)
    state = State.SUCCESSFUL if deleted_at is None else State.TRASHED
    with catalog.write() as connection:
        is_it = (backups.c.id == backup_id) & backups.c.state.in_((State.SUCCESSFUL, State.TRASHED))
        values = {"state": state, "deleted_at": deleted_at}
        done = connection.execute(backups.update().where(is_it, is_other).values(values))
        if done.rowcount:
            of_backup = select(backups.c.account_id).where(backups.c.id == backup_id)
            forget_trash_bytes(connection, connection.execute(of_backup).scalar_one())


def state_after_retention(now_ns: int) -> dict[str, object]:
    """Return what retention sets: a good backup goes into the trash, a failed one goes at once."""
    has_failed = backups.c.state == State.FAILED
    return {
        "state": case((has_failed, State.DELETING), else_=State.TRASHED),
        "deleted_at": case((has_failed, None), else_=now_ns),
    }
