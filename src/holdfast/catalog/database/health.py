"""The health of the database under a catalog."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import msgspec
from sqlalchemy import make_url

from holdfast.catalog.database.engine import BUSY_SECONDS, Catalog, CatalogUnreachable

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


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite catalog; None for one on a server."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.drivername.startswith("sqlite") and parsed.database else None


def file_fault(path: Path) -> str | None:
    """Read an SQLite catalog as a whole; return the first damage, None where it is sound. Raises CatalogUnreachable.

    Unlike `quick_check` this works on a catalog that does not open. An empty file is sound.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as file:
            found = str(file.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        raise CatalogUnreachable(f"The catalog {path} cannot be used now ({error}).") from error
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if found == "ok" else " ".join(found.split())
