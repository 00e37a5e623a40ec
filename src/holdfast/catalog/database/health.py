"""The health of the database under a catalog."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from holdfast.catalog.database.engine import Catalog

FAULTS_MAX = 10


class Health(msgspec.Struct, frozen=True):
    """The database's own report. `faults`: the damage found; `wal_bytes`: size of SQLite's write-ahead log."""

    database: str
    faults: tuple[str, ...]
    wal_bytes: int


def quick_check(catalog: Catalog) -> Health:
    """Ask the database; on SQLite that reads the whole file. Raises CatalogError."""
    with catalog.read() as connection:
        if not catalog.is_sqlite:
            version = connection.exec_driver_sql("SHOW server_version").scalar_one()
            return Health(f"PostgreSQL {version}", (), 0)
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        rows = connection.exec_driver_sql(f"PRAGMA quick_check({FAULTS_MAX})").all()
    faults = tuple(str(row[0]) for row in rows if row[0] != "ok")
    size = 0
    with suppress(OSError):
        size = Path(f"{catalog.where}-wal").stat().st_size
    return Health(f"SQLite {version}", faults, size)
