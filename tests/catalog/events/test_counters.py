"""The tally counts every event once, over restarts, and although old events go."""

from __future__ import annotations

import msgspec
from kit import rows

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.gone import delete_row, mark_deleting
from holdfast.catalog.backups.changes.run import fail_backup, start_backup
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.counters import read_counters, store_counters
from holdfast.catalog.events.log import forget_events
from holdfast.catalog.jobs.rows import finish_job, insert_job, start_job
from holdfast.catalog.records import SYSTEM, Job, JobState

LATER = 10_000 * rows.SECOND


def test_what_happened_is_counted_by_kind_end_and_code(catalog: Catalog) -> None:
    rows.account(catalog)
    app = rows.app(catalog)
    rows.done(catalog, app, 100)
    for number, code in ((200, "STORE_FULL"), (300, "STORE_FULL"), (400, "CANCELLED")):
        insert_backup(catalog, rows.backup(app, number), SYSTEM)
        fail_backup(catalog, rows.backup(app, number).id, code, "why", number * rows.SECOND)
    counters = read_counters(catalog, LATER)
    assert counters.ended == {"backup": {"successful": 1, "failed": 2, "cancelled": 1}}
    assert counters.failures == {"backup": {"STORE_FULL": 2}}
    assert counters.last_end["backup"]["failed"] == 300 * rows.SECOND
    assert counters.zip_bytes == 10**10 + 100
    assert counters.events["backup.queued"] == 4


def test_a_run_takes_from_its_start_to_its_end(catalog: Catalog) -> None:
    rows.account(catalog)
    app = rows.app(catalog)
    backup = rows.done(catalog, app, 100)
    job = Job(
        "j", "ana", app.id, backup.id, "restore", JobState.QUEUED, "{}", None, None, None, None, False, "main", 0, None
    )
    insert_job(catalog, job, SYSTEM)
    start_job(catalog, "j", 200 * rows.SECOND)
    store_counters(catalog, LATER)  # the start is in what was written down, the end is not
    finish_job(catalog, "j", JobState.SUCCESSFUL, 270 * rows.SECOND, result="{}")
    taken = read_counters(catalog, LATER).durations["restore"]
    assert taken.seconds == 70
    assert taken.counts == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0]


def test_nothing_is_counted_twice_or_lost_when_rows_go(catalog: Catalog) -> None:
    rows.account(catalog)
    app = rows.app(catalog)
    first = rows.done(catalog, app, 100)
    before = read_counters(catalog, LATER)
    for _ in range(2):
        store_counters(catalog, LATER)
    forget_events(catalog, LATER)
    mark_deleting(catalog, first.id, 0, SYSTEM)
    delete_row(catalog, first.id, 101 * rows.SECOND)
    after = read_counters(catalog, LATER)
    assert after.ended == before.ended == {"backup": {"successful": 1}}
    assert after.events == {**before.events, "backup.deleted": 1}
    rows.done(catalog, app, 200)
    store_counters(catalog, LATER)
    assert read_counters(catalog, LATER).ended == {"backup": {"successful": 2}}
    assert msgspec.json.decode(catalog.fact("tally") or "")["ended"] == {"backup": {"successful": 2}}


def test_where_accounts_commit_side_by_side_young_events_wait(catalog: Catalog) -> None:
    rows.account(catalog)
    app = rows.app(catalog)
    insert_backup(catalog, rows.backup(app, 100), SYSTEM)
    start_backup(catalog, rows.backup(app, 100).id, "main", 101 * rows.SECOND)
    store_counters(catalog, 130 * rows.SECOND)
    counted = sum(read_counters(catalog, 130 * rows.SECOND).events.values())
    assert counted == (2 if catalog.commits_in_order else 0)
    assert sum(read_counters(catalog, 200 * rows.SECOND).events.values()) == 2
