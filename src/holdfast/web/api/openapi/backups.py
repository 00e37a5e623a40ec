"""The routes of backups: listed, started, imported, changed and deleted."""

from __future__ import annotations

from holdfast.schemas.backups import NAME_CHARACTERS_MAX
from holdfast.web.api.openapi.fields import (
    BYTES,
    COUNT,
    FLAG,
    ID,
    ID_PATTERN,
    NOTE,
    ORIGIN,
    PROGRESS_OR_NULL,
    STATE,
    TEXT,
    TIME,
    TIME_OR_NULL,
    Json,
    enveloped,
    object_of,
    ref,
)
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
_WAIT = query(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": WAIT_SECONDS_MAX},
    "Hold the answer until the backup is finished, at most so many seconds.",
)

_NAME_CHAR = r"[^/\x00-\x1f\x7f-\x9f]"
_GIVEN_NAME: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_CHARACTERS_MAX,
    "pattern": rf"^{_NAME_CHAR}*[^\s/\x00-\x1f\x7f-\x9f]{_NAME_CHAR}*$",
    "not": {"enum": [".", ".."]},
    "description": "No slash, no control characters, and not only blanks.",
}
_LISTED: Json = {
    "name": TEXT,
    "size": {**BYTES, "description": "Bytes of the zip as it is downloaded; 0 unless successful."},
    "modified": {**TIME, "description": "When it was finished."},
    "key": {
        "type": "string",
        "pattern": "^([0-9a-f]{40})?$",
        "description": "Opens the download; empty unless successful.",
    },
    "created_at": {**TIME, "description": "When it was started."},
    "is_successful": FLAG,
}
_FULL: Json = {
    **_LISTED,
    "id": ID,
    "app_id": ID,
    "state": STATE,
    "origin": ORIGIN,
    "url": {"type": ["string", "null"], "description": "The download, ready to use; null unless successful."},
    "files": COUNT,
    "content_size": {**BYTES, "description": "Bytes of the files."},
    "stored_size": {**BYTES, "description": "Bytes that this backup added to the store."},
    "is_locked": FLAG,
    "locked_until": TIME_OR_NULL,
    "error": {
        "oneOf": [NOTE, {"type": "null"}],
        "description": "Why it failed; of a successful one `DAMAGED` when some of it can't be read any more.",
    },
    "warnings": {"type": "array", "items": object_of({"path": TEXT, "code": TEXT, "message": TEXT})},
    "progress": PROGRESS_OR_NULL,
    "verified_at": TIME_OR_NULL,
    "restore_proved_at": TIME_OR_NULL,
}

SCHEMAS: Json = {
    "ListedBackup": object_of(_LISTED),
    "Backup": object_of(_FULL),
    "DeletedBackup": object_of({"id": ID, "freed_size": {**BYTES, "description": "Bytes that pruning will free."}}),
    "NewBackup": {
        "type": "object",
        "properties": {"name": _GIVEN_NAME, "is_locked": FLAG},
        "additionalProperties": False,
    },
    "BackupChange": {
        "type": "object",
        "properties": {"name": _GIVEN_NAME, "is_locked": FLAG, "locked_until": TIME_OR_NULL},
        "additionalProperties": False,
    },
    "BackupLog": object_of({"log": {"type": "array", "items": {**TEXT, "description": "A time and what was done."}}}),
}


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
                parameters=(APP_ID, _VIEW, PAGE_SIZE, _AFTER, IF_NONE_MATCH),
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
                {200: {"description": "Gone.", "content": json_of(enveloped(ref("DeletedBackup")))}},
                (402, 404, 409),
                parameters=one,
            ),
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
