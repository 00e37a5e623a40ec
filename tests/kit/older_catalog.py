"""A catalog as an older version wrote it, made of one of today: its schema by the migrations, its rows copied."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

from holdfast.catalog.database.engine import sqlite_url
from holdfast.catalog.database.migrations import upgrade

_OF_MAIN_KEY = "(SELECT {} FROM new.keys WHERE keys.account_id = accounts.id AND keys.rights = 'main')"
_GONE = {
    ("accounts", "api_key_hash"): _OF_MAIN_KEY.format("hash"),
    ("accounts", "api_key_sealed"): _OF_MAIN_KEY.format("sealed"),
}
"""Columns that later versions moved elsewhere, as expressions over today's tables."""


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
            if table == "alembic_version":
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
