"""A catalog is copied before a newer program changes its schema, and an upgrade that was cut off goes on."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kit.older_catalog import make_as
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import IntegrityError

from holdfast.catalog.accounts.rows import all_accounts
from holdfast.catalog.backups.rebuild import erase_keys, is_left_in_files
from holdfast.catalog.database.copy_before import file_copies
from holdfast.catalog.database.engine import CatalogError, open_catalog, parsed_url, sqlite_url
from holdfast.catalog.database.tables import SCHEMA_VERSION
from holdfast.catalog.records import SYSTEM

LINK_KEY = "85592d2b15ff867407964790224dcbb3a95ce82b"
ROWS: dict[str, list[dict[str, Any]]] = {
    "accounts": [{"id": "ana", "email": "ana@example.com", "api_key_hash": b"h", "data_key_sealed": b"key of ana"}],
    "apps": [{"id": "a1", "account_id": "ana", "name": "bot", "settings": "{}"}],
    "backups": [{"id": "b1", "account_id": "ana", "app_id": "a1", "name": "first", "state": "successful"}],
    "events": [{"at": 1, "account_id": "ana", "kind": "backup.finished", "data": "{}"}],
}

OPEN_AND_DIE = """
import os, signal, sys
from holdfast.catalog.database import copy_before, engine, migrations

def die(*anything, **more):
    os.kill(os.getpid(), signal.SIGKILL)

upgrade = migrations.upgrade
if sys.argv[2] == "copying":
    copy_before.sync_folder = die
else:
    migrations.upgrade = lambda connection, **more: (upgrade(connection, **more), die())
engine.open_catalog(sys.argv[1])
"""


def path_of(url: str) -> Path:
    name = parsed_url(url).database
    assert name
    return Path(name)


def indexes(connection: Connection) -> list[tuple[str, bool]]:
    """The indexes by what makes them; of their conditions, which PostgreSQL words anew, that they have one."""
    found = text("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexname")
    return [(made, bool(where)) for made, _, where in (d.partition(" WHERE ") for d in connection.scalars(found))]


def test_the_copy_is_the_catalog_as_it_was(url: str) -> None:
    make_as("0009", url, ROWS)
    had = []
    if not url.startswith("sqlite"):
        older = create_engine(parsed_url(url))
        with older.connect() as connection:
            had = indexes(connection)
        older.dispose()
    open_catalog(url).close()
    if url.startswith("sqlite"):
        (copy,) = file_copies(path_of(url))
        assert copy.name.endswith(".sqlite.of-0009")
        assert copy.stat().st_mode & 0o777 == 0o600
        before = create_engine(sqlite_url(copy))
    else:
        before = create_engine(parsed_url(url))
        with before.begin() as connection:  # as docs/operating.md tells to go back
            connection.execute(text("ALTER SCHEMA public RENAME TO newer"))
            connection.execute(text("ALTER SCHEMA holdfast_of_0009 RENAME TO public"))
    with before.begin() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0009"
        assert connection.execute(text("SELECT name FROM backups")).scalars().all() == ["first"]
        assert bytes(connection.execute(text("SELECT api_key_hash FROM accounts")).scalar_one()) == b"h"
        if not url.startswith("sqlite"):
            more = text("INSERT INTO events (at, account_id, kind, data) VALUES (2, 'ana', 'x', '{}') RETURNING seq")
            assert connection.execute(more).scalar_one() == 2
            assert had
            assert indexes(connection) == had
            with pytest.raises(IntegrityError, match="apps_account_id_fkey"), connection.begin_nested():
                connection.execute(text("DELETE FROM accounts"))
    before.dispose()


def test_an_upgrade_is_the_only_time_that_copies(url: str) -> None:
    catalog = open_catalog(url, create=True)
    catalog.close()
    again = open_catalog(url)
    with again.read() as connection:
        if url.startswith("sqlite"):
            assert not file_copies(path_of(url))
        else:
            found = connection.execute(text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'holdfast_of_%'"))
            assert found.scalar_one() == 0
    again.close()


@pytest.mark.parametrize("moment", ["copying", "upgrading"])
def test_an_upgrade_that_was_killed_goes_on(tmp_path: Path, moment: str) -> None:
    url = sqlite_url(tmp_path / "catalog.sqlite")
    make_as("0009", url, ROWS)
    died = subprocess.run([sys.executable, "-c", OPEN_AND_DIE, url, moment], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0009",)
    catalog = open_catalog(url)
    assert [one.email for one in all_accounts(catalog)] == ["ana@example.com"]
    catalog.close()
    assert [copy.name for copy in file_copies(tmp_path / "catalog.sqlite")] == ["catalog.sqlite.of-0009"]


def test_without_room_for_the_copy_nothing_changes(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "catalog.sqlite")
    make_as("0009", url, ROWS)
    (tmp_path / "catalog.sqlite.of-0009.unfinished").mkdir()
    with pytest.raises(CatalogError, match=r"cannot be written beside it .*free space on .*Nothing was changed\."):
        open_catalog(url)
    with closing(sqlite3.connect(tmp_path / "catalog.sqlite")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0009",)


def test_keys_of_downloads_in_clear_are_not_copied(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "catalog.sqlite")
    backup = {**ROWS["backups"][0], "link_key": LINK_KEY}
    make_as("0004", url, {**ROWS, "backups": [backup]})
    assert LINK_KEY.encode() in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    open_catalog(url).close()
    assert [path.name for path in file_copies(tmp_path / "catalog.sqlite")] == ["catalog.sqlite.of-0004"]
    assert LINK_KEY.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


def test_an_erased_account_is_in_no_copy(url: str) -> None:
    make_as("0009", url, ROWS)
    catalog = open_catalog(url)
    secrets = erase_keys(catalog, "ana", 5, SYSTEM)
    assert b"key of ana" in secrets
    assert not is_left_in_files(catalog, secrets)
    with catalog.read() as connection:
        if url.startswith("sqlite"):
            assert not file_copies(path_of(url))
        else:
            found = connection.execute(text("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'holdfast_of_%'"))
            assert found.scalar_one() == 0
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == SCHEMA_VERSION
    catalog.close()
