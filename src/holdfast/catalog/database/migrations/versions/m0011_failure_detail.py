"""A failure has two texts, the customer's and the operator's; the operator's own restores are marked as such.

What was recorded of a failure so far was one text, which may name folders and servers: it becomes the operator's, and
the customer gets the sentence of its code, as it was when this was written.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

BATCH = 500

_OWN = (
    "APP_NOT_FOUND", "ARCHIVE_TOO_LARGE", "BACKUP_NOT_FOUND", "BACKUP_NOT_USABLE", "CANCELLED", "DATABASE_BUSY",
    "DATABASE_UNREADABLE", "DAMAGED", "INTERRUPTED", "INVALID_ARCHIVE", "INVALID_PATH", "NOT_PROVED", "PATH_NOT_FOUND",
    "PRUNED_MEANWHILE", "SOURCE_CHANGED", "SOURCE_TOO_LARGE", "TARGET_IN_THE_WAY",
)  # fmt: skip
"""Codes whose texts never named anything of the machine."""

_HOST = "; your host has to see to it, and has the details."
_WHY = {
    "BACKUP_DAMAGED": "a part of the backup is lost or damaged; use another backup.",
    "CATALOG_UNREACHABLE": "the catalog of the backups could not be reached; try again.",
    "DATABASE_UNREACHABLE": "a database of the application does not answer or refuses the login" + _HOST,
    "DUMP_FAILED": "the dump of a database of the application broke off or is incomplete; try again.",
    "HOOK_FAILED": "the command that your host runs before a copy failed" + _HOST,
    "SAFETY_BACKUP_FAILED": "its safety backup failed, so nothing was changed" + _HOST,
    "SCRATCH_FAILED": "a disk of your host did not work" + _HOST,
    "SCRATCH_FULL": "the host's disk is full" + _HOST,
    "SOURCE_MISSING": "the application's folder is not there; if you did not remove it, ask your host.",
    "SOURCE_UNREADABLE": "the application's folder could not be read" + _HOST,
    "STORE_ERROR": "the store of the backups did not work" + _HOST,
    "STORE_FULL": "the store of the backups is full" + _HOST,
    "STORE_UNREACHABLE": "the store of the backups cannot be reached" + _HOST,
    "TARGET_ERROR": "the folder to restore to could not be written" + _HOST,
    "TARGET_FULL": "the disk of the folder to restore to, or another one of your host, is full" + _HOST,
    "TARGET_UNREADABLE": "the folder to restore to could not be read" + _HOST,
    "VAULT_ERROR": "the stored backups could not be read or written as they should" + _HOST,
}
_ELSE = "something did not work as it should" + _HOST
_SUBJECTS = {
    "backup": "The backup",
    "restore": "The restore",
    "verify": "The verification",
    "prove": "The test restore",
}


def upgrade() -> None:
    """Add the columns, and divide what is there."""
    op.add_column("backups", sa.Column("error_detail", sa.Text))
    op.add_column("jobs", sa.Column("error_detail", sa.Text))
    for table in ("jobs", "events"):
        op.add_column(table, sa.Column("is_hidden", sa.Boolean, nullable=False, server_default=sa.false()))
    connection = op.get_bind()
    _divide_backups(connection)
    _divide_jobs(connection)
    _divide_events(connection)


def _sentence(kind: str, code: str, message: str) -> str:
    if code in _OWN:
        return message
    return f"{_SUBJECTS.get(kind, 'It')} failed, as {_WHY.get(code, _ELSE)}"


def _rows(connection: sa.Connection, columns: str, table: str, key: str, condition: str) -> Iterator[list[Any]]:
    """Yield the rows of a table with a condition, in pages in the order of their key, which is their first column."""
    first = sa.text(f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY {key} LIMIT {BATCH}")
    query = sa.text(f"SELECT {columns} FROM {table} WHERE {key} > :after AND {condition} ORDER BY {key} LIMIT {BATCH}")
    page = list(connection.execute(first).all())
    while page:
        yield page
        page = list(connection.execute(query, {"after": page[-1][0]}).all())


def _divide_backups(connection: sa.Connection) -> None:
    change = sa.text(
        "UPDATE backups SET error_detail = error_message, error_message = :message, log = :log WHERE id = :id"
    )
    for page in _rows(connection, "id, error_code, error_message, log", "backups", "id", "error_code IS NOT NULL"):
        values = []
        for row in page:
            message = _sentence("backup", row.error_code, row.error_message or "")
            values.append({"id": row.id, "message": message, "log": _divided_log(row.log, row.error_code, message)})
        connection.execute(change, values)


def _divided_log(log: str | None, code: str, message: str) -> str | None:
    """Return a log whose last line, which has the reason, is the operator's, and the customer's sentence before it."""
    if log is None:
        return None
    begin = f"Failed ({code}): "
    lines: list[list[Any]] = []
    for line in json.loads(log):
        at, text, *private = line
        if text.startswith(begin) and not any(private):
            lines += [[at, begin + message, False], [at, f"  | {text.removeprefix(begin)}", True]]
        else:
            lines.append(line)
    return json.dumps(lines, ensure_ascii=False, separators=(",", ":"))


def _divide_jobs(connection: sa.Connection) -> None:
    columns = "id, kind, request, result, error_code, error_message"
    change = sa.text(
        "UPDATE jobs SET error_detail = error_message, error_message = :message, result = :result, "
        "is_hidden = :is_hidden WHERE id = :id"
    )
    mark = sa.text("UPDATE events SET is_hidden = :is_hidden WHERE backup_id = :backup_id AND job_id = :id")
    condition = "error_code IS NOT NULL OR kind = 'restore'"
    for page in _rows(connection, f"{columns}, backup_id", "jobs", "id", f"({condition})"):
        values = [
            {
                "id": row.id,
                "backup_id": row.backup_id,
                "message": row.error_code and _sentence(row.kind, row.error_code, row.error_message or ""),
                "result": _cleared_result(row.result),
                "is_hidden": row.kind == "restore" and _is_hidden(row.request),
            }
            for row in page
        ]
        connection.execute(change, [{k: v for k, v in one.items() if k != "backup_id"} for one in values])
        theirs = [{k: one[k] for k in ("id", "backup_id", "is_hidden")} for one in values if one["is_hidden"]]
        if theirs:
            connection.execute(mark, theirs)


def _is_hidden(request: str) -> bool:
    """True for a restore to a folder or a database that only the operator can have named."""
    wanted = json.loads(request)
    return bool(wanted.get("to") or (wanted.get("database") or {}).get("to"))


def _cleared_result(result: str | None) -> str | None:
    """Return the result of a job whose warnings name no folder outside of the application."""
    if result is None or "STAGING_LEFT" not in result:
        return result
    done = json.loads(result)
    for warning in done.get("warnings", ()):
        if warning["code"] == "STAGING_LEFT":
            warning["message"] = "The restore is finished, but what it replaced could not be removed and takes room."
    return json.dumps(done, ensure_ascii=False, separators=(",", ":"))


def _divide_events(connection: sa.Connection) -> None:
    kinds = "'backup.failed', 'backup.overdue', 'restore.finished', 'verify.finished', 'prove.finished'"
    change = sa.text("UPDATE events SET data = :data WHERE seq = :seq")
    for page in _rows(connection, "seq, kind, data", "events", "seq", f"kind IN ({kinds})"):
        values = []
        for row in page:
            data = json.loads(row.data)
            why = data.get("error") if row.kind == "backup.overdue" else data
            if why and why.get("code"):
                kind = row.kind.partition(".")[0]
                message = why.get("message") or ""
                why |= {"message": _sentence(kind, why["code"], message), "detail": message}
                values.append({"seq": row.seq, "data": json.dumps(data, ensure_ascii=False, separators=(",", ":"))})
        if values:
            connection.execute(change, values)
