"""Rows held until a transaction ends, so that of two who change the same thing the second sees what the first did.

On PostgreSQL by a lock of the row; SQLite has one writer at a time anyway. The order is in `Catalog.write`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, select

from holdfast.catalog.database.tables import accounts, apps, backups


class AppEnded(Exception):
    """The host has ended the application."""


def hold_account(connection: Connection, account_id: str | None) -> None:
    """Hold an account's row; without an account nothing."""
    connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True))


def hold_accounts(connection: Connection, account_ids: Collection[str]) -> None:
    """Hold accounts' rows, in the order of their ids, so that two who hold many do not wait for each other."""
    if account_ids and connection.dialect.name != "sqlite":  # which has one writer at a time
        query = select(accounts.c.id).where(accounts.c.id.in_(account_ids)).order_by(accounts.c.id)
        connection.execute(query.with_for_update(key_share=True)).all()


def hold_app(connection: Connection, app_id: str) -> None:
    """Hold an application's row."""
    connection.execute(select(apps.c.id).where(apps.c.id == app_id).with_for_update(key_share=True))


def hold_apps(connection: Connection, app_ids: Iterable[str]) -> None:
    """Hold the rows of applications, in one order."""
    for app_id in sorted(app_ids):
        hold_app(connection, app_id)


def hold_app_of(connection: Connection, backup_id: str) -> str | None:
    """Hold the row of a backup's application; return its id, None for a backup that is gone."""
    query = select(apps.c.id).join(backups, backups.c.app_id == apps.c.id).where(backups.c.id == backup_id)
    app_id: str | None = connection.execute(query.with_for_update(of=apps, key_share=True)).scalar()
    return app_id


def hold_running_app(connection: Connection, app_id: str) -> None:
    """Hold an application's row. Raises AppEnded."""
    query = select(apps.c.ended_at).where(apps.c.id == app_id).with_for_update(key_share=True)
    if connection.execute(query).scalar() is not None:
        raise AppEnded
