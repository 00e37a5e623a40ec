"""A catalog that refuses to enter anything in the audit, so that a test sees what goes without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.catalog.database.engine import Catalog


@contextmanager
def audit_refused(catalog: Catalog) -> Iterator[None]:
    """Have each entry fail, with its transaction (IntegrityError), for as long as this is open; on SQLite."""
    with catalog.write() as connection:
        refuse = "SELECT RAISE(ABORT, 'refused')"
        connection.exec_driver_sql(f"CREATE TRIGGER refuse BEFORE INSERT ON audit BEGIN {refuse}; END")
    try:
        yield
    finally:
        with catalog.write() as connection:
            connection.exec_driver_sql("DROP TRIGGER refuse")
