"""Accounts under the host's own ids, as rows."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, or_, select

from holdfast.catalog.accounts.apps import COLUMNS as APP_COLUMNS
from holdfast.catalog.accounts.apps import app_of
from holdfast.catalog.accounts.rows import ACCOUNT_COLUMNS, account_of
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, apps
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.host.records import HostAccount
from holdfast.catalog.records import App

_COLUMNS = (*ACCOUNT_COLUMNS, accounts.c.updated_at, accounts.c.erase_at)
_NOT_ERASED = accounts.c.data_key_sealed != b""


def host_account_of(row: Row[Any]) -> HostAccount:
    """Make a record from a row."""
    values = tuple(row)
    return HostAccount(account_of(values[:-2]), *values[-2:])


def accounts_by_external(connection: Connection, external_ids: Collection[str]) -> dict[str, HostAccount]:
    """Return the accounts with these external ids, by them."""
    query = select(*_COLUMNS).where(accounts.c.external_id.in_(external_ids))
    found = map(host_account_of, connection.execute(query).all())
    return {one.account.external_id or "": one for one in found}


def owners_of_emails(connection: Connection, emails: Collection[str]) -> dict[str, str]:
    """Return the ids of the accounts with these addresses, by address."""
    rows = connection.execute(select(accounts.c.email, accounts.c.id).where(accounts.c.email.in_(emails)))
    return {row.email: row.id for row in rows}


def account_by_external(catalog: Catalog, external_id: str) -> HostAccount | None:
    """Return the account with an external id."""
    with catalog.read() as connection:
        return accounts_by_external(connection, [external_id]).get(external_id)


def host_accounts(
    catalog: Catalog,
    after_id: str,
    limit: int,
    updated_after: int | None,
    applications: ColumnElement[bool] | None = None,
) -> list[HostAccount]:
    """Return accounts with ids above `after_id`, in the order of their ids. `updated_after`: nanoseconds.

    `applications`: only accounts that have one that meets this condition, or none at all.
    """
    query = select(*_COLUMNS).where(accounts.c.id > after_id, _NOT_ERASED).order_by(accounts.c.id).limit(limit)
    if updated_after is not None:
        query = query.where(accounts.c.updated_at > updated_after)
    if applications is not None:
        own = select(apps.c.id).where(apps.c.account_id == accounts.c.id, apps.c.ended_at.is_(None))
        query = query.where(or_(own.where(applications).exists(), ~own.exists()))
    with catalog.read() as connection:
        return [host_account_of(row) for row in connection.execute(query).all()]


def app_id_of_account(catalog: Catalog, account_id: str, external_id: str) -> str | None:
    """Return the id of the application of an account that has an external id."""
    query = select(apps.c.id).where(apps.c.account_id == account_id, apps.c.external_id == external_id)
    with catalog.read() as connection:
        return connection.execute(query).scalar()


def running_apps_of(catalog: Catalog, account_ids: Collection[str]) -> list[App]:
    """Return the applications of accounts that have not ended."""
    query = select(*APP_COLUMNS).where(apps.c.account_id.in_(account_ids), apps.c.ended_at.is_(None))
    with catalog.read() as connection:
        return [app_of(row) for row in connection.execute(query).all()]


def active_accounts(catalog: Catalog, after: str, limit: int) -> list[tuple[str, str]]:
    """Return (external id, id) of the host's accounts that have not ended, above an external id, in their order."""
    query = (
        select(accounts.c.external_id, accounts.c.id)
        .where(accounts.c.external_id > after, accounts.c.ended_at.is_(None), _NOT_ERASED)
        .order_by(accounts.c.external_id)
        .limit(limit)
    )
    with catalog.read() as connection:
        return [(row[0], row[1]) for row in connection.execute(query)]


def end_account(catalog: Catalog, account_id: str, ended_at: int, erase_at: int | None, change: Change) -> bool:
    """End an account, and say when it is erased; return False when nothing changed. `change`: for the audit."""
    with catalog.write() as connection:
        columns = select(accounts.c.ended_at, accounts.c.erase_at).where(accounts.c.id == account_id)
        row = connection.execute(columns.with_for_update(key_share=True)).first()
        if row is None:
            return False
        values = {"ended_at": row.ended_at or ended_at, "erase_at": row.erase_at if erase_at is None else erase_at}
        if tuple(row) == tuple(values.values()):
            return False
        query = accounts.update().where(accounts.c.id == account_id)
        connection.execute(query.values(**values, updated_at=ended_at))
        enter_audit(connection, change, ended_at)
        return True


def accounts_to_erase(catalog: Catalog, now_ns: int) -> list[str]:
    """Return the ids of the accounts whose time to be erased has come."""
    query = select(accounts.c.id).where(accounts.c.erase_at <= now_ns)
    with catalog.read() as connection:
        return [row[0] for row in connection.execute(query.order_by(accounts.c.erase_at))]
