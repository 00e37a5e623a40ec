"""Questions that are asked again and again are answered by indexes, also in a catalog of an older version."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.older_catalog import make_as

from holdfast.catalog.database.engine import open_catalog, sqlite_url

QUESTIONS = {
    "SELECT coalesce(sum(stored_bytes), 0) FROM backups WHERE app_id = 'a' AND deleted_at IS NULL": (
        "SEARCH backups USING COVERING INDEX ix_backups_stored"
    ),
    "SELECT name, state FROM backups WHERE app_id = 'a' AND deleted_at IS NULL ORDER BY created_at, id": (
        "SEARCH backups USING INDEX ix_backups_app_created"
    ),
    "SELECT name FROM apps WHERE keep_until <= 1 AND ended_at IS NOT NULL ORDER BY keep_until": (
        "SEARCH apps USING INDEX ix_apps_keep_until"
    ),
    "SELECT id FROM accounts WHERE erase_at <= 1 AND ended_at IS NOT NULL ORDER BY erase_at": (
        "SEARCH accounts USING INDEX ix_accounts_erase_at"
    ),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_an_upgraded_catalog_answers_by_an_index(question: str, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "catalog.sqlite")
    make_as("0017", url, {})
    catalog = open_catalog(url)
    with catalog.read() as connection:
        (row,) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {question}").all()
    catalog.close()
    assert row[-1].startswith(QUESTIONS[question])
