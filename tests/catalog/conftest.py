"""Fixtures of the catalog's tests."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from kit.servers.postgresql import postgresql_programs, postgresql_server
from kit.world import world

from holdfast.catalog.database.engine import Catalog, open_catalog, sqlite_url

__all__ = ["world"]


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Makes an empty database and gives its URL."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's programs (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="hfpg"))
    made = 0

    def new_database() -> str:
        nonlocal made
        made += 1
        with psycopg.connect(server_url.format(name="postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE test{made}".encode())
        return server_url.format(name=f"test{made}")

    try:
        with postgresql_server(folder, programs) as server_url:
            yield new_database
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a catalog may be made, on each kind of database."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "catalog.sqlite")
    made: str = request.getfixturevalue("postgresql")()
    return made


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    """An empty catalog."""
    made = open_catalog(url, create=True)
    yield made
    made.close()
