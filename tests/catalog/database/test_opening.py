"""Opening a catalog: made at once, refused untouched, upgraded by one process at a time; its errors are sentences."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from kit.rows import account, app, done
from sqlalchemy import Connection, inspect, text

from holdfast.catalog.accounts.rows import all_accounts
from holdfast.catalog.backups.changes.run import record_progress
from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.database import engine
from holdfast.catalog.database.engine import (
    Catalog,
    CatalogError,
    CatalogNewer,
    CatalogUnreachable,
    open_catalog,
    sqlite_url,
)
from holdfast.catalog.database.migrations import upgrade
from holdfast.catalog.database.tables import metadata
from holdfast.vault.control import Progress


def test_a_catalog_is_made_and_opened_again(url: str) -> None:
    made = open_catalog(url, create=True)
    made.set_fact("a", "1")
    made.set_fact("a", "2")
    made.close()
    again = open_catalog(url, create=True)
    assert (again.fact("a"), again.fact("b")) == ("2", None)
    again.close()


def test_migrations_give_the_schema_on_either_database(url: str, catalog: Catalog) -> None:
    def schema() -> dict[str, object]:
        found = inspect(catalog.engine)
        return {
            table: (
                [(c["name"], str(c["type"]), c["nullable"], c["default"]) for c in found.get_columns(table)],
                sorted((str(i["name"]), tuple(i["column_names"]), i["unique"]) for i in found.get_indexes(table)),
                sorted(tuple(u["column_names"]) for u in found.get_unique_constraints(table)),
                sorted((tuple(f["constrained_columns"]), f["referred_table"]) for f in found.get_foreign_keys(table)),
            )
            for table in found.get_table_names()
        }

    made = schema()
    with catalog.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(text(f"DROP TABLE {table.name}"))
        connection.execute(text("DROP TABLE alembic_version"))
    assert schema() == {}
    with catalog.write() as connection:
        upgrade(connection)
    assert schema() == made


def test_an_older_catalog_is_upgraded_and_one_is_enough(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_catalog(url, create=True).close()
    upgrades = []

    def next_one(connection: Connection, **more: object) -> None:
        upgrades.append(connection)
        connection.execute(text("CREATE TABLE new_one (id INTEGER)"))
        connection.execute(text("UPDATE alembic_version SET version_num = '9000'"))

    monkeypatch.setattr(engine, "SCHEMA_VERSION", "9000")
    monkeypatch.setattr("holdfast.catalog.database.migrations.upgrade", next_one)
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(lambda _: open_catalog(url), range(4)):
            assert inspect(opened.engine).has_table("new_one")
            opened.close()
    assert len(upgrades) == 1


def test_an_upgrade_that_fails_leaves_the_catalog_as_it_was(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    open_catalog(url, create=True).close()

    def broken(connection: Connection, **more: object) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        connection.execute(text("DELETE FROM alembic_version"))
        raise KeyError("a fault in a migration")

    with monkeypatch.context() as patched:
        patched.setattr(engine, "SCHEMA_VERSION", "9000")
        patched.setattr("holdfast.catalog.database.migrations.upgrade", broken)
        with pytest.raises(KeyError):
            open_catalog(url)
    opened = open_catalog(url)
    assert not inspect(opened.engine).has_table("half")
    opened.close()


def test_a_newer_catalog_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "c"
    open_catalog(sqlite_url(path), create=True).close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()
        database.execute("PRAGMA journal_mode=DELETE")
    database.close()
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(CatalogNewer, match="newer Holdfast"):
            open_catalog(sqlite_url(path), create=create)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_what_is_no_catalog_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="is missing"):
        open_catalog(sqlite_url(tmp_path / "nowhere"))
    sqlite3.connect(tmp_path / "empty").close()
    (tmp_path / "empty").touch()
    with pytest.raises(CatalogError, match="not a catalog of Holdfast"):
        open_catalog(sqlite_url(tmp_path / "empty"))
    (tmp_path / "text").write_text("no database at all, but long enough to be one" * 100)
    with pytest.raises(CatalogError, match="not a database"):
        open_catalog(sqlite_url(tmp_path / "text"))
    with pytest.raises(CatalogUnreachable, match="cannot be used now"):
        open_catalog(sqlite_url(tmp_path / "no folder" / "c"), create=True)


@pytest.mark.parametrize("name", ["a b", "a?b=c#d", "100%25", "größe", "; DROP"])
def test_any_file_name_will_do(tmp_path: Path, name: str) -> None:
    open_catalog(sqlite_url(tmp_path / name), create=True).close()
    assert (tmp_path / name).exists()
    open_catalog(sqlite_url(tmp_path / name)).close()


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/d", "nonsense", "", "postgresql://u:secret@h:port/d", "postgresql+asyncpg://u@h/d"]
)
def test_a_url_that_cannot_be_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(CatalogError, match="must be like postgresql://") as caught:
        open_catalog(url)
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnreachable, match="cannot be used now") as caught:
        open_catalog(f"postgresql://u:secret@/d?host={tmp_path}")
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_postgresql_url_may_be_written_in_any_usual_way(postgresql: Callable[[], str]) -> None:
    url = postgresql()
    open_catalog(url.replace("postgresql://", "postgres://"), create=True).close()
    open_catalog(url.replace("postgresql://", "postgresql+psycopg://")).close()


def test_reading_sees_one_state(catalog: Catalog) -> None:
    catalog.set_fact("a", "1")
    with catalog.read() as connection:
        assert connection.execute(text("SELECT value FROM facts WHERE name = 'a'")).scalar() == "1"
        catalog.set_fact("a", "2")
        assert connection.execute(text("SELECT value FROM facts WHERE name = 'a'")).scalar() == "1"
    assert catalog.fact("a") == "2"


def test_progress_does_not_wait_for_the_disk_and_what_follows_does(tmp_path: Path) -> None:
    catalog = open_catalog(sqlite_url(tmp_path / "c"), create=True)
    account(catalog)
    one = done(catalog, app(catalog), 1)
    seen = []
    for durable in (False, True):
        with catalog.write(durable=durable) as connection:
            seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
    with pytest.raises(KeyError), catalog.write(durable=False):
        raise KeyError
    with catalog.write() as connection:
        seen.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
    assert seen == [1, 2, 2]
    record_progress(catalog, one.id, Progress(1, 2, 3, 4))
    found = backup_by_id(catalog, one.id)
    assert found is not None
    assert found.progress is None, "it does not run"
    catalog.close()


def test_a_writer_waits_for_another(catalog: Catalog) -> None:
    account(catalog)
    with ThreadPoolExecutor(8) as pool:

        def add(_: int) -> None:
            with catalog.write() as connection:
                value = connection.execute(text("SELECT commit_seq FROM accounts FOR UPDATE" if other else
                                                "SELECT commit_seq FROM accounts")).scalar_one()  # fmt: skip
                connection.execute(text("UPDATE accounts SET commit_seq = :v"), {"v": value + 1})

        other = catalog.engine.dialect.name != "sqlite"
        list(pool.map(add, range(40)))
    with catalog.read() as connection:
        assert connection.execute(text("SELECT commit_seq FROM accounts")).scalar() == 40


def test_a_locked_catalog_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0)
    catalog = open_catalog(sqlite_url(tmp_path / "c"), create=True)
    with (
        catalog.write(),
        pytest.raises(CatalogUnreachable, match="cannot be used now \\(database is locked\\)"),
        catalog.write(),
    ):
        pass
    assert all_accounts(catalog) == []
    catalog.close()


def test_opening_costs_no_import_that_is_not_needed(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from holdfast.catalog.accounts import rows as accounts, apps
from holdfast.catalog import prepared_queries as hot
from holdfast.catalog.packs import ledger
from holdfast.catalog.database.engine import open_catalog, sqlite_url
for create in (True, False):
    open_catalog(sqlite_url(Path(sys.argv[1])), create=create).close()
print([name for name in ("alembic", "sqlalchemy.orm", "psycopg", "dbos", "numpy") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program, tmp_path / "c"], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
