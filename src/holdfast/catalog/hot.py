"""The two queries that most requests come down to, compiled once and run on the driver's own connection.

SQLAlchemy builds and describes the statement; leaving it out of each call saves nine tenths of its time.
"""

from __future__ import annotations

import threading
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.pool import PoolProxiedConnection

from holdfast.catalog.accounts import ACCOUNT_COLUMNS, account_of
from holdfast.catalog.engine import Catalog
from holdfast.catalog.records import Account
from holdfast.catalog.tables import accounts, apps, backups

ListRow = tuple[str, int, int | None, str, int, str]
"""name, zip bytes, finished at, link key, created at, state"""


class HotQueries:
    """Compiled for one catalog. One driver connection per thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._local = threading.local()
        self._account = self._compiled(select(*ACCOUNT_COLUMNS).where(accounts.c.api_key_hash == bindparam("key_hash")))
        self._owner = self._compiled(select(apps.c.account_id).where(apps.c.id == bindparam("app_id")))
        self._list = self._compiled(
            select(
                backups.c.name,
                backups.c.zip_bytes,
                backups.c.finished_at,
                backups.c.link_key,
                backups.c.created_at,
                backups.c.state,
            )
            .where(backups.c.app_id == bindparam("app_id"))
            .order_by(backups.c.created_at, backups.c.id)
        )

    def _compiled(self, statement: Select[Any]) -> tuple[str, str | None]:
        """The SQL, and the parameter's name where the driver wants names."""
        compiled = statement.compile(dialect=self._catalog.engine.dialect)
        return str(compiled), None if compiled.positional else next(iter(compiled.params))

    def _rows(self, query: tuple[str, str | None], value: Any) -> list[Any]:
        connection: PoolProxiedConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._catalog.engine.raw_connection()
        sql, name = query
        driver: Any = connection.driver_connection
        rows: list[Any] = driver.execute(sql, (value,) if name is None else {name: value}).fetchall()
        if driver.__class__.__module__.startswith("psycopg"):
            driver.rollback()  # ends the read transaction that psycopg began by itself
        return rows

    def account_by_key(self, key_hash: bytes) -> Account | None:
        """The account whose API key has this SHA-256."""
        rows = self._rows(self._account, key_hash)
        return account_of(rows[0]) if rows else None

    def app_owner(self, app_id: str) -> str | None:
        """The id of the account that an application belongs to."""
        rows = self._rows(self._owner, app_id)
        return rows[0][0] if rows else None

    def list_rows(self, app_id: str) -> list[ListRow]:
        """All backups of an application, oldest first, as far as the list shows them."""
        return self._rows(self._list, app_id)
