"""Due times: found by index among very many applications, claimed once."""

from __future__ import annotations

import threading

import pytest
from kit.rows import account, app, backup, key_hash
from sqlalchemy import text

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import apps
from holdfast.catalog.jobs.schedules import (
    Claimed,
    claim_run,
    due_query,
    due_times,
    ids_of,
    overdue_query,
    raise_overdue,
)
from holdfast.catalog.records import SYSTEM, App, Backup

MANY = 2000


def many_apps(catalog: Catalog) -> None:
    """Applications with due times from 1 on."""
    account(catalog)
    rows = [
        {
            "id": key_hash(str(number)).hex()[:32],
            "account_id": "ana",
            "name": f"app {number}",
            "path": "/srv",
            "node": "main",
            "created_at": 0,
            "next_run_at": number,
            "overdue_at": number,
        }
        for number in range(1, MANY)
    ]
    with catalog.write() as connection:
        connection.execute(apps.insert(), rows)


@pytest.mark.parametrize("index", ["ix_apps_next_run", "ix_apps_overdue"])
def test_a_tick_is_one_query_by_index(catalog: Catalog, index: str) -> None:
    many_apps(catalog)
    query = due_query("main", 3, 100) if index == "ix_apps_next_run" else overdue_query(3, 100)
    assert ids_of(catalog, query) == [key_hash(str(number)).hex()[:32] for number in (1, 2, 3)]
    literal = query.compile(catalog.engine, compile_kwargs={"literal_binds": True})
    if catalog.engine.dialect.name == "postgresql":
        with catalog.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE apps"))
            plan = " ".join(row[0] for row in connection.execute(text(f"EXPLAIN {literal}")))
        assert index in plan
    else:
        with catalog.read() as connection:
            plan = " ".join(row[3] for row in connection.execute(text(f"EXPLAIN QUERY PLAN {literal}")))
        assert f"USING INDEX {index}" in plan or f"USING COVERING INDEX {index}" in plan
        assert "SCAN" not in plan
        assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan


def test_of_many_claims_at_once_one_has_it(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    change_settings(catalog, bot.id, lambda now: now, 0, SYSTEM, "x.set", lambda before, after: {"next_run_at": 10})
    gate = threading.Barrier(6)
    got: list[Claimed | None] = []

    def claim(number: int) -> None:
        def made(of: App, is_taken: object) -> Backup:
            return backup(of, number)

        gate.wait()
        got.append(claim_run(catalog, bot.id, 10, lambda of: 70, made, SYSTEM))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([one for one in got if one is not None]) == 1
    assert due_times(catalog, bot.id).next_run_at == 70


def test_overdue_is_raised_once(catalog: Catalog) -> None:
    account(catalog)
    bot = app(catalog)
    change_settings(catalog, bot.id, lambda now: now, 0, SYSTEM, "x.set", lambda before, after: {"overdue_at": 10})
    assert raise_overdue(catalog, bot.id, 9, lambda of, good, last: {}) is None
    assert raise_overdue(catalog, bot.id, 10, lambda of, good, last: {}) == bot
    assert raise_overdue(catalog, bot.id, 11, lambda of, good, last: {}) is None
    change_settings(catalog, bot.id, lambda now: now, 0, SYSTEM, "x.set", lambda before, after: {"overdue_at": 20})
    assert raise_overdue(catalog, bot.id, 20, lambda of, good, last: {}) is None
    assert due_times(catalog, bot.id).overdue_since == 10
