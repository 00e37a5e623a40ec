"""A catalog from before failures had two texts: what it has becomes the operator's, and customers get sentences."""

from __future__ import annotations

import json
from typing import Any

from kit import rows
from kit.older_catalog import call_it
from sqlalchemy import text

from holdfast.catalog.backups.changes.asked import insert_backup
from holdfast.catalog.backups.changes.run import fail_backup
from holdfast.catalog.backups.found import backup_by_id, log_of
from holdfast.catalog.database.engine import Catalog, open_catalog
from holdfast.catalog.events.log import events_after
from holdfast.catalog.jobs.rows import finish_job, insert_job, job_by_id
from holdfast.catalog.records import SYSTEM, Job, JobState

PATH = "/srv/apps/bot"
SENTENCE = f"The application's folder {PATH} does not exist; put it back."


def job(number: int, backup_id: str, account_id: str, request: dict[str, Any]) -> Job:
    ids = (f"j{number}", account_id, f"app{number}", backup_id)
    return Job(
        *ids, "restore", JobState.QUEUED, json.dumps(request), None, None, None, None, False, "main", number, None
    )


NEW = (("backups", "error_detail"), ("jobs", "error_detail"), ("jobs", "is_hidden"), ("events", "is_hidden"))
LATER = (("accounts", "trash_bytes"),)


def as_before(catalog: Catalog) -> None:
    """Take away what the migration brings, and those after it."""
    change = text("UPDATE events SET data = :data WHERE seq = :seq")
    with catalog.write() as connection:
        for table, column in (*NEW, *LATER):
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
        for seq, data in connection.execute(text("SELECT seq, data FROM events")).all():
            old = {name: value for name, value in json.loads(data).items() if name != "detail"}
            connection.execute(change, {"data": json.dumps(old), "seq": seq})
        connection.execute(text("DELETE FROM days"))
        call_it("0010", connection)


def test_what_is_there_is_divided(url: str) -> None:
    catalog = open_catalog(url, create=True)
    account = rows.account(catalog)
    app = rows.app(catalog)
    good = rows.done(catalog, app, 1)
    failed = rows.backup(app, 2)
    insert_backup(catalog, failed, SYSTEM)
    log = json.dumps([[1, "Started.", False], [2, f"Failed (SOURCE_MISSING): {SENTENCE}", False]])
    fail_backup(catalog, failed.id, "SOURCE_MISSING", SENTENCE, 3, log=log)
    for number, request in (
        (1, {"to": PATH}),
        (2, {"to": None, "database": None}),
        (3, {"database": {"name": "a", "to": {"dsn": "redis://inside"}}}),
    ):
        insert_job(catalog, job(number, good.id, account.id, request), SYSTEM)
    why = {"error_code": "TARGET_ERROR", "error_message": f"{PATH} cannot be written."}
    finish_job(catalog, "j1", JobState.FAILED, 9, **why)
    staging = {"warnings": [{"path": "", "code": "STAGING_LEFT", "message": f"It lies in {PATH}."}]}
    finish_job(catalog, "j2", JobState.SUCCESSFUL, 9, result=json.dumps(staging))
    as_before(catalog)
    catalog.close()

    catalog = open_catalog(url)
    found = backup_by_id(catalog, failed.id)
    assert found is not None
    assert found.error_detail == SENTENCE
    assert "folder is not there" in (found.error_message or "")
    lines = json.loads(log_of(catalog, failed.id) or "[]")
    assert [(PATH in line, is_private) for _, line, is_private in lines] == [
        (False, False),
        (False, False),
        (True, True),
    ]
    one, two, three = (job_by_id(catalog, f"j{number}") for number in (1, 2, 3))
    assert one is not None
    assert two is not None
    assert three is not None
    assert [one.is_hidden, two.is_hidden, three.is_hidden] == [True, False, True]
    assert one.error_detail == why["error_message"]
    assert PATH not in (one.error_message or "") + (two.result or "")
    seen = events_after(catalog, 0, 100, account_id=account.id)
    assert "j1" not in {event.job_id for event in seen}
    (event,) = [event for event in seen if event.kind == "backup.failed"]
    assert event.data["detail"] == SENTENCE
    assert PATH not in event.data["message"]
    catalog.close()
