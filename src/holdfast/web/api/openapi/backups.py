"""The routes of backups: listed, started, imported, changed and deleted."""

from __future__ import annotations

from holdfast.schemas.backups import GIVEN_NAME
from holdfast.schemas.fields import ID_PATTERN
from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import (
    APP_ID,
    BACKUP_REF,
    IF_NONE_MATCH,
    LINK,
    PAGE_SIZE,
    got,
    json_of,
    operation,
    query,
)
from holdfast.web.http.request import IDEMPOTENCY_KEY_CHARS_MAX, WAIT_SECONDS_MAX

_LOCATION: Json = {"Location": {"schema": {"type": "string"}, "description": "The backup's own address."}}
# In words and not as a parameter: as a parameter it would claim that any two requests may carry any two keys, and
# tools that generate requests from this document would take the 422 of a key that came twice for a fault.
_ABOUT_KEYS = (
    f"With a header `Idempotency-Key` (1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters) the same request "
    "gives the same backup for 24 h, not another one; with another body the same key is refused (422)."
)
_AFTER = query("after", {"type": "string", "pattern": ID_PATTERN}, "Only what comes after the backup of this id.")
_VIEW = query("view", {"type": "string", "enum": ["full"]}, "`full` for the full objects.")
_TRASH = query("trash", {"type": "boolean"}, "`true`: what is in the trash, as full objects.")
_FINAL = query("final", {"type": "boolean"}, "`true`: not into the trash, and out of it: gone for good.")
_WAIT = query(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": WAIT_SECONDS_MAX},
    "Hold the answer until the backup is finished, at most so many seconds.",
)

_GIVEN_NAME: Json = {"type": "string", **GIVEN_NAME}


def paths() -> Json:
    """The operations, by path and method."""
    backup = ref("Backup")
    either = {"anyOf": [{"type": "array", "items": ref("ListedBackup")}, {"type": "array", "items": backup}]}
    one = (APP_ID, BACKUP_REF)
    return {
        "/v3/apps/{app_id}/backups": {
            "get": operation(
                "listBackups",
                "The application's backups, oldest first",
                got(either, "The list; with `view=full` of full objects.", LINK),
                (402, 404),
                parameters=(APP_ID, _VIEW, _TRASH, PAGE_SIZE, _AFTER, IF_NONE_MATCH),
                description="Only for the plan Silver and higher ones. Without a query the list is whole.",
            ),
            "post": operation(
                "startBackup",
                "Start a backup",
                {202: _made("It is queued or runs."), 200: _made("It finished while the answer was held.")},
                (402, 404, 409, 413, 422),
                parameters=(APP_ID, _WAIT),
                body="NewBackup",
                description=_ABOUT_KEYS,
            ),
        },
        "/v3/apps/{app_id}/backups/import": {"post": _import_operation()},
        "/v3/apps/{app_id}/backups/{backup}": {
            "get": operation(
                "getBackup", "One backup", got(backup, "The backup."), (402, 404), parameters=(*one, IF_NONE_MATCH)
            ),
            "patch": operation(
                "changeBackup",
                "Rename, lock or unlock a backup",
                {200: {"description": "The backup as it is now.", "content": json_of(enveloped(backup))}},
                (402, 404, 409, 413),
                parameters=one,
                body="BackupChange",
            ),
            "delete": operation(
                "deleteBackup",
                "Delete a backup",
                {200: {"description": "It is deleted.", "content": json_of(enveloped(ref("DeletedBackup")))}},
                (402, 404, 409),
                parameters=(*one, _FINAL),
                description="A successful one goes into the trash for 24 h: it is in no list, opens no download and "
                "counts in no limit, and its name stays taken. Others, and with `final=true` all, go at once.",
            ),
        },
        "/v3/apps/{app_id}/backups/{backup}/undelete": {
            "post": operation(
                "undeleteBackup",
                "Bring a backup back from the trash",
                {200: {"description": "The backup, as it was.", "content": json_of(enveloped(backup))}},
                (402, 404, 409),
                parameters=one,
                description="Under the same id, name and key. Retention looks at it again; lock it if it is to stay.",
            )
        },
        "/v3/apps/{app_id}/backups/{backup}/log": {
            "get": operation(
                "getBackupLog",
                "What was done when while a backup was made",
                got(ref("BackupLog"), "The lines, oldest first; none while it runs."),
                (402, 404),
                parameters=(*one, IF_NONE_MATCH),
            )
        },
        "/v3/backups": {
            "get": operation(
                "listAllBackups",
                "All backups of the account, newest first",
                got({"type": "array", "items": backup}, "A page of full objects.", LINK),
                (402, 404),
                parameters=(PAGE_SIZE, _AFTER, IF_NONE_MATCH),
            )
        },
    }


def _made(description: str) -> Json:
    return {"description": description, "content": json_of(enveloped(ref("Backup"))), "headers": _LOCATION}


def _import_operation() -> Json:
    imported = operation(
        "importBackup",
        "Make an uploaded archive a backup",
        {202: _made("It is queued or runs."), 200: _made("It finished while the answer was held.")},
        (402, 404, 409, 413),
        parameters=(APP_ID, query("name", _GIVEN_NAME, "A name for the backup."), _WAIT),
        description=(
            "The body is the archive itself: a zip or a tar, also in gzip, xz, bzip2 or zstd; its Content-Type doesn't "
            "matter. What can't be a backup is refused: at once with `INVALID_ARCHIVE`, or, when only unpacking tells, "
            "by a backup whose `state` is `failed` and whose `error` names the member."
        ),
    )
    imported["requestBody"] = {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
    return imported
