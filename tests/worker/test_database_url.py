"""The URL of the workflows' database: every spelling that the catalog takes."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from holdfast.service.instance.config import Config
from holdfast.worker.executor import engine_of


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_is_taken(scheme: str, tmp_path: Path) -> None:
    engine = engine_of(tmp_path, Config(catalog_url=f"{scheme}://ana:secret@127.0.0.1/holdfast"))
    assert engine.url.drivername == "postgresql+psycopg"
    engine.dispose()


def test_the_time_that_dbos_asks_sqlite_for_is_known_to_an_old_sqlite(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, Config())
    with engine.connect() as connection:
        asked = connection.exec_driver_sql("SELECT unixepoch('subsec') * 1000").scalar_one()
    engine.dispose()
    assert abs(asked - time.time() * 1000) < 60_000
