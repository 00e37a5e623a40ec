"""Fixtures of the catalog's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.servers.postgresql import postgresql
from kit.world import world

from holdfast.catalog.database.engine import Catalog, open_catalog, sqlite_url

__all__ = ["postgresql", "world"]


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
