"""The step by which retention lets a backup go, and whose vault is pruned next, on each kind of database."""

from __future__ import annotations

from typing import Any

import pytest
from kit import rows

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.gone import delete_row, mark_deleting
from holdfast.catalog.backups.changes.labels import set_lock
from holdfast.catalog.backups.damage import Found, record_findings
from holdfast.catalog.backups.limits import counts_of
from holdfast.catalog.backups.outdated import mark_outdated
from holdfast.catalog.backups.retention import apps_with_several, candidates
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.jobs.rows import insert_job
from holdfast.catalog.packs import prune as pruning
from holdfast.catalog.packs.storage import storage_of
from holdfast.catalog.records import SYSTEM, App, Job, JobState, Warned

DAY = 24 * 3600 * rows.SECOND


@pytest.fixture
def app(catalog: Catalog) -> App:
    rows.account(catalog)
    return rows.app(catalog)


def job_on(catalog: Catalog, app: App, backup_id: str) -> None:
    values: dict[str, Any] = dict.fromkeys(Job.__struct_fields__)
    values |= {"id": "j", "account_id": app.account_id, "app_id": app.id, "backup_id": backup_id, "kind": "verify"}
    values |= {"state": JobState.QUEUED, "request": "{}", "cancel_asked": False, "node": "main", "created_at": 1}
    values |= {"is_hidden": False}
    insert_job(catalog, Job(**values), SYSTEM)


def test_a_backup_goes_only_behind_a_newer_good_one(catalog: Catalog, app: App) -> None:
    first, second = (rows.done(catalog, app, n) for n in (1, 2))
    assert not mark_outdated(catalog, second.id, 0, SYSTEM, "rules")
    record_findings(catalog, [Found(second.id, (Warned("a", "DAMAGED", "lost"),))], 9)
    assert not mark_outdated(catalog, first.id, 0, SYSTEM, "rules")
    record_findings(catalog, [Found(second.id, ())], 9)
    assert mark_outdated(catalog, first.id, 0, SYSTEM, "rules")
    assert not mark_outdated(catalog, first.id, 0, SYSTEM, "rules")
    assert [c.id for c in candidates(catalog, app_id=app.id)] == [second.id]


def test_locked_and_used_ones_stay(catalog: Catalog, app: App) -> None:
    locked, timed, used, _ = (rows.done(catalog, app, n) for n in (1, 2, 3, 4))
    set_lock(catalog, locked.id, True, None, 0, SYSTEM)
    set_lock(catalog, timed.id, None, 100, 0, SYSTEM)
    job_on(catalog, app, used.id)
    assert [c.is_in_use for c in candidates(catalog, account_id="ana")] == [False, False, True, False]
    for backup in (locked, timed, used):
        assert not mark_outdated(catalog, backup.id, 99, SYSTEM, "rules")
    assert mark_outdated(catalog, timed.id, 100, SYSTEM, "rules")


def test_applications_with_several(catalog: Catalog, app: App) -> None:
    rows.done(catalog, app, 1)
    assert apps_with_several(catalog, "main") == []
    rows.done(catalog, app, 2)
    assert apps_with_several(catalog, "main") == [app.id]
    assert apps_with_several(catalog, "other") == []


def due(catalog: Catalog, settled: int, impatient: int = -1) -> list[str]:
    return pruning.due_prunes(catalog, settled_before=settled, impatient_before=impatient)


def test_a_deletion_wants_a_prune_also_while_one_runs(catalog: Catalog, app: App) -> None:
    for n in (1, 2):
        rows.done(catalog, app, n)
        assert mark_deleting(catalog, f"{n:032x}", 0, SYSTEM)
    delete_row(catalog, f"{1:032x}", 1000)
    assert (due(catalog, 999), due(catalog, 1000)) == ([], ["ana"])
    pruning.begin_prune(catalog, "ana", 5000)
    assert due(catalog, 2000) == []
    delete_row(catalog, f"{2:032x}", 2000)
    pruning.end_prune(catalog, "ana", 5000, None)
    assert due(catalog, 2000) == ["ana"]
    pruning.begin_prune(catalog, "ana", 5000)
    assert due(catalog, 5000) == ["ana"]  # it died: it is due again
    pruning.end_prune(catalog, "ana", 5000, 9000)
    assert (due(catalog, 8999), due(catalog, 9000)) == ([], ["ana"])
    pruning.want_prune(catalog, "ana", 9500)
    assert due(catalog, 9000) == ["ana"]


def test_a_prune_waits_for_a_quiet_moment_but_not_for_ever(catalog: Catalog, app: App) -> None:
    pruning.want_prune(catalog, "ana", 1000)
    insert_backup(catalog, rows.backup(app, 1), SYSTEM)
    assert pruning.is_making(catalog, "ana")
    assert due(catalog, 2000, impatient=999) == []
    assert due(catalog, 2000, impatient=1000) == ["ana"]


def test_one_node_at_a_time_prunes_an_account(catalog: Catalog, app: App) -> None:
    assert pruning.claim_prune(catalog, "ana", "a", 0, 100)
    assert storage_of(catalog, "ana", 50).is_shrinking
    assert not pruning.claim_prune(catalog, "ana", "b", 99, 200)
    assert pruning.claim_prune(catalog, "ana", "a", 99, 200)  # whoever asks there holds the node's own lock
    assert pruning.claim_prune(catalog, "ana", "b", 200, 300)  # it died
    pruning.end_claim(catalog, "ana")
    assert pruning.claim_prune(catalog, "ana", "a", 200, 300)


def test_counts(catalog: Catalog, app: App) -> None:
    for n in (1, 2, 3):
        rows.done(catalog, app, n)
    counts = counts_of(catalog, "ana", app.id, 2 * rows.SECOND)
    assert counts.app_times == counts.account_times == (2 * rows.SECOND, 3 * rows.SECOND)
    assert counts_of(catalog, "ana", "other", 0).app_times == ()
    assert len(counts.backups) == 3
    assert counts_of(catalog, "ana", app.id, DAY).account_times == ()


def test_a_backup_counts_whose_number_is_before_that_of_an_earlier_one(catalog: Catalog, app: App) -> None:
    for n in (2, 1):
        rows.done(catalog, app, n)
    assert counts_of(catalog, "ana", app.id, 0).account_times == (rows.SECOND, 2 * rows.SECOND)
