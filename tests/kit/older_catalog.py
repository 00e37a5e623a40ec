"""Catalogs as older versions wrote them: their schema by the migrations; rows copied from one of today, or given."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, MetaData, Table, create_engine, text

from holdfast.catalog.database.engine import parsed_url, sqlite_url
from holdfast.catalog.database.migrations import upgrade

DAYS_FILLED = "0017"
"""Before this version the table of days was empty."""

_INDEXES_SINCE_0018 = (
    *("ix_backups_stored", "ix_apps_keep_until", "ix_accounts_erase_at"),
    *("ix_backups_proved", "ix_backups_kept"),
)
_TABLES_SINCE_0018 = (
    *("passkeys", "second_factors", "recovery_codes", "half_sessions", "used_tokens", "sign_in_rounds", "identities"),
    *("password_links", "passwords", "operator_links"),
)
_OF_MAIN_KEY = "(SELECT {} FROM new.keys WHERE keys.account_id = accounts.id AND keys.rights = 'main')"
_GONE = {
    ("accounts", "api_key_hash"): _OF_MAIN_KEY.format("hash"),
    ("accounts", "api_key_sealed"): _OF_MAIN_KEY.format("sealed"),
}
"""Columns that later versions moved elsewhere, as expressions over today's tables."""


def call_it(version: str, connection: Connection) -> None:
    """Give a catalog of today, from which the caller takes what came later, the number of an older version."""
    for index in _INDEXES_SINCE_0018:
        connection.execute(text(f"DROP INDEX {index}"))
    for table in _TABLES_SINCE_0018:
        connection.execute(text(f"DROP TABLE {table}"))
    for column in ("proof", "passkey_id", "views_account_id", "views_until"):
        connection.execute(text(f"ALTER TABLE sessions DROP COLUMN {column}"))
    for column in ("is_operator", "language", "theme", "time_zone"):
        connection.execute(text(f"ALTER TABLE people DROP COLUMN {column}"))
    connection.execute(text("UPDATE alembic_version SET version_num = :version"), {"version": version})


def write_as(version: str, path: Path, given: Mapping[tuple[str, str], str] = {}) -> None:
    """Put an older catalog in the place of today's, which nobody has open. `given`: expressions for columns."""
    older = path.with_name("older.sqlite")
    engine = create_engine(sqlite_url(older))
    with engine.begin() as connection:
        upgrade(connection, version)
    engine.dispose()
    with closing(sqlite3.connect(older, isolation_level=None)) as database:
        database.execute("ATTACH ? AS new", (str(path),))
        tables = "SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        for (table,) in database.execute(tables).fetchall():
            if table == "alembic_version" or (table == "days" and version < DAYS_FILLED):
                continue
            today = {row[1] for row in database.execute(f"PRAGMA new.table_info({table})")}
            moved = _GONE | dict(given)
            columns = {
                row[1]: moved.get((table, row[1]), row[1])
                for row in database.execute(f"PRAGMA main.table_info({table})")
                if row[1] in today or (table, row[1]) in moved
            }
            into, of = ", ".join(columns), ", ".join(columns.values())
            database.execute(f"INSERT INTO main.{table} ({into}) SELECT {of} FROM new.{table}")
        database.execute("DETACH new")
    for left in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        left.unlink(missing_ok=True)
    older.replace(path)


def make_as(version: str, url: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Make an older catalog, of either kind, with some rows by table; what they must have and do not is empty or 0."""
    engine = create_engine(parsed_url(url))
    with engine.begin() as connection:
        upgrade(connection, version)
        for name, given in rows.items():
            table = Table(name, MetaData(), autoload_with=connection)
            empty = {
                column.name: column.type.python_type()
                for column in table.columns
                if not column.nullable and column.server_default is None and column.name != "seq"
            }
            known = table.columns.keys()
            values = [{**empty, **{k: v for k, v in row.items() if k in known}} for row in given]
            connection.execute(table.insert(), values)
    engine.dispose()
