"""Backups in the catalog. Every change of state is one transaction that looks at the state it changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.accounts.apps import COLUMNS as APP_COLUMNS
from holdfast.catalog.accounts.apps import app_of
from holdfast.catalog.backups.audited import enter_change, enter_gone, held
from holdfast.catalog.backups.limits import Counts, counted
from holdfast.catalog.backups.proofs import first_prove
from holdfast.catalog.backups.shrunk import IsShrunk, Size, enter_shrunk
from holdfast.catalog.database.announce import announce
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app, hold_app_of, hold_running_app
from holdfast.catalog.database.tables import accounts, apps, backups, jobs, open_backups
from holdfast.catalog.events.audit import changed
from holdfast.catalog.events.days import count
from holdfast.catalog.events.log import enter_event
from holdfast.catalog.packs.ledger import forget_trash_bytes
from holdfast.catalog.packs.prune import enter_wanted
from holdfast.catalog.records import CANCELLED, IMPORTED, OPEN_JOBS, Actor, App, Backup, EventKind, State, Warned
from holdfast.units import DAY_NS
from holdfast.vault.control import Progress, TimedProgress
from holdfast.vault.errors import SessionFenced

_FIELDS = Backup.__struct_fields__
_COLUMNS = BACKUP_COLUMNS = tuple(backups.c[name] for name in _FIELDS)
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


def backup_of(row: Row[Any]) -> Backup:
    """Return a record from a row of all columns."""
    values = list(row)
    values[_STATE] = State(values[_STATE])
    values[_WARNINGS] = _warnings.decode(values[_WARNINGS])
    values[_DAMAGE] = () if values[_DAMAGE] is None else _warnings.decode(values[_DAMAGE])
    if values[_PROGRESS] is not None:
        values[_PROGRESS] = _progress.decode(values[_PROGRESS])
    return Backup(*values)


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
    values = {name: getattr(backup, name) for name in _FIELDS}
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
        row = connection.execute(select(*_COLUMNS).where(backups.c.id == backup_id)).first()
    return backup_of(row) if row else None


def backup_of_app(catalog: Catalog, app_id: str, id_or_name: str) -> Backup | None:
    """Return one backup of an application, by id, `ref:<reference>` or name. None for one in the trash."""
    with catalog.read() as connection:
        query = select(*_COLUMNS).where(backups.c.app_id == app_id, named(id_or_name), is_listed)
        return meant([backup_of(row) for row in connection.execute(query).all()], id_or_name)


def list_backups(catalog: Catalog, app_id: str, limit: int | None, after: str | None) -> list[Backup]:
    """Backups of an application, oldest first; at most `limit`, those behind the backup with the id `after`."""
    query = select(*_COLUMNS).where(backups.c.app_id == app_id, is_listed).order_by(backups.c.created_at, backups.c.id)
    if after is not None:
        query = query.where(beyond(backups.c.app_id == app_id, after, newest_first=False))
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query.limit(limit)).all()]


def list_account_backups(
    catalog: Catalog, account_id: str, limit: int | None, after: str | None, app_ids: Collection[str] | None = None
) -> list[Backup]:
    """Return the backups of an account, newest first; of some of its applications only, if those are given."""
    query = (
        select(*_COLUMNS)
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
            select(*_COLUMNS)
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
    query = select(*_COLUMNS).where(backups.c.state.in_(states)).order_by(backups.c.created_at)
    if OPEN_STATES.issuperset(states):
        query = query.where(open_backups)
    if node is not None:
        query = query.where(backups.c.node == node)
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


def kept_backups(catalog: Catalog, account_id: str) -> list[Backup]:
    """Return the backups of an account that can be read, in the trash or not."""
    query = select(*_COLUMNS).where(backups.c.account_id == account_id, backups.c.state.in_(KEPT_STATES))
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


def backups_of_app(catalog: Catalog, app_id: str) -> list[Backup]:
    """Return all backups of an application in whatever state, those in the trash too."""
    query = select(*_COLUMNS).where(backups.c.app_id == app_id).order_by(backups.c.created_at, backups.c.id)
    with catalog.read() as connection:
        return [backup_of(row) for row in connection.execute(query).all()]


def newest_of_account(catalog: Catalog, account_id: str) -> Backup | None:
    """Return the newest backup of an account that can be read, in the trash or not, of whatever application."""
    with catalog.read() as connection:
        row = connection.execute(
            select(*_COLUMNS)
            .where(backups.c.account_id == account_id, backups.c.state.in_(KEPT_STATES))
            .order_by(backups.c.created_at.desc(), backups.c.id.desc())
            .limit(1)
        ).first()
    return backup_of(row) if row else None


def latest_successful(catalog: Catalog, app_id: str) -> Backup | None:
    """The newest successful backup that was taken of an application's folder (an imported one says nothing of it)."""
    with catalog.read() as connection:
        row = connection.execute(
            select(*_COLUMNS)
            .where(
                backups.c.app_id == app_id,
                backups.c.state == State.SUCCESSFUL,
                backups.c.origin != IMPORTED,
            )
            .order_by(backups.c.created_at.desc(), backups.c.id.desc())
            .limit(1)
        ).first()
    return backup_of(row) if row else None


def start_backup(catalog: Catalog, backup_id: str, node: str, now_ns: int, *conditions: ColumnElement[bool]) -> bool:
    """queued -> running. Return False when it was not queued (any more), or one of `conditions` does not hold."""
    with catalog.write() as connection:
        hold_app_of(connection, backup_id)
        done = connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state == State.QUEUED, *conditions)
            .values(state=State.RUNNING, node=node)
        )
        if done.rowcount == 1:
            enter_backup_event(connection, EventKind.BACKUP_STARTED, backup_id, now_ns)
        return done.rowcount == 1


def enter_backup_event(connection: Connection, kind: EventKind, backup_id: str, now_ns: int, **data: Any) -> None:
    """Record an event of a backup, with the data that identifies it."""
    columns = (backups.c.account_id, backups.c.app_id, backups.c.name, backups.c.origin, backups.c.is_operators)
    row = connection.execute(select(*columns).where(backups.c.id == backup_id)).one()
    account_id, app_id, name, origin, is_operators = row
    about = {"name": name, "origin": origin, **({"is_operators": True} if is_operators else {}), **data}
    enter_event(connection, kind, account_id, now_ns, app_id=app_id, backup_id=backup_id, **about)


def record_progress(catalog: Catalog, backup_id: str, progress: Progress) -> None:
    """Record the progress of a running backup, without waiting for the disk."""
    with catalog.write(durable=False) as connection:
        connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state == State.RUNNING)
            .values(progress=msgspec.json.encode(progress).decode())
        )


def next_commit_seq(catalog: Catalog, account_id: str) -> int:
    """Return the next number in the order of an account's backups."""
    with catalog.write() as connection:
        connection.execute(
            accounts.update().where(accounts.c.id == account_id).values(commit_seq=accounts.c.commit_seq + 1)
        )
        return int(connection.execute(select(accounts.c.commit_seq).where(accounts.c.id == account_id)).scalar_one())


def finish_backup(
    catalog: Catalog,
    backup_id: str,
    epoch: int,
    warnings: Sequence[Warned],
    *,
    finished_at: int,
    overdue_at: Callable[[App], int | None] = lambda app: None,
    is_shrunk: IsShrunk = lambda before, now: False,
    **values: Any,
) -> bool:
    """running -> successful, with its results. Return False when it was not running (any more).

    `overdue_at`: when the application is overdue after this backup; neither it nor `is_shrunk` is asked for an imported
    one, which says nothing of its folder. Raises SessionFenced, with nothing changed, when the vault's epoch is not
    `epoch`.
    """
    with catalog.write() as connection:
        # The application's row before the account's, in the order of every backup that is recorded.
        held_app = _app_held(connection, backup_id)
        now = _epoch_held(connection, backup_id)
        if held_app is None or now is None:
            return False
        app, is_imported = held_app
        if now != epoch:
            raise SessionFenced("The vault was pruned while this backup was running; it starts again.")
        done = connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state == State.RUNNING)
            .values(
                state=State.SUCCESSFUL,
                progress=None,
                warnings=msgspec.json.encode(list(warnings)).decode(),
                finished_at=finished_at,
                **values,
            )
        )
        if done.rowcount != 1:
            return False
        if not is_imported:
            # A good backup ends what was overdue, and says until when the next one is awaited.
            times = {"overdue_at": overdue_at(app), "overdue_since": None}
            connection.execute(apps.update().where(apps.c.id == app.id).values(times))
        _count_commit(connection, backup_id)
        first_prove(connection, backup_id, finished_at)
        enter_backup_event(
            connection,
            EventKind.BACKUP_FINISHED,
            backup_id,
            finished_at,
            size=values.get("zip_bytes", 0),
            stored_size=values.get("stored_bytes", 0),
            files=values.get("files", 0),
            warnings=len(warnings),
        )
        if not is_imported:
            _enter_shrunk(connection, app, backup_id, finished_at, is_shrunk, values)
        good = {} if is_imported else {"good": 1, "content_bytes": values.get("content_bytes", 0)}
        count(connection, catalog.zone, app.id, finished_at, added_bytes=values.get("stored_bytes", 0), **good)
        return True


def _count_commit(connection: Connection, backup_id: str) -> None:
    """Make a prune that did not know of this backup notice it (`ledger.condemn`)."""
    account = select(backups.c.account_id).where(backups.c.id == backup_id).scalar_subquery()
    connection.execute(
        accounts.update().where(accounts.c.id == account).values(vault_commits=accounts.c.vault_commits + 1)
    )


def _enter_shrunk(
    connection: Connection, app: App, backup_id: str, at: int, is_shrunk: IsShrunk, values: dict[str, Any]
) -> None:
    """Record and report that the application has shrunk with this backup, if it has."""
    now = Size(values.get("files", 0), values.get("content_bytes", 0))
    shrunk = enter_shrunk(connection, app, backup_id, at, values.get("commit_seq") or 0, now, is_shrunk)
    if shrunk is not None:
        sizes = {"size": shrunk.bytes, "files_before": shrunk.files_before, "size_before": shrunk.bytes_before}
        enter_backup_event(connection, EventKind.BACKUP_SHRUNK, backup_id, at, files=shrunk.files, **sizes)


def _epoch_held(connection: Connection, backup_id: str) -> int | None:
    """Return the epoch of a backup's vault, and lock its account's row; None when the backup is gone."""
    epoch: int | None = connection.execute(
        select(accounts.c.vault_epoch)
        .join(backups, backups.c.account_id == accounts.c.id)
        .where(backups.c.id == backup_id)
        .with_for_update(key_share=True)
    ).scalar()
    return epoch


def _app_held(connection: Connection, backup_id: str) -> tuple[App, bool] | None:
    """Hold and return a backup's application; with it True for an import, which says nothing about its folder."""
    row = connection.execute(
        select(*APP_COLUMNS, backups.c.origin == IMPORTED)
        .join(backups, backups.c.app_id == apps.c.id)
        .where(backups.c.id == backup_id)
        .with_for_update(of=apps, key_share=True)
    ).first()
    return (app_of(row[:-1]), row[-1]) if row else None


def fail_backup(
    catalog: Catalog,
    backup_id: str,
    code: str,
    message: str,
    now_ns: int,
    *,
    log: str | None = None,
    warnings: Sequence[Warned] = (),
    detail: str | None = None,
    is_customers: bool = False,
) -> bool:
    """queued or running -> failed, with a reason. Return False when it was neither.

    `message`: for the customer; `detail`: for the operator, where it says more. `is_customers`: the customer brought it
    about, and the operator is not told.
    """
    with catalog.write() as connection:
        app_id = hold_app_of(connection, backup_id)
        done = connection.execute(
            backups.update()
            .where(backups.c.id == backup_id, backups.c.state.in_([State.QUEUED, State.RUNNING]))
            .values(
                state=State.FAILED,
                error_code=code,
                error_message=message,
                error_detail=detail or message,
                finished_at=now_ns,
                progress=None,
                warnings=msgspec.json.encode(list(warnings)).decode(),
                log=log,
                is_customers_failure=is_customers,
            )
        )
        if app_id is None or done.rowcount != 1:
            return False
        why = {"code": code, "message": message, "detail": detail or message}
        enter_backup_event(connection, EventKind.BACKUP_FAILED, backup_id, now_ns, is_customers=is_customers, **why)
        count(connection, catalog.zone, app_id, now_ns, **{"cancelled" if code == CANCELLED else "failed": 1})
        return True


def log_of(catalog: Catalog, backup_id: str) -> str | None:
    """Return a backup's log as it was entered with its end; None when there is none (yet)."""
    with catalog.read() as connection:
        found: str | None = connection.execute(select(backups.c.log).where(backups.c.id == backup_id)).scalar()
        return found


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
