"""The routes of an account: its applications, what retention does with them, its plan."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import (
    BYTES,
    COUNT,
    FLAG,
    ID,
    ORIGIN,
    STATE,
    TEXT,
    TIME,
    TIME_OR_NULL,
    Json,
    object_of,
    ref,
)
from holdfast.web.api.openapi.operations import APP_ID, IF_NONE_MATCH, got, operation

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
_RULE: Json = {"type": "string", "pattern": "^[a-z_]+$"}

SCHEMAS: Json = {
    "Retention": object_of(
        {
            "rules": object_of(
                {
                    **{f"keep_{what}": COUNT for what in ("last", "hourly", "daily", "weekly", "monthly", "yearly")},
                    "keep_within": {"type": "string", "pattern": "^([1-9][0-9]{0,4}[hdw])?$"},
                }
            ),
            "backups": {
                "type": "array",
                "items": object_of(
                    {
                        "id": ID,
                        "name": TEXT,
                        "created_at": TIME,
                        "state": STATE,
                        "origin": ORIGIN,
                        "goes": FLAG,
                        "kept_by": {"type": "array", "items": _RULE, "description": "Why it stays."},
                        "goes_by": {"type": ["string", "null"], "description": "Why it goes; null: it stays."},
                    }
                ),
            },
            "kept": COUNT,
            "going": COUNT,
        }
    ),
    "App": object_of(
        {
            "id": ID,
            "name": TEXT,
            "created_at": TIME,
            "last_good_backup_at": TIME_OR_NULL,
            "next_backup_at": {**TIME_OR_NULL, "description": "Null: the application has no schedule."},
            "overdue_since": {**TIME_OR_NULL, "description": "Null: it is not overdue."},
            "storage": {**BYTES, "description": "Bytes that its backups added to the store."},
        }
    ),
    "Account": object_of(
        {
            "id": {"type": "string", "pattern": "^[a-z0-9]+$"},
            "email": TEXT,
            "plan": TEXT,
            "created_at": TIME,
            "usage": object_of(
                {
                    "apps": COUNT,
                    "backups": COUNT,
                    "storage": BYTES,
                    "backups_today": {**COUNT, "description": "Taken by hand in the last 24 hours; failed ones not."},
                }
            ),
            "limits": object_of(_LIMITS),
        }
    ),
    "Plan": object_of(
        {
            "name": TEXT,
            "rank": COUNT,
            "api_backups": {**FLAG, "description": "Whether the API's backups are included."},
            **_LIMITS,
        }
    ),
}


def paths() -> Json:
    """The operations, by path and method."""
    app = ref("App")
    return {
        "/v3/apps": {
            "get": operation(
                "listApps",
                "The account's applications",
                got({"type": "array", "items": app}, "The applications."),
                parameters=(IF_NONE_MATCH,),
            )
        },
        "/v3/apps/{app_id}": {
            "get": operation("getApp", "One application", got(app, "It."), (404,), parameters=(APP_ID, IF_NONE_MATCH))
        },
        "/v3/apps/{app_id}/retention": {
            "get": operation(
                "previewRetention",
                "What retention would do with the application's backups",
                got(ref("Retention"), "Each backup with what keeps it, or what lets it go. Nothing is changed."),
                (402, 404),
                parameters=(APP_ID, IF_NONE_MATCH),
                description="A backup goes only after a newer good one has succeeded. The rules look at scheduled and "
                "safety backups; what was taken by hand or imported goes only by the plan's caps, and last.",
            )
        },
        "/v3/account": {
            "get": operation(
                "getAccount",
                "The account, its plan and its usage",
                got(ref("Account"), "The account."),
                parameters=(IF_NONE_MATCH,),
            )
        },
        "/v3/plans": {
            "get": operation(
                "listPlans",
                "The plans, lowest first",
                got({"type": "array", "items": ref("Plan")}, "The plans."),
                parameters=(IF_NONE_MATCH,),
                open_to_all=True,
            )
        },
    }
