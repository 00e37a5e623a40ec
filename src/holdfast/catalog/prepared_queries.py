"""The queries behind most requests, compiled once and run on the driver's own connection.

SQLAlchemy builds and describes the statement; leaving it out of each call saves nine tenths of its time.
"""

from __future__ import annotations

import threading
import weakref
from itertools import count
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, func, select, text
from sqlalchemy.pool import PoolProxiedConnection

from holdfast.catalog.accounts.rows import ACCOUNT_COLUMNS, account_of
from holdfast.catalog.database.access_tables import keys, members, passkeys, people, second_factors, sessions
from holdfast.catalog.database.engine import Catalog, errors_as_sentences
from holdfast.catalog.database.tables import accounts, apps, backups
from holdfast.catalog.records import Account

ListRow = tuple[str, int, int | None, bytes | None, int, str]
"""name, zip bytes, finished at, digest, created at, state"""

Linked = tuple[str, bytes, bytes]
"""id, digest, the sealed link secret of its account"""


KEPT_MAX = 4096
"""Answers that a thread keeps for as long as nothing is committed."""


class KeyRow(NamedTuple):
    """A key of an account, and the rights of the person who made it; columns as stored, see `access_tables`."""

    id: str
    name: str
    rights: str
    app_ids: str | None
    networks: str | None
    ends_at: int | None
    used_at: int | None
    person_id: str | None
    members_rights: str | None
    members_app_ids: str | None


class SessionRow(NamedTuple):
    """A session on an account, who it is, and the rights of that member; columns as stored, see `access_tables`."""

    id: str
    person_id: str
    rights: str | None
    app_ids: str | None
    created_at: int
    seen_at: int
    ends_at: int
    elevated_until: int | None
    email: str
    language: str | None
    theme: str | None
    time_zone: str | None
    members_rights: str | None
    members_app_ids: str | None
    erase_at: int | None
    """When the account is erased."""


class OperatorSessionRow(NamedTuple):
    """A session of an operator, and who it is."""

    id: str
    person_id: str
    created_at: int
    seen_at: int
    ends_at: int
    elevated_until: int | None
    proof: str | None
    views_account_id: str | None
    views_until: int | None
    email: str
    language: str | None
    theme: str | None
    time_zone: str | None
    factor_of: str | None
    """His id if he has a second factor: an authenticator app or a passkey."""


_ACCOUNT = select(*ACCOUNT_COLUMNS, accounts.c.erase_at).where(accounts.c.id == bindparam("id"))
_OF_PERSON = (people.c.email, people.c.language, people.c.theme, people.c.time_zone)
_Query = tuple[str, tuple[str, ...] | None]


class PreparedQueries:
    """Compiled for one catalog. One driver connection per thread, outside the pool, which keeps its own.

    Each query sees what is committed when it starts. All of them raise CatalogUnreachable, CatalogDamaged.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._driver: Any = catalog.engine.dialect.loaded_dbapi
        self._local = threading.local()
        self._numbers = count()
        self._open: weakref.WeakSet[PoolProxiedConnection] = weakref.WeakSet()
        of_maker = and_(members.c.account_id == keys.c.account_id, members.c.person_id == keys.c.person_id)
        self._key = self._compiled(
            select(
                *ACCOUNT_COLUMNS,
                *(keys.c[name] for name in KeyRow._fields[:-2]),
                members.c.rights.label("members_rights"),
                members.c.app_ids.label("members_app_ids"),
            )
            .select_from(keys.join(accounts, accounts.c.id == keys.c.account_id).outerjoin(members, of_maker))
            .where(keys.c.hash == bindparam("key_hash"))
        )
        of_person = and_(members.c.account_id == sessions.c.account_id, members.c.person_id == sessions.c.person_id)
        self._session = self._compiled(
            select(
                *ACCOUNT_COLUMNS,
                *(sessions.c[name] for name in SessionRow._fields[:-7]),
                *_OF_PERSON,
                members.c.rights.label("members_rights"),
                members.c.app_ids.label("members_app_ids"),
                accounts.c.erase_at,
            )
            .select_from(
                sessions.join(accounts, accounts.c.id == sessions.c.account_id)
                .join(people, people.c.id == sessions.c.person_id)
                .outerjoin(members, of_person)
            )
            .where(sessions.c.token_hash == bindparam("token_hash"))
        )
        self._operator_session = self._of_operator()
        self._account = self._compiled(_ACCOUNT)
        self._owner = self._compiled(select(apps.c.account_id).where(apps.c.id == bindparam("app_id")))
        self._list = self._compiled(
            select(
                backups.c.name,
                backups.c.zip_bytes,
                backups.c.finished_at,
                backups.c.digest,
                backups.c.created_at,
                backups.c.state,
            )
            .where(backups.c.app_id == bindparam("app_id"), backups.c.deleted_at.is_(None))
            .order_by(backups.c.created_at, backups.c.id)
        )
        self._secret = self._compiled(select(accounts.c.link_secret_sealed).where(accounts.c.id == bindparam("id")))
        self._linked = self._compiled(
            select(backups.c.id, backups.c.digest, accounts.c.link_secret_sealed)
            .join(accounts, accounts.c.id == backups.c.account_id)
            .where(
                backups.c.account_id == bindparam("account_id"),
                backups.c.name == bindparam("name"),
                text("backups.state = 'successful'"),
            )
            .order_by(backups.c.zip_layout, backups.c.created_at, backups.c.id)
        )

    def _of_operator(self) -> _Query:
        own = passkeys.c.person_id == sessions.c.person_id
        has_passkey = select(func.min(passkeys.c.person_id)).where(own).scalar_subquery()
        return self._compiled(
            select(
                *(sessions.c[name] for name in OperatorSessionRow._fields[:-5]),
                *_OF_PERSON,
                func.coalesce(second_factors.c.person_id, has_passkey).label("factor_of"),
            )
            .join(people, people.c.id == sessions.c.person_id)
            .outerjoin(second_factors, second_factors.c.person_id == sessions.c.person_id)
            .where(
                sessions.c.token_hash == bindparam("token_hash"),
                text("sessions.account_id IS NULL"),
                people.c.is_operator,
            )
        )

    def _compiled(self, statement: Select[Any]) -> _Query:
        """Return the SQL, and the parameters' names where the driver wants names."""
        compiled = statement.compile(dialect=self._catalog.engine.dialect)
        return str(compiled), None if compiled.positional else tuple(compiled.params)

    def _rows(self, query: _Query, *given: Any) -> list[Any]:
        sql, names = query
        values: Any = given if names is None else dict(zip(names, given, strict=True))
        connection: PoolProxiedConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            try:
                return self._fetched(connection, sql, values)
            except self._driver.Error:
                # A database server that was started anew leaves dead connections: what is really wrong, if anything
                # is, a new one tells below.
                self._local.connection = None
                self._close(connection)
        with errors_as_sentences(self._catalog.engine, self._catalog.where):
            connection = self._connect()
            try:
                rows = self._fetched(connection, sql, values)
            except BaseException:
                self._close(connection)
                raise
        self._local.connection = connection
        self._local.number = next(self._numbers)
        return rows

    def _fetched(self, connection: PoolProxiedConnection, sql: str, values: Any) -> list[Any]:
        driver: Any = connection.dbapi_connection
        rows: list[Any] = driver.execute(sql, values).fetchall()
        return rows

    def _connect(self) -> PoolProxiedConnection:
        connection = self._catalog.engine.raw_connection()
        connection.detach()
        driver: Any = connection.dbapi_connection
        weakref.finalize(connection, driver.close).atexit = False  # when its thread ends; nothing else would close it
        if self._catalog.engine.dialect.name == "postgresql":
            driver.autocommit = True  # as SQLite's: no transaction stays open behind a query
        self._open.add(connection)
        return connection

    def _close(self, connection: PoolProxiedConnection) -> None:
        self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close the connections of all threads; none of them may be in use."""
        for connection in list(self._open):
            self._close(connection)
        self._local = threading.local()

    def key_by_hash(self, key_hash: bytes) -> tuple[Account, KeyRow] | None:
        """Return the key that has this SHA-256, and its account."""
        kept = self._kept()
        found: tuple[Account, KeyRow] | None = kept.get(key_hash)
        if found is None:
            rows = self._rows(self._key, key_hash)
            if not rows:
                return None
            columns = len(ACCOUNT_COLUMNS)
            found = kept[key_hash] = account_of(rows[0][:columns]), KeyRow(*rows[0][columns:])
        return found

    def session_by_hash(self, token_hash: bytes) -> tuple[Account, SessionRow] | None:
        """Return the session whose token has this SHA-256, and its account."""
        rows = self._rows(self._session, token_hash)
        if not rows:
            return None
        columns = len(ACCOUNT_COLUMNS)
        return account_of(rows[0][:columns]), SessionRow(*rows[0][columns:])

    def operator_session_by_hash(self, token_hash: bytes) -> OperatorSessionRow | None:
        """Return the session of an operator whose token has this SHA-256."""
        rows = self._rows(self._operator_session, token_hash)
        return OperatorSessionRow(*rows[0]) if rows else None

    def account_with_end(self, account_id: str) -> tuple[Account, int | None] | None:
        """Return an account, and when it is erased."""
        rows = self._rows(self._account, account_id)
        return (account_of(rows[0][:-1]), rows[0][-1]) if rows else None

    def app_owner(self, app_id: str) -> str | None:
        """Return the id of the account that an application belongs to."""
        kept = self._kept()
        owner: str | None = kept.get(app_id)
        if owner is None:
            rows = self._rows(self._owner, app_id)
            owner = rows[0][0] if rows else None
            if owner is not None:
                kept[app_id] = owner
        return owner

    def _kept(self) -> dict[Any, Any]:
        """Return this thread's answers by what they are found by; empty as soon as anything was committed."""
        version = self.version()
        kept: dict[Any, Any] | None = getattr(self._local, "kept", None)
        if kept is None or version is None or self._local.kept_version != version or len(kept) >= KEPT_MAX:
            kept = self._local.kept = {}
            self._local.kept_version = version
        return kept

    def link_secret(self, account_id: str) -> bytes | None:
        """Return the sealed link secret of an account."""
        rows = self._rows(self._secret, account_id)
        return rows[0][0] if rows else None

    def linked(self, account_id: str, name: str) -> list[Linked]:
        """Return what links of an account's successful backups with this name are made of, whatever the application.

        The ones of the oldest layout first.
        """
        return self._rows(self._linked, account_id, name)

    def version(self) -> tuple[int, int] | None:
        """Return a value that changes with every commit; for one thread. None if the database has none.

        SQLite's `data_version`: it tells of the commits of all other connections, and these here never write. The
        numbers of two connections say nothing of each other, so each connection of ours has its own number too.
        """
        if self._catalog.engine.dialect.name != "sqlite":
            return None
        rows = self._rows(("PRAGMA data_version", None))
        return self._local.number, int(rows[0][0])

    def list_rows(self, app_id: str) -> list[ListRow]:
        """Return all backups of an application, oldest first, as far as the list shows them."""
        return self._rows(self._list, app_id)
