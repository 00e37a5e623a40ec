"""Opening a catalog: SQLite by default, PostgreSQL by URL. The one place that knows their differences.

It must never change a catalog that a newer Holdfast wrote, or leave one half made or half upgraded.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, text
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from holdfast.catalog.database import access_tables as access_tables  # its tables are part of the metadata
from holdfast.catalog.database import identity_tables as identity_tables
from holdfast.catalog.database.copy_before import KEYS_STORED_BELOW, CopyFailed, copy_before
from holdfast.catalog.database.disk import READ_ONLY, disk_name, fault_of
from holdfast.catalog.database.read_only import open_read_only
from holdfast.catalog.database.tables import SCHEMA_VERSION, facts, metadata

BUSY_SECONDS = 30
CONNECTIONS_KEPT = 5
CONNECTIONS_MAX = 64
"""At most this many connections; more than the threads of one process that use the catalog at once."""

CACHE_KIB = 4000
"""Of each connection to SQLite: the inner pages of each index of a million backups. A process keeps five connections,
and work that goes on fills all that it is given; the system keeps the file's other pages for all of them."""

MEND = (
    "stop the server and run `holdfast rebuild`, which moves it aside and makes it anew from the store, or restore a "
    "good copy of it"
)
"""The way out of a damaged catalog."""

_SCHEMA_LOCK = 0x686F6C64  # "hold": one change of the schema at a time on PostgreSQL


class CatalogError(Exception):
    """The catalog cannot be used; the message is one sentence for a person."""


class CatalogNewer(CatalogError):
    """A newer Holdfast wrote it; it was not touched."""


class CatalogUnreachable(CatalogError):
    """It cannot be reached now; it may work again later."""


class CatalogDamaged(CatalogError):
    """The database reports damage in itself."""


class Catalog:
    """The database of one instance. Safe to use from several threads."""

    def __init__(
        self,
        engine: Engine,
        where: str,
        read_only_because: str = "",
        copied_to: Path | None = None,
        *,
        zone: tzinfo = UTC,
    ) -> None:
        self.engine = engine
        self.where = where
        self.zone = zone
        """The instance's time zone, by which days are counted."""
        self.read_only_because = read_only_because
        """A sentence, when the disk takes no writing and the catalog was opened for reading; else empty."""
        self._copied_to = copied_to
        self._is_sqlite = engine.dialect.name == "sqlite"

    @property
    def is_sqlite(self) -> bool:
        """True if it is a file, `where`."""
        return self._is_sqlite

    @property
    def commits_in_order(self) -> bool:
        """True if one writes at a time, so that a lower number of an event never comes after a higher one."""
        return self._is_sqlite

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading, in one consistent view. Raises CatalogUnreachable, CatalogDamaged."""
        with errors_as_sentences(self.engine, self.where), self.engine.connect() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """A transaction that is durable when the block ends, and undone when it raises.

        Whoever holds an application's row and its account's takes the application's first, and both with
        `with_for_update(key_share=True)`: in PostgreSQL every row that refers to another takes a shared lock on it, and
        two transactions that hold one each and both want the exclusive lock would deadlock.

        `durable=False`: it may be lost in a power cut (whole, and only until the next durable one), and costs no wait
        for the disk. Raises CatalogUnreachable, CatalogDamaged.
        """
        with errors_as_sentences(self.engine, self.where), self.engine.connect() as connection:
            if not self._is_sqlite:
                if not durable:
                    connection.exec_driver_sql("SET LOCAL synchronous_commit TO off")
                yield connection
                connection.commit()
                return
            if not durable:
                connection.exec_driver_sql("PRAGMA synchronous=NORMAL")
            try:
                # IMMEDIATE: a transaction that first reads and then writes must not find out at the write that
                # another one came between.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
                connection.commit()
            finally:
                if not durable:
                    connection.rollback()
                    connection.exec_driver_sql("PRAGMA synchronous=FULL")

    def fact(self, name: str) -> str | None:
        """Return the value that the instance stores under a name."""
        with self.read() as connection:
            value: str | None = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
            return value

    def set_fact(self, name: str, value: str) -> None:
        """Store a value under a name, replacing the old one."""
        with self.write() as connection:
            connection.execute(facts.delete().where(facts.c.name == name))
            connection.execute(facts.insert().values(name=name, value=value))

    def set_fact_once(self, name: str, value: str) -> str:
        """Store a value under a name unless there is one; return the one that holds."""
        try:
            with self.write() as connection:
                known: str | None = connection.execute(select(facts.c.value).where(facts.c.name == name)).scalar()
                if known is not None:
                    return known
                connection.execute(facts.insert().values(name=name, value=value))
                return value
        except IntegrityError:
            return self.fact(name) or value  # of two that store the first one is second

    def close(self) -> None:
        """Release all connections."""
        self.engine.dispose()
        if self._copied_to is not None:
            shutil.rmtree(self._copied_to, ignore_errors=True)


@contextmanager
def errors_as_sentences(engine: Engine, where: str) -> Iterator[None]:
    """Turn the driver's errors about an unusable catalog into CatalogError.

    Violated constraints and faults of ours (wrong SQL) go through as they are.
    """
    driver: Any = engine.dialect.loaded_dbapi
    try:
        yield
    except PoolTimeout as error:
        raise CatalogUnreachable(f"The catalog {where} is too busy at the moment; try again.") from error
    except (DBAPIError, driver.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        why = (str(cause).strip().splitlines() or ["no reason given"])[0].rstrip(".")
        if isinstance(cause, driver.OperationalError | driver.InterfaceError):
            raise CatalogUnreachable(_advice(where, why)) from error
        if type(cause) is driver.DatabaseError:
            raise CatalogDamaged(f"The catalog {where} is damaged ({why}); {MEND}.") from error
        raise


def _advice(where: str, why: str) -> str:
    """Return the sentence about a catalog that cannot be used: what is wrong, in the driver's words, and what to do."""
    fault = fault_of(Path(where).parent) if Path(where).is_absolute() else ""
    disk = disk_name(Path(where).parent) if fault else ""
    if fault == "full":
        return (
            f"The catalog {where} cannot be changed: {disk}, is full. Free some space there; `holdfast prune "
            "--emergency` gives up a reserve and removes what no backup needs."
        )
    if fault:
        return f"The catalog {where} can only be read: {disk}, is {fault}. Mount it for writing, and try again."
    if "disk is full" in why:
        return f"The disk that holds the catalog {where} is full; free some space there and try again."
    if "readonly" in why:
        return f"The catalog {where} can only be read; check the permissions of its file and the mount of its disk."
    if "disk I/O" in why:
        return f"The disk that holds the catalog {where} is full or reported an error ({why}); check it and try again."
    return f"The catalog {where} cannot be used now ({why}); check its database and try again."


def sqlite_url(path: Path) -> str:
    """Return the URL of a catalog in a file."""
    return URL.create("sqlite+pysqlite", database=str(path)).render_as_string()


def open_catalog(
    url: str, *, create: bool = False, may_only_read: Callable[[], bool] = lambda: False, zone: tzinfo = UTC
) -> Catalog:
    """Open a catalog and bring its schema up to date. `zone`: the instance's time zone, by which days are counted.

    `may_only_read`: asked when it cannot be written, as its disk is full or mounted read-only: True if it may be opened
    for reading instead, as nobody else has it open.

    Raises CatalogNewer (untouched), CatalogUnreachable, CatalogError (no catalog there and not `create`).
    """
    engine = _engine(url)
    where = engine.url.render_as_string(hide_password=True)
    if engine.dialect.name == "sqlite":
        where = engine.url.database or "in memory"
        if not create and not Path(where).exists():
            raise CatalogError(
                f"The catalog {where} is missing; run `holdfast rebuild`, which makes it anew from the store."
            )
    try:
        with errors_as_sentences(engine, where):
            _prepare(engine, where, create, zone)
    except CatalogUnreachable as error:
        engine.dispose()
        if engine.dialect.name != "sqlite" or not fault_of(Path(where).parent) or not may_only_read():
            raise
        return _opened_read_only(where, error, zone)
    except BaseException:
        engine.dispose()
        raise
    because = ""
    if engine.dialect.name == "sqlite" and fault_of(Path(where).parent) == READ_ONLY:
        because = _advice(where, "readonly")  # what a process left beside it lets it be read
    return Catalog(engine, where, because, zone=zone)


def _opened_read_only(where: str, refused: CatalogUnreachable, zone: tzinfo) -> Catalog:
    """Open a catalog whose disk refused to have it written."""
    try:
        engine, copied_to = open_read_only(Path(where), BUSY_SECONDS, CONNECTIONS_MAX)
    except OSError:  # no room for a copy anywhere
        raise refused from None
    catalog = Catalog(engine, where, str(refused), copied_to, zone=zone)
    try:
        with errors_as_sentences(engine, where), engine.connect() as connection:
            version = _version(connection)
        if version != SCHEMA_VERSION:
            raise refused
    except BaseException:
        catalog.close()
        raise
    return catalog


def _prepare(engine: Engine, where: str, create: bool, zone: tzinfo) -> None:
    with engine.connect() as connection:
        version = _version(connection)
    if version is None and not create:
        raise CatalogError(f"{where} is not a catalog of Holdfast; if it was emptied, run `holdfast rebuild`.")
    if version is not None and version > SCHEMA_VERSION:
        raise CatalogNewer(f"The catalog {where} was written by a newer Holdfast; use that version or later.")
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # stays in the file
    if version != SCHEMA_VERSION:
        _change_schema(engine, zone)
    if version is not None and version < KEYS_STORED_BELOW:
        _leave_no_trace(engine)


def _change_schema(engine: Engine, zone: tzinfo) -> None:
    """Make the tables or bring them up to date, in one transaction; one process at a time, the others find it done.

    What is upgraded is copied before. Raises CatalogError, with nothing changed, without room for that copy.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            # A migration that makes a table anew drops the old one: that must not count as dropping its rows. Nothing
            # of this connection gets back to the pool with the setting (`detach`).
            connection.detach()
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
        version = _version(connection)
        if version is None:
            _make_tables(connection)
            connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
            connection.execute(text("INSERT INTO alembic_version VALUES (:v)"), {"v": SCHEMA_VERSION})
        elif version < SCHEMA_VERSION:
            from holdfast.catalog.database.migrations import upgrade  # Alembic: a second to import, seldom needed

            try:
                copy_before(connection, version)
            except CopyFailed as error:
                raise CatalogError(str(error)) from error
            upgrade(connection, zone=zone)
        connection.commit()


def _make_tables(connection: Connection) -> None:
    """Make all tables of a new catalog, with their indexes; partial ones by the condition in their `info`."""
    dialect = connection.dialect.name
    for table in metadata.tables.values():
        for index in table.indexes:
            if "where" in index.info:
                index.dialect_options[dialect]["where"] = index.info["where"]
    metadata.create_all(connection)


def _leave_no_trace(engine: Engine) -> None:
    """Rewrite an SQLite catalog so that its pages keep nothing of rows that were changed or deleted.

    When something prevents it now (no room on the disk, another process reading), only the rewriting is skipped.
    """
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection, suppress(OperationalError):
        connection.detach()
        connection.exec_driver_sql("VACUUM")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def parsed_url(url: str) -> URL:
    """Return a URL with the driver that we use, for whichever scheme PostgreSQL has in it. Raises ArgumentError."""
    parsed = make_url(url)
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def _engine(url: str) -> Engine:
    try:
        parsed = parsed_url(url)
        if parsed.drivername not in ("postgresql+psycopg", "sqlite+pysqlite"):
            raise ArgumentError(f"no driver {parsed.drivername}")
        if parsed.drivername == "postgresql+psycopg":
            return create_engine(
                parsed,
                pool_pre_ping=True,
                pool_size=CONNECTIONS_KEPT,
                max_overflow=CONNECTIONS_MAX - CONNECTIONS_KEPT,
                pool_timeout=BUSY_SECONDS,
            )
        engine = create_engine(
            parsed,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            pool_use_lifo=True,  # each has a cache of pages: work that goes on fills one of them, and not all
            pool_size=CONNECTIONS_KEPT,
            max_overflow=CONNECTIONS_MAX - CONNECTIONS_KEPT,
            pool_timeout=BUSY_SECONDS,
        )
    except (SQLAlchemyError, ValueError) as error:
        # The URL is not repeated: it may hold a password.
        raise CatalogError("The catalog's URL must be like postgresql://user:password@host/database.") from error

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None  # transactions are begun by hand above
        for pragma in ("synchronous=FULL", "foreign_keys=ON", f"cache_size=-{CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")

    return engine
