"""A backup that is taken: started, under way, finished or failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from holdfast.catalog.accounts.apps import COLUMNS as APP_COLUMNS
from holdfast.catalog.accounts.apps import app_of
from holdfast.catalog.backups.audited import enter_backup_event
from holdfast.catalog.backups.proofs import first_prove
from holdfast.catalog.backups.shrunk import IsShrunk, Size, enter_shrunk
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_app_of
from holdfast.catalog.database.tables import accounts, apps, backups
from holdfast.catalog.events.days import count
from holdfast.catalog.records import CANCELLED, IMPORTED, App, EventKind, State, Warned
from holdfast.vault.control import Progress
from holdfast.vault.errors import SessionFenced


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
