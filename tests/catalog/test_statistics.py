"""Figures over all accounts, on each kind of database."""

from __future__ import annotations

from kit import rows

from holdfast.catalog import statistics
from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.backups.damage import Found, record_findings
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.health import quick_check
from holdfast.catalog.packs.ledger import condemned_since
from holdfast.catalog.records import SYSTEM, Warned


def test_an_application_has_its_newest_good_and_its_newest_backup(catalog: Catalog) -> None:
    rows.account(catalog)
    app, fresh = rows.app(catalog), rows.app(catalog, "fresh")
    rows.done(catalog, app, 100)
    good = rows.done(catalog, app, 200)
    bad = rows.backup(app, 300)
    insert_backup(catalog, bad, SYSTEM)
    fail_backup(catalog, bad.id, "STORE_FULL", "It is full.", 301 * rows.SECOND)
    found = {one.app_id: one for one in statistics.app_statistics(catalog, 0)}
    assert (found[app.id].good_at, found[app.id].last_at) == (good.created_at, bad.created_at)
    assert (found[app.id].last_state, found[app.id].last_code) == ("failed", "STORE_FULL")
    assert (found[fresh.id].good_at, found[fresh.id].last_state) == (None, None)


def test_sums_are_by_account_and_state(catalog: Catalog) -> None:
    for name in ("ana", "bob"):
        rows.account(catalog, name)
        app = rows.app(catalog, "bot", name)
        number = 100 if name == "ana" else 1000
        record_findings(catalog, [Found(rows.done(catalog, app, number).id, (Warned("a", "DAMAGED", "gone"),))], 1)
        rows.done(catalog, app, number + 1)
        insert_backup(catalog, rows.backup(app, number + 2), SYSTEM)
    found = {(one.account_id, one.state): one for one in statistics.backup_statistics(catalog)}
    assert found["ana", "successful"] == statistics.BackupStatistics("ana", "successful", 2, 0, 1)
    assert found["bob", "queued"] == statistics.BackupStatistics("bob", "queued", 1, 0, 0)
    assert statistics.waiting(catalog) == [statistics.Waiting("backup", "queued", 2, 102 * rows.SECOND)]
    assert statistics.count_accounts(catalog) == 2
    assert statistics.newest_time(catalog) == 1002 * rows.SECOND


def test_of_an_empty_catalog_all_is_nothing(catalog: Catalog) -> None:
    assert statistics.pack_statistics(catalog) == []
    assert statistics.delivery_statistics(catalog) == []
    assert statistics.disabled_endpoints(catalog) == []
    assert statistics.failing_deliveries(catalog, 0) == []
    assert statistics.read_back(catalog) == statistics.ReadBack(0, None)
    assert statistics.prune_wanted(catalog) == statistics.PruneWanted(0, None)
    assert statistics.newest_time(catalog) == condemned_since(catalog, 2**62) == 0
    health = quick_check(catalog)
    assert health.faults == ()
    assert health.database.split()[0] in ("SQLite", "PostgreSQL")
