"""The schemas of the OpenAPI document: what stands in the envelope."""

from __future__ import annotations

from typing import Any

from holdfast.catalog.records import NOTICE_KINDS
from holdfast.service.endpoints import LABEL_CHARACTERS_MAX
from holdfast.service.names import NAME_CHARACTERS_MAX

Json = dict[str, Any]

_TIME: Json = {"type": "string", "format": "date-time", "examples": ["2024-12-07T22:07:11+01:00"]}
_TIME_OR_NULL: Json = {"type": ["string", "null"], "format": "date-time"}
_BYTES: Json = {"type": "integer", "minimum": 0}
_COUNT: Json = {"type": "integer", "minimum": 0}
_ID: Json = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_ID_OR_NULL: Json = {"type": ["string", "null"], "pattern": "^[0-9a-f]{32}$"}
_TEXT: Json = {"type": "string"}
_FLAG: Json = {"type": "boolean"}
_LIMIT: Json = {"type": ["integer", "null"], "minimum": 1, "description": "Null: no limit."}
_LIMITS: Json = {
    "backups_per_app": _LIMIT,
    "backups_per_day": {**_LIMIT, "description": "Taken by hand in any 24 hours. Null: no limit."},
    "storage": _LIMIT,
    "cooldown_seconds": {**_LIMIT, "description": "Between two backups of an application. Null: none."},
    "account_cooldown_seconds": {**_LIMIT, "description": "Between two backups of the account. Null: none."},
    "keep_days_max": {**_LIMIT, "description": "So long a backup is kept at most, the newest excepted. Null: no end."},
    "schedule_minutes_min": {**_LIMIT, "description": "The shortest time between two scheduled backups. Null: none."},
}
_NAME_CHAR = r"[^/\x00-\x1f\x7f-\x9f]"
GIVEN_NAME: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": NAME_CHARACTERS_MAX,
    "pattern": rf"^{_NAME_CHAR}*[^\s/\x00-\x1f\x7f-\x9f]{_NAME_CHAR}*$",
    "not": {"enum": [".", ".."]},
    "description": "No slash, no control characters, and not only blanks.",
}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Json, **more: Any) -> Json:
    """An object with exactly these properties, all of them there."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **more,
    }


def enveloped(response: Json) -> Json:
    """A successful answer around a schema."""
    return _object({"status": {"type": "string", "const": "success"}, "response": response})


_LISTED: Json = {
    "name": _TEXT,
    "size": {**_BYTES, "description": "Bytes of the zip as it is downloaded; 0 unless successful."},
    "modified": {**_TIME, "description": "When it was finished."},
    "key": {
        "type": "string",
        "pattern": "^([0-9a-f]{40})?$",
        "description": "Opens the download; empty unless successful.",
    },
    "created_at": {**_TIME, "description": "When it was started."},
    "is_successful": _FLAG,
}

_NOTE: Json = _object({"code": _TEXT, "message": _TEXT})

_STATE: Json = {"type": "string", "enum": ["queued", "running", "successful", "failed", "deleting"]}
_ORIGIN: Json = {"type": "string", "enum": ["manual", "scheduled", "safety", "imported"]}

_FULL: Json = {
    **_LISTED,
    "id": _ID,
    "app_id": _ID,
    "state": _STATE,
    "origin": _ORIGIN,
    "url": {"type": ["string", "null"], "description": "The download, ready to use; null unless successful."},
    "files": _COUNT,
    "content_size": {**_BYTES, "description": "Bytes of the files."},
    "stored_size": {**_BYTES, "description": "Bytes that this backup added to the store."},
    "is_locked": _FLAG,
    "locked_until": _TIME_OR_NULL,
    "error": {
        "oneOf": [_NOTE, {"type": "null"}],
        "description": "Why it failed; of a successful one `DAMAGED` when some of it can't be read any more.",
    },
    "warnings": {"type": "array", "items": _object({"path": _TEXT, "code": _TEXT, "message": _TEXT})},
    "progress": {
        "oneOf": [
            _object({"files": _COUNT, "bytes": _BYTES, "total_files": _COUNT, "total_bytes": _BYTES}),
            {"type": "null"},
        ]
    },
    "verified_at": _TIME_OR_NULL,
    "restore_proved_at": _TIME_OR_NULL,
}

_KIND: Json = {"enum": ["file", "folder", "symlink"]}
_BYTES_OR_NULL: Json = {"type": ["integer", "null"], "minimum": 0}
_VERSION: Json = _object(
    {
        "kind": _KIND,
        "size": _BYTES,
        "mtime": _TIME,
        "backups": {"type": "array", "items": _object({"id": _ID, "name": _TEXT, "created_at": _TIME})},
    }
)
_PATHS: Json = {
    "type": "array",
    "items": _object({"path": _TEXT, "kind": {"enum": ["file", "folder", "symlink"]}, "size": _BYTES}),
}

_IGNORED: Json = _object(
    {
        "patterns": {
            "type": "array",
            "items": _object({"pattern": _TEXT, "source": _TEXT, "line": _COUNT, "files": _COUNT, "bytes": _BYTES}),
        },
        "paths": {
            "type": "array",
            "items": _object({"path": _TEXT, "kind": _TEXT, "files": _COUNT, "bytes": _BYTES, "pattern": _TEXT}),
        },
        "more_paths": _COUNT,
        "more_files": _COUNT,
        "more_bytes": _BYTES,
        "files": _COUNT,
        "bytes": _BYTES,
        "total_files": _COUNT,
        "total_bytes": _BYTES,
        "notices": {"type": "array", "items": _TEXT},
    }
)
_RETENTION: Json = {
    **{
        f"keep_{what}": {**_COUNT, "maximum": 100_000}
        for what in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
    },
    "keep_within": {"type": "string", "pattern": "^([1-9][0-9]{0,4}[hdw])?$", "description": "Like 36h, 30d or 8w."},
}
_PATTERNS: Json = {"type": "array", "items": _TEXT, "description": "In gitignore syntax."}
_CRON: Json = {
    "type": ["string", "null"],
    "examples": ["0 3 * * *"],
    "description": "Five fields, or `@daily` and the like, in the instance's time zone. Null: never.",
}
_RULE: Json = {"type": "string", "pattern": "^[a-z_]+$"}
_DELIVERY: Json = _object(
    {
        "id": {**_ID, "description": "The header `webhook-id` is `msg_` and this, at every attempt."},
        "type": {**_TEXT, "description": "The event, or `webhook.test`."},
        "state": {"enum": ["pending", "delivered", "failed"]},
        "attempts": _COUNT,
        "created_at": _TIME,
        "next_attempt_at": _TIME_OR_NULL,
        "finished_at": _TIME_OR_NULL,
        "status": {"type": ["integer", "null"], "description": "The HTTP status of the last attempt."},
        "error": {"type": ["string", "null"], "description": "Why the last attempt failed."},
    }
)
_EVENTS: Json = {
    "type": "array",
    "minItems": 1,
    "items": {"enum": [str(kind) for kind in NOTICE_KINDS]},
    "description": "Of which events; by default all but `backup.finished`.",
}
_LABEL: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": LABEL_CHARACTERS_MAX,
    "pattern": r"^[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*$",
    "description": "What it is called in lists; by default what may be shown of its URL. Any printable text.",
}
_WEBHOOK: Json = {
    "id": _ID,
    "kind": {"enum": ["webhook", "apprise"]},
    "label": _TEXT,
    "events": _EVENTS,
    "created_at": _TIME,
    "disabled_at": {**_TIME_OR_NULL, "description": "Since when nothing is sent to it."},
    "last_delivery": {"oneOf": [_DELIVERY, {"type": "null"}]},
}

_JOB: Json = {
    "id": _ID,
    "kind": {**_TEXT, "description": "`backup`, `restore`, `verify` or `prove`."},
    "app_id": _ID,
    "backup_id": _ID,
    "state": {"type": "string", "enum": ["queued", "running", "successful", "failed", "cancelled"]},
    "created_at": _TIME,
    "finished_at": _TIME_OR_NULL,
    "progress": {
        "oneOf": [
            _object({"files": _COUNT, "bytes": _BYTES, "total_files": _COUNT, "total_bytes": _BYTES}),
            {"type": "null"},
        ]
    },
    "result": {"type": ["object", "null"], "description": "What a finished job did."},
    "error": {"oneOf": [_NOTE, {"type": "null"}]},
}

SCHEMAS: Json = {
    "Error": _object(
        {
            "status": {"type": "string", "const": "error"},
            "code": {"type": "string", "pattern": "^[A-Z][A-Z0-9_]*$"},
            "message": {"type": "string", "minLength": 1, "description": "One sentence for a person."},
        }
    ),
    "ListedBackup": _object(_LISTED),
    "Backup": _object(_FULL),
    "DeletedBackup": _object({"id": _ID, "freed_size": {**_BYTES, "description": "Bytes that pruning will free."}}),
    "NewBackup": {
        "type": "object",
        "properties": {"name": GIVEN_NAME, "is_locked": _FLAG},
        "additionalProperties": False,
    },
    "BackupChange": {
        "type": "object",
        "properties": {"name": GIVEN_NAME, "is_locked": _FLAG, "locked_until": _TIME_OR_NULL},
        "additionalProperties": False,
    },
    "File": _object(
        {
            "name": _TEXT,
            "path": _TEXT,
            "kind": _KIND,
            "size": _BYTES,
            "mode": {"type": "string", "pattern": "^[0-7]{4}$"},
            "mtime": _TIME,
            "target": {"type": ["string", "null"], "description": "Where a symbolic link points."},
        }
    ),
    "Diff": _object(
        {
            "added": _COUNT,
            "removed": _COUNT,
            "changed": _COUNT,
            "metadata": {**_COUNT, "description": "Same content; other rights, owner or times."},
            "paths": {
                "type": "array",
                "items": _object(
                    {
                        "path": _TEXT,
                        "kind": _KIND,
                        "what": {"enum": ["added", "removed", "changed", "metadata"]},
                        "size_before": _BYTES_OR_NULL,
                        "size_after": _BYTES_OR_NULL,
                    }
                ),
            },
            "is_truncated": _FLAG,
        }
    ),
    "Finds": _object(
        {
            "paths": {
                "type": "array",
                "items": _object({"path": _TEXT, "versions": {"type": "array", "items": _VERSION}}),
            },
            "is_truncated": _FLAG,
            "unreadable": {"type": "array", "items": _object({"id": _ID, "message": _TEXT})},
        }
    ),
    "Restore": {
        "type": "object",
        "properties": {
            "paths": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "description": "Only these, with all below them; none: everything.",
            },
            "target_app_id": {**_ID, "description": "Another application of the account to restore into."},
            "mode": {
                "type": "string",
                "enum": ["mirror", "overlay"],
                "description": "`mirror` removes what the backup does not have, `overlay` leaves it.",
            },
            "dry_run": {**_FLAG, "description": "Only say what would change."},
            "safety_backup": {**_FLAG, "description": "Take a backup first, so that the restore can be undone."},
        },
        "additionalProperties": False,
    },
    "RestorePreview": _object(
        {
            "added": _COUNT,
            "changed": _COUNT,
            "removed": _COUNT,
            "write_bytes": _BYTES,
            "paths_added": _PATHS,
            "paths_changed": _PATHS,
            "paths_removed": _PATHS,
            "is_truncated": {**_FLAG, "description": "Whether the lists show only the first thousand each."},
        }
    ),
    "BackupLog": _object({"log": {"type": "array", "items": {**_TEXT, "description": "A time and what was done."}}}),
    "Job": _object(_JOB),
    "JobWithLog": _object({**_JOB, "log": {"type": "array", "items": _object({"at": _TIME, "message": _TEXT})}}),
    "Event": _object(
        {
            "seq": {"type": ["integer", "null"], "description": "Its number, also the `id` of the stream."},
            "kind": _TEXT,
            "at": _TIME_OR_NULL,
            "app_id": _ID_OR_NULL,
            "backup_id": _ID_OR_NULL,
            "job_id": _ID_OR_NULL,
            "data": {"type": "object", "description": "What belongs to this kind of event."},
        }
    ),
    "Retention": _object(
        {
            "rules": _object(
                {
                    **{f"keep_{what}": _COUNT for what in ("last", "hourly", "daily", "weekly", "monthly", "yearly")},
                    "keep_within": {"type": "string", "pattern": "^([1-9][0-9]{0,4}[hdw])?$"},
                }
            ),
            "backups": {
                "type": "array",
                "items": _object(
                    {
                        "id": _ID,
                        "name": _TEXT,
                        "created_at": _TIME,
                        "state": _STATE,
                        "origin": _ORIGIN,
                        "goes": _FLAG,
                        "kept_by": {"type": "array", "items": _RULE, "description": "Why it stays."},
                        "goes_by": {"type": ["string", "null"], "description": "Why it goes; null: it stays."},
                    }
                ),
            },
            "kept": _COUNT,
            "going": _COUNT,
        }
    ),
    "App": _object(
        {
            "id": _ID,
            "name": _TEXT,
            "created_at": _TIME,
            "last_good_backup_at": _TIME_OR_NULL,
            "next_backup_at": {**_TIME_OR_NULL, "description": "Null: the application has no schedule."},
            "overdue_since": {**_TIME_OR_NULL, "description": "Null: it is not overdue."},
            "storage": {**_BYTES, "description": "Bytes that its backups added to the store."},
        }
    ),
    "NewSchedule": {
        "type": "object",
        "properties": {
            "cron": _CRON,
            "retention": {"type": "object", "properties": _RETENTION, "additionalProperties": False},
            "ignore": _PATTERNS,
        },
        "required": ["cron"],
        "additionalProperties": False,
    },
    "Schedule": _object(
        {
            "cron": _CRON,
            "retention": _object(_RETENTION),
            "ignore": _PATTERNS,
            "next_runs": {"type": "array", "items": _TIME},
            "time_zone": _TEXT,
            "ignored": {
                "oneOf": [_IGNORED, {"type": "null"}],
                "description": "What the patterns, and those of `.backupignore`, leave out of the folder as it is now.",
            },
            "ignored_error": {"oneOf": [_NOTE, {"type": "null"}], "description": "Why that is not known."},
            "notices": {"type": "array", "items": _TEXT, "description": "Sentences for who sets it."},
        }
    ),
    "Account": _object(
        {
            "id": {"type": "string", "pattern": "^[a-z0-9]+$"},
            "email": _TEXT,
            "plan": _TEXT,
            "created_at": _TIME,
            "usage": _object(
                {
                    "apps": _COUNT,
                    "backups": _COUNT,
                    "storage": _BYTES,
                    "backups_today": {**_COUNT, "description": "Taken by hand in the last 24 hours; failed ones not."},
                }
            ),
            "limits": _object(_LIMITS),
        }
    ),
    "Webhook": _object(_WEBHOOK),
    "WebhookWithSecret": _object(
        {**_WEBHOOK, "secret": {"type": ["string", "null"], "description": "`whsec_...`; null for apprise."}}
    ),
    "NewWebhook": {
        "type": "object",
        "properties": {"url": {"type": "string", "minLength": 1}, "events": _EVENTS, "label": _LABEL},
        "required": ["url"],
        "additionalProperties": False,
    },
    "WebhookChange": {
        "type": "object",
        "properties": {
            "events": _EVENTS,
            "label": _LABEL,
            "is_enabled": {**_FLAG, "description": "False: send it nothing; what waits for it is given up."},
        },
        "additionalProperties": False,
    },
    "DeletedWebhook": _object({"id": _ID}),
    "Delivery": _DELIVERY,
    "Plan": _object(
        {
            "name": _TEXT,
            "rank": _COUNT,
            "api_backups": {**_FLAG, "description": "Whether the API's backups are included."},
            **_LIMITS,
        }
    ),
    "Health": _object({"ok": {"type": "boolean", "const": True}}),
}
