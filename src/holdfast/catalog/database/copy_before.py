"""The copy of a catalog as it was before an upgrade of its schema, for whoever has to go back to the older version.

On SQLite it is a file beside the catalog, `catalog.sqlite.of-<version>`, with mode 0600; on PostgreSQL a schema
`holdfast_of_<version>` in the same database, with keys, indexes and foreign keys. It is made inside the transaction of
the upgrade, so it has exactly what that found, and nothing is upgraded without it. One is kept: a later upgrade
replaces it, and the erasure of an account removes it, as it holds that account's wrapped keys.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, inspect, text

from holdfast.catalog.database.disk import disk_name
from holdfast.catalog.database.tables import metadata
from holdfast.stores.durable import UNFINISHED, sync_folder
from holdfast.units import MIB, size_text

KEYS_STORED_BELOW = "0005"
"""Older catalogs have the keys of downloads in clear."""

_SUFFIX = ".of-"
_SCHEMA = "holdfast_of_"
_KEY_COLUMN = "link_key"  # of `backups`, below KEYS_STORED_BELOW


class CopyFailed(Exception):
    """The copy cannot be made; the message is a sentence for a person."""


def copy_before(connection: Connection, version: str) -> None:
    """Copy the catalog that the connection is about to upgrade from a version; on SQLite it holds the write lock.

    The keys of downloads that catalogs below KEYS_STORED_BELOW have in clear are not in the copy. Raises CopyFailed,
    with nothing changed, when a file cannot be written.
    """
    if connection.dialect.name != "sqlite":
        _copy_tables(connection, version)
    elif path := _file(connection):
        try:
            _copy_file(path, version)
        except (OSError, sqlite3.Error) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise CopyFailed(
                f"The catalog {path} has to be upgraded, and the copy that is made of it before, of "
                f"{size_text(path.stat().st_size)}, cannot be written beside it ({why}); free space on "
                f"{disk_name(path.parent)} and try again. Nothing was changed."
            ) from error


def file_copies(catalog: Path) -> list[Path]:
    """Return the copies of an SQLite catalog, also those that were cut off while they were written."""
    return sorted(path for path in catalog.parent.glob(f"{catalog.name}{_SUFFIX}*") if path.is_file())


def remove_copies(connection: Connection) -> None:
    """Remove all copies of a catalog; a file's bytes are overwritten first. Raises OSError."""
    if connection.dialect.name != "sqlite":
        _drop_schemas(connection)
    elif path := _file(connection):
        for copy in file_copies(path):
            _overwrite(copy)
            copy.unlink()
        sync_folder(path.parent)


def _file(connection: Connection) -> Path | None:
    """Return the file of an SQLite catalog; None for one in memory."""
    name = connection.engine.url.database
    return Path(name) if name and name != ":memory:" else None


def _copy_file(path: Path, version: str) -> None:
    copy = path.with_name(f"{path.name}{_SUFFIX}{version}")
    unfinished = copy.with_name(copy.name + UNFINISHED)
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        with (
            closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(unfinished, isolation_level=None)) as target,
        ):
            target.execute("PRAGMA synchronous=OFF")  # it is synced as a whole below
            source.backup(target)
            if version < KEYS_STORED_BELOW:
                target.execute("PRAGMA secure_delete=ON")
                target.execute(f"UPDATE backups SET {_KEY_COLUMN} = ''")
                target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        fd = os.open(unfinished, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        unfinished.rename(copy)
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    for older in file_copies(path):
        if older != copy:
            older.unlink()


def _overwrite(path: Path) -> None:
    zeros = bytes(MIB)
    with path.open("r+b") as file:
        left = path.stat().st_size
        while left > 0:
            left -= file.write(zeros[:left])
        file.flush()
        os.fsync(file.fileno())


def _copy_tables(connection: Connection, version: str) -> None:
    _drop_schemas(connection)
    schema = f"{_SCHEMA}{version}"
    connection.exec_driver_sql(f'CREATE SCHEMA "{schema}"')
    there = inspect(connection)
    ours = sorted({*metadata.tables, "alembic_version"} & set(there.get_table_names()))
    for table in ours:
        # Its indexes are made when it is full, which takes a third of the time.
        connection.exec_driver_sql(f'CREATE TABLE "{schema}".{table} (LIKE {table} INCLUDING ALL EXCLUDING INDEXES)')
        names = [column["name"] for column in there.get_columns(table)]
        values = ["''" if name == _KEY_COLUMN else name for name in names]
        connection.exec_driver_sql(
            f'INSERT INTO "{schema}".{table} ({", ".join(names)}) SELECT {", ".join(values)} FROM {table}'
        )
        for name in names:
            _copy_sequence(connection, schema, table, name)
    constraints = list(_constraints(connection, ours))
    indexes = list(_indexes(connection, ours))
    path: str = connection.execute(text("SHOW search_path")).scalar_one()
    connection.exec_driver_sql(f'SET LOCAL search_path TO "{schema}"')
    for definition in indexes:
        connection.exec_driver_sql(definition)
    for table, name, definition in constraints:
        connection.exec_driver_sql(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
    connection.exec_driver_sql(f"SET LOCAL search_path TO {path}")


def _copy_sequence(connection: Connection, schema: str, table: str, column: str) -> None:
    """Give the copy of a column that counts a sequence of its own, which goes on where the other one is."""
    query = text("SELECT pg_get_serial_sequence(:table, :column)")
    sequence = connection.execute(query, {"table": table, "column": column}).scalar()
    if sequence is None:
        return
    own = f'"{schema}".{table}_{column}_seq'
    connection.exec_driver_sql(f'CREATE SEQUENCE {own} OWNED BY "{schema}".{table}.{column}')
    connection.exec_driver_sql(f"SELECT setval('{own}', last_value, is_called) FROM {sequence}")
    connection.exec_driver_sql(f"ALTER TABLE \"{schema}\".{table} ALTER {column} SET DEFAULT nextval('{own}')")


def _constraints(connection: Connection, tables: list[str]) -> Iterator[tuple[str, str, str]]:
    """Yield table, name and definition of each key, the foreign ones last, as they need the others.

    Names are without a schema while theirs is searched.
    """
    query = text(
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE contype IN ('p', 'u', 'f') AND connamespace = current_schema()::regnamespace"
        " ORDER BY contype = 'f', conname"
    )
    for table, name, definition in connection.execute(query):
        if table in tables:
            yield table, name, definition


def _indexes(connection: Connection, tables: list[str]) -> Iterator[str]:
    """Yield the statement that makes each index that no key has, on the table of its name in the schema searched."""
    query = text(
        "SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
        " JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = current_schema()::regnamespace"
        " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))"
    )
    for table, definition in connection.execute(query):
        if table in tables:
            yield re.sub(r" ON \S+ USING ", f" ON {table} USING ", definition, count=1)


def _drop_schemas(connection: Connection) -> None:
    for name in inspect(connection).get_schema_names():
        if name.startswith(_SCHEMA):
            connection.exec_driver_sql(f'DROP SCHEMA "{name}" CASCADE')
