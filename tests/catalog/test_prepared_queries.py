"""The quick way gives what the ordinary one gives, sees what is committed, and costs little."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import psycopg
import pytest
from kit.rows import account, app, backup, done, key_hash, main_key
from sqlalchemy import QueuePool

from holdfast.catalog.accounts.rows import account_by_id, set_plan
from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.labels import rename_backup
from holdfast.catalog.backups.found import list_backups
from holdfast.catalog.database.engine import CONNECTIONS_MAX, Catalog, CatalogDamaged, open_catalog, sqlite_url
from holdfast.catalog.database.tables import accounts, apps, backups
from holdfast.catalog.events.audit import Change
from holdfast.catalog.people.keys import insert_key, replace_main_key
from holdfast.catalog.prepared_queries import PreparedQueries
from holdfast.catalog.records import SYSTEM, Account

TIMES_FASTER_MIN = 4


def account_of(prepared: PreparedQueries, name: str) -> Account | None:
    found = prepared.key_by_hash(key_hash(name))
    return None if found is None else found[0]


def test_the_same_as_the_ordinary_way(catalog: Catalog) -> None:
    account(catalog)
    bot, other = app(catalog), app(catalog, "other")
    for n in (2, 1, 3):
        done(catalog, bot, n)
    done(catalog, other, 4)
    insert_backup(catalog, backup(bot, 5), SYSTEM)
    prepared = PreparedQueries(catalog)
    assert account_of(prepared, "ana") == account_by_id(catalog, "ana")
    assert account_of(prepared, "ben") is None
    assert prepared.app_owner(bot.id) == "ana"
    assert prepared.app_owner("0" * 32) is None
    expected = [
        (f"backup {n}", 10**10 + n, (n + 1) * 10**9, bytes([n]) * 32, n * 10**9, "successful") for n in (1, 2, 3)
    ]
    assert [tuple(row) for row in prepared.list_rows(bot.id)] == [
        *expected,
        ("backup 5", 0, None, None, 5 * 10**9, "queued"),
    ]
    assert prepared.list_rows("0" * 32) == []
    assert [tuple(row) for row in prepared.linked("ana", "backup 2")] == [(f"{2:032x}", bytes([2]) * 32, b"link")]
    assert prepared.linked("ana", "backup 5") == [], "it is not successful"
    assert prepared.linked("ben", "backup 2") == []
    assert (prepared.link_secret("ana"), prepared.link_secret("ben")) == (b"link", None)
    prepared.close()


def test_what_is_committed_is_seen_at_once(catalog: Catalog) -> None:
    account(catalog)
    one = done(catalog, app(catalog), 1)
    prepared = PreparedQueries(catalog)
    assert account_of(prepared, "ana") is not None
    assert [row[0] for row in prepared.list_rows(one.app_id)] == ["backup 1"]
    set_plan(catalog, "ana", "Bronze", 1, SYSTEM)
    rename_backup(catalog, one.id, "renamed", 1, SYSTEM)
    found = account_of(prepared, "ana")
    assert found is not None
    assert found.plan == "Bronze"
    assert [row[0] for row in prepared.list_rows(one.app_id)] == ["renamed"]
    replace_main_key(catalog, main_key("ana", "new"), 0, Change(SYSTEM, "account.key_replaced", "ana"))
    assert account_of(prepared, "ana") is None, "the old key ended"
    prepared.close()


def test_many_threads_take_nobody_elses_connection(catalog: Catalog) -> None:
    account(catalog)
    prepared = PreparedQueries(catalog)
    threads = CONNECTIONS_MAX + 6 if catalog.engine.dialect.name == "sqlite" else 20
    all_in = threading.Barrier(threads)

    def look(_: int) -> bool:
        all_in.wait(30)
        return account_of(prepared, "ana") is not None

    with ThreadPoolExecutor(threads) as pool:
        assert all(pool.map(look, range(threads)))
        assert isinstance(catalog.engine.pool, QueuePool)
        assert catalog.engine.pool.checkedout() == 0
        assert account_by_id(catalog, "ana") is not None
    prepared.close()
    assert account_of(prepared, "ana") is not None, "it opens again after a close"
    prepared.close()


def test_a_damaged_file_is_said_in_a_sentence_and_is_looked_at_anew(tmp_path: Path) -> None:
    catalog = open_catalog(sqlite_url(tmp_path / "c"), create=True)
    account(catalog)
    done(catalog, app(catalog), 1)
    catalog.close()
    good = (tmp_path / "c").read_bytes()
    (tmp_path / "c").write_bytes(good[:100] + bytes(len(good) - 100))
    prepared = PreparedQueries(catalog)
    with pytest.raises(CatalogDamaged, match=r"damaged .*restore a good copy"):
        account_of(prepared, "ana")
    (tmp_path / "c").write_bytes(good)
    assert account_of(prepared, "ana") is not None
    prepared.close()
    catalog.close()


def test_a_restarted_server_is_found_again(postgresql: Callable[[], str]) -> None:
    url = postgresql()
    catalog = open_catalog(url, create=True)
    account(catalog)
    prepared = PreparedQueries(catalog)
    assert account_of(prepared, "ana") is not None
    with psycopg.connect(url, autocommit=True) as operator:
        operator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert account_of(prepared, "ana") is not None
    assert account_by_id(catalog, "ana") is not None
    prepared.close()
    catalog.close()


def test_all_queries_go_by_an_index(catalog: Catalog) -> None:
    if catalog.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads small tables whole, and rightly so")
    prepared = PreparedQueries(catalog)
    with catalog.read() as connection:
        expected = {
            prepared._key: ["SEARCH keys", "SEARCH accounts", "SEARCH members"],
            prepared._owner: ["SEARCH apps"],
            prepared._list: ["SEARCH backups"],
        }
        for query, searches in expected.items():
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query[0]}", ("x",)).all()
            found = [str(row[3]).split(" USING ")[0] for row in plan]
            assert found == searches, "a search of each table, no scan, no sort"


def fill(catalog: Catalog, owners: int, per_app: int) -> str:
    """A big catalog, quickly; gives the id of one application in its middle."""
    account(catalog)
    bot = app(catalog)
    queued = backup(bot, 1)
    base = {name: getattr(queued, name) for name in queued.__struct_fields__} | {
        "warnings": "[]",
        "progress": None,
        "damage": None,
    }
    with catalog.write() as connection:
        first = dict(connection.execute(accounts.select()).one()._mapping)
        first_app = dict(connection.execute(apps.select()).one()._mapping)
        names = [f"customer{n}" for n in range(owners)]
        app_ids = [key_hash(name).hex()[:32] for name in names]
        connection.execute(accounts.insert(), [first | {"id": n, "email": n} for n in names])
        for name in names:
            insert_key(connection, main_key(name, name))
        connection.execute(
            apps.insert(), [first_app | {"id": i, "account_id": n} for n, i in zip(names, app_ids, strict=True)]
        )
        connection.execute(
            backups.insert(),
            [
                base
                | {
                    "id": f"{backup_no:06x}{owner_no:026x}",
                    "account_id": names[owner_no],
                    "app_id": app_ids[owner_no],
                    "name": f"Backup at {backup_no}",
                    "state": "successful",
                    "created_at": backup_no,
                    "finished_at": backup_no + 1,
                }
                for backup_no in range(per_app)
                for owner_no in range(owners)
            ],
        )
    return app_ids[owners // 2]


def test_the_hot_way_is_worth_having(tmp_path: Path) -> None:
    """A key check and a list of 100 in a big catalog, against the same through Core; a ratio, as machines differ."""
    catalog = open_catalog(sqlite_url(tmp_path / "c"), create=True)
    app_id = fill(catalog, owners=200, per_app=100)
    key = key_hash("customer100")
    prepared = PreparedQueries(catalog)

    def hot_way() -> int:
        prepared.key_by_hash(key)
        return len(prepared.list_rows(app_id))

    def ordinary_way() -> int:
        account_by_id(catalog, "customer100")
        return len(list_backups(catalog, app_id, None, None))

    def seconds(way: Callable[[], int]) -> float:
        best = 1e9
        for _ in range(5):
            start = time.thread_time()
            assert sum(way() for _ in range(20)) == 2000
            best = min(best, time.thread_time() - start)
        return best

    assert seconds(hot_way) * TIMES_FASTER_MIN <= seconds(ordinary_way)
    prepared.close()
    catalog.close()


def test_records_are_whole(catalog: Catalog) -> None:
    made = account(catalog)
    prepared = PreparedQueries(catalog)
    found = account_of(prepared, "ana")
    assert found is not None
    assert msgspec.structs.asdict(found) == msgspec.structs.asdict(made)
    prepared.close()


def test_the_version_tells_of_every_commit_and_of_a_new_connection(tmp_path: Path) -> None:
    catalog = open_catalog(sqlite_url(tmp_path / "catalog.sqlite"), create=True)
    prepared = PreparedQueries(catalog)
    first = prepared.version()
    assert first is not None
    assert prepared.version() == first
    catalog.set_fact("a", "1")
    second = prepared.version()
    assert second != first
    prepared.close()  # as after an error: the next query opens another connection, whose count begins anew
    catalog.set_fact("a", "2")
    assert prepared.version() not in (first, second)
    prepared.close()
    catalog.close()
