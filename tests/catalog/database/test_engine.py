"""The schema: migrations and tables agree; what is durable is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect

from holdfast.catalog.database.engine import open_catalog, sqlite_url
from holdfast.catalog.database.migrations import upgrade


def schema(url: str) -> dict[str, Any]:
    engine = create_engine(url)
    found = inspect(engine)
    out = {}
    for table in sorted(found.get_table_names()):
        out[table] = {
            "columns": [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)],
            "indexes": sorted(
                (str(i["name"]), tuple(i["column_names"]), bool(i["unique"])) for i in found.get_indexes(table)
            ),
            "unique": sorted(tuple(u["column_names"]) for u in found.get_unique_constraints(table)),
            "foreign": sorted(
                (tuple(f["constrained_columns"]), f["referred_table"]) for f in found.get_foreign_keys(table)
            ),
        }
    engine.dispose()
    return out


def test_migrations_give_the_schema_of_the_tables(tmp_path: Path) -> None:
    open_catalog(sqlite_url(tmp_path / "made"), create=True).close()
    engine = create_engine(sqlite_url(tmp_path / "migrated"))
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    assert schema(sqlite_url(tmp_path / "migrated")) == schema(sqlite_url(tmp_path / "made"))


def test_sqlite_is_set_to_be_durable(tmp_path: Path) -> None:
    catalog = open_catalog(sqlite_url(tmp_path / "c"), create=True)
    with catalog.read() as connection:
        for pragma, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
    catalog.close()


def test_a_write_that_raises_is_undone(tmp_path: Path) -> None:
    catalog = open_catalog(sqlite_url(tmp_path / "c"), create=True)
    catalog.set_fact("a", "1")
    try:
        with catalog.write() as connection:
            connection.exec_driver_sql("DELETE FROM facts")
            raise KeyError
    except KeyError:
        pass
    assert catalog.fact("a") == "1"
    catalog.close()
