"""Opening a catalog: SQLite by default, PostgreSQL by URL. The one place that knows their differences."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from holdfast.catalog.tables import SCHEMA_VERSION, facts, metadata

BUSY_SECONDS = 30


class CatalogError(Exception):
    """The catalog cannot be used; the message is one sentence for a person."""


class CatalogNewer(CatalogError):
    """A newer Holdfast wrote it; it was not touched."""


class CatalogUnreachable(CatalogError):
    """It cannot be reached now; it may work again later."""


class Catalog:
    """The database of one instance. Safe to use from several threads."""

    def __init__(self, engine: Engine, where: str) -> None:
        self.engine = engine
        self.where = where

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, in one consistent view. Raises CatalogUnreachable."""
        with self._guarded(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is durable when the block ends, and undone when it raises. Raises CatalogUnreachable."""
        with self._guarded(), self.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # IMMEDIATE: a transaction that first reads and then writes must not find out at the write that
                # another one came between.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            raise CatalogUnreachable(f"The catalog {self.where} cannot be used now ({error.orig}).") from error

    def fact(self, name: str) -> str | None:
        """What the instance remembers under a name."""
        with self.read() as connection:
            value: str | None = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
            return value

    def set_fact(self, name: str, value: str) -> None:
        """Remember something; replaces."""
        with self.write() as connection:
            connection.execute(facts.delete().where(facts.c.name == name))
            connection.execute(facts.insert().values(name=name, value=value))

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()


def sqlite_url(path: Path) -> str:
    """The URL of a catalog in a file."""
    return f"sqlite+pysqlite:///{path}"


def open_catalog(url: str, *, create: bool = False) -> Catalog:
    """Open a catalog and bring its schema up to date.

    Raises CatalogNewer (untouched), CatalogUnreachable, CatalogError (no catalog there and not `create`).
    """
    engine = _engine(url)
    where = engine.url.render_as_string(hide_password=True)
    if engine.url.database and engine.dialect.name == "sqlite":
        where = engine.url.database
        if not create and not Path(where).exists():
            raise CatalogError(f"The catalog {where} is missing; restore it, or make a new instance elsewhere.")
    try:
        with engine.connect() as connection:
            version = _version(connection)
    except DBAPIError as error:
        raise CatalogUnreachable(f"The catalog {where} cannot be opened ({error.orig}).") from error
    if version is None:
        if not create:
            raise CatalogError(f"{where} is no catalog of Holdfast.")
        with engine.begin() as connection:
            metadata.create_all(connection)
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": SCHEMA_VERSION})
    elif version > SCHEMA_VERSION:
        raise CatalogNewer(f"The catalog {where} was written by a newer Holdfast; use that version or later.")
    elif version < SCHEMA_VERSION:
        from holdfast.catalog.migrations import upgrade  # Alembic: a second to import, seldom needed

        upgrade(engine)
    return Catalog(engine, where)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _engine(url: str) -> Engine:
    if not url.startswith("sqlite"):
        return create_engine(url, pool_pre_ping=True)
    # The pool's own reset and autocommit handling are the driver's affair: transactions are begun by hand above.
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
