"""The routes of schedules."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import BYTES, COUNT, NOTE, TEXT, TIME, Json, enveloped, object_of, ref
from holdfast.web.api.openapi.operations import APP_ID, IF_NONE_MATCH, got, json_of, operation

_IGNORED: Json = object_of(
    {
        "patterns": {
            "type": "array",
            "items": object_of({"pattern": TEXT, "source": TEXT, "line": COUNT, "files": COUNT, "bytes": BYTES}),
        },
        "paths": {
            "type": "array",
            "items": object_of({"path": TEXT, "kind": TEXT, "files": COUNT, "bytes": BYTES, "pattern": TEXT}),
        },
        "more_paths": COUNT,
        "more_files": COUNT,
        "more_bytes": BYTES,
        "files": COUNT,
        "bytes": BYTES,
        "total_files": COUNT,
        "total_bytes": BYTES,
        "notices": {"type": "array", "items": TEXT},
    }
)
_RETENTION: Json = {
    **{
        f"keep_{what}": {**COUNT, "maximum": 100_000}
        for what in ("last", "hourly", "daily", "weekly", "monthly", "yearly")
    },
    "keep_within": {"type": "string", "pattern": "^([1-9][0-9]{0,4}[hdw])?$", "description": "Like 36h, 30d or 8w."},
}
_PATTERNS: Json = {"type": "array", "items": TEXT, "description": "In gitignore syntax."}
_CRON: Json = {
    "type": ["string", "null"],
    "examples": ["0 3 * * *"],
    "description": "Five fields, or `@daily` and the like, in the instance's time zone. Null: never.",
}

SCHEMAS: Json = {
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
    "Schedule": object_of(
        {
            "cron": _CRON,
            "retention": object_of(_RETENTION),
            "ignore": _PATTERNS,
            "next_runs": {"type": "array", "items": TIME},
            "time_zone": TEXT,
            "ignored": {
                "oneOf": [_IGNORED, {"type": "null"}],
                "description": "What the patterns, and those of `.backupignore`, leave out of the folder as it is now.",
            },
            "ignored_error": {"oneOf": [NOTE, {"type": "null"}], "description": "Why that is not known."},
            "notices": {"type": "array", "items": TEXT, "description": "Sentences for who sets it."},
        }
    ),
}


def paths() -> Json:
    """The operations, by path and method."""
    schedule = ref("Schedule")
    set_it = {200: {"description": "The schedule as it is now.", "content": json_of(enveloped(schedule))}}
    return {
        "/v3/apps/{app_id}/schedule": {
            "get": operation(
                "getSchedule",
                "When an application is backed up by itself, and what of that is kept",
                got(schedule, "The schedule, with its next five runs and what its patterns leave out now."),
                (402, 404),
                parameters=(APP_ID, IF_NONE_MATCH),
            ),
            "put": operation(
                "setSchedule",
                "Set an application's schedule",
                set_it,
                (402, 404, 413),
                parameters=(APP_ID,),
                body="NewSchedule",
                description="Replaces the whole schedule: what is left out is as if it was never set. `cron` can't be "
                "left out; null ends the backups by themselves.",
            ),
        }
    }
