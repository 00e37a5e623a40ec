"""The OpenAPI document of the API, written out by hand from the contract.

Not generated from the handlers, because their framework would describe errors of its own shape and none of the
headers. `tests/web/test_openapi.py` holds the two together: the same routes, and every answer fits its schema.
"""

from __future__ import annotations

from typing import Any

from holdfast.web.inputs import IDEMPOTENCY_KEY_CHARS_MAX, PAGE_MAX, WAIT_SECONDS_MAX
from holdfast.web.openapi_schemas import GIVEN_NAME, SCHEMAS, enveloped, ref

Json = dict[str, Any]

_ID_PATTERN = "^[0-9a-f]{32}$"

_ERRORS = {
    400: "A field is not what it must be; `code` names it: `INVALID_<FIELD>`, `INVALID_JSON_BODY`.",
    401: "`ACCESS_DENIED`: no API key, or one that is not known.",
    402: "`UPGRADE_REQUIRED`: the account's plan doesn't include this.",
    404: "No such thing, or not yours: `APP_NOT_FOUND`, `BACKUP_NOT_FOUND`, `PATH_NOT_FOUND`, `JOB_NOT_FOUND`, "
    "`WEBHOOK_NOT_FOUND`.",
    405: "`METHOD_NOT_ALLOWED`; the `Allow` header has the methods.",
    409: "In the wrong state; nothing was changed: `BACKUP_IN_PROGRESS`, `RESTORE_IN_PROGRESS`, `BACKUP_LOCKED`.",
    412: "`PRECONDITION_FAILED`: it is not the one that If-Match or If-Unmodified-Since names.",
    413: "`PAYLOAD_TOO_LARGE`",
    416: "`RANGE_NOT_SATISFIABLE`: the range lies outside; `Content-Range` has the length.",
    422: "`IDEMPOTENCY_KEY_REUSED`: the same key came with another request within 24 h.",
    429: "`KEEP_CALM` or a limit of the plan; wait as long as `Retry-After` says.",
    500: "`INTERNAL_SERVER_ERROR`, with a request id that the operator's log has too.",
    503: "`UNAVAILABLE`: shutting down, or the catalog or the store can't be reached.",
}

_ERROR_HEADERS: dict[int, Json] = {
    405: {"Allow": {"schema": {"type": "string"}}},
    416: {"Content-Range": {"schema": {"type": "string", "pattern": r"^bytes \*/\d+$"}}},
    429: {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
    503: {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}},
}

_ETAG: Json = {"ETag": {"schema": {"type": "string"}, "description": "Strong; send it back in If-None-Match."}}
_LINK: Json = {"Link": {"schema": {"type": "string"}, "description": 'With rel="next" while there is another page.'}}
_LOCATION: Json = {"Location": {"schema": {"type": "string"}, "description": "The backup's own address."}}

_ID: Json = {"type": "string", "pattern": _ID_PATTERN}
_APP_ID: Json = {
    "name": "app_id",
    "in": "path",
    "required": True,
    "description": "The application's id, as in the URL of its dashboard page.",
    "schema": {"type": "string", "pattern": _ID_PATTERN},
}
_BACKUP_REF: Json = {
    "name": "backup",
    "in": "path",
    "required": True,
    "description": "The backup's `id`, or its percent-encoded `name`.",
    "schema": {"type": "string", "minLength": 1},
}
_IF_NONE_MATCH: Json = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
# In words and not as a parameter: as a parameter it would claim that any two requests may carry any two keys, and
# tools that generate requests from this document would take the 422 of a key that came twice for a fault.
_ABOUT_KEYS = (
    f"With a header `Idempotency-Key` (1 to {IDEMPOTENCY_KEY_CHARS_MAX} visible ASCII characters) the same request "
    "gives the same backup for 24 h, not another one; with another body the same key is refused (422)."
)


def _query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_NUMBER: Json = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_EVENTS: Json = {"schema": {"type": "string"}}
_LIMIT = _query("limit", {"type": "integer", "minimum": 1, "maximum": PAGE_MAX}, "How many at most.")
_AFTER = _query("after", {"type": "string", "pattern": _ID_PATTERN}, "Only what comes after the backup of this id.")
_VIEW = _query("view", {"type": "string", "enum": ["full"]}, "`full` for the full objects.")
_WAIT = _query(
    "wait",
    {"type": "integer", "minimum": 0, "maximum": WAIT_SECONDS_MAX},
    "Hold the answer until the backup is finished, at most so many seconds.",
)


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _error(status: int) -> Json:
    answer: Json = {"description": _ERRORS[status], "content": _json(ref("Error"))}
    if status in _ERROR_HEADERS:
        answer["headers"] = _ERROR_HEADERS[status]
    return answer


def _operation(
    name: str,
    summary: str,
    ok: dict[int, Json],
    errors: tuple[int, ...] = (),
    *,
    parameters: tuple[Json, ...] = (),
    body: str | None = None,
    open_to_all: bool = False,
    description: str | None = None,
) -> Json:
    always = (400, 500, 503) if open_to_all else (400, 401, 429, 500, 503)
    answers = {status: _error(status) for status in {*errors, *always}}
    operation: Json = {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {str(status): answer for status, answer in sorted({**answers, **ok}.items())},
    }
    if description:
        operation["description"] = description
    if open_to_all:
        operation["security"] = []
    if body is not None:
        operation["requestBody"] = {"required": False, "content": _json(ref(body))}
    return operation


def _got(schema: Json, description: str, headers: Json | None = None) -> dict[int, Json]:
    """A GET's answers: the thing with its ETag, or 304."""
    return {
        200: {"description": description, "content": _json(enveloped(schema)), "headers": {**_ETAG, **(headers or {})}},
        304: {"description": "Unchanged: If-None-Match names the ETag.", "headers": _ETAG},
    }


def _made(description: str) -> Json:
    return {"description": description, "content": _json(enveloped(ref("Backup"))), "headers": _LOCATION}


def _import_operation() -> Json:
    operation = _operation(
        "importBackup",
        "Make an uploaded archive a backup",
        {202: _made("It is queued or runs."), 200: _made("It finished while the answer was held.")},
        (402, 404, 409, 413),
        parameters=(_APP_ID, _query("name", GIVEN_NAME, "A name for the backup."), _WAIT),
        description=(
            "The body is the archive itself: a zip or a tar, also in gzip, xz, bzip2 or zstd; its Content-Type doesn't "
            "matter. What can't be a backup is refused: at once with `INVALID_ARCHIVE`, or, when only unpacking tells, "
            "by a backup whose `state` is `failed` and whose `error` names the member."
        ),
    )
    operation["requestBody"] = {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
    return operation


def _backups_paths() -> Json:
    backup = ref("Backup")
    either = {"anyOf": [{"type": "array", "items": ref("ListedBackup")}, {"type": "array", "items": backup}]}
    one = (_APP_ID, _BACKUP_REF)
    return {
        "/v3/apps/{app_id}/backups": {
            "get": _operation(
                "listBackups",
                "The application's backups, oldest first",
                _got(either, "The list; with `view=full` of full objects.", _LINK),
                (402, 404),
                parameters=(_APP_ID, _VIEW, _LIMIT, _AFTER, _IF_NONE_MATCH),
                description="Only for the plan Silver and higher ones. Without a query the list is whole.",
            ),
            "post": _operation(
                "startBackup",
                "Start a backup",
                {202: _made("It is queued or runs."), 200: _made("It finished while the answer was held.")},
                (402, 404, 409, 413, 422),
                parameters=(_APP_ID, _WAIT),
                body="NewBackup",
                description=_ABOUT_KEYS,
            ),
        },
        "/v3/apps/{app_id}/backups/import": {"post": _import_operation()},
        "/v3/apps/{app_id}/backups/{backup}": {
            "get": _operation(
                "getBackup", "One backup", _got(backup, "The backup."), (402, 404), parameters=(*one, _IF_NONE_MATCH)
            ),
            "patch": _operation(
                "changeBackup",
                "Rename, lock or unlock a backup",
                {200: {"description": "The backup as it is now.", "content": _json(enveloped(backup))}},
                (402, 404, 409, 413),
                parameters=one,
                body="BackupChange",
            ),
            "delete": _operation(
                "deleteBackup",
                "Delete a backup",
                {200: {"description": "Gone.", "content": _json(enveloped(ref("DeletedBackup")))}},
                (402, 404, 409),
                parameters=one,
            ),
        },
        "/v3/apps/{app_id}/backups/{backup}/log": {
            "get": _operation(
                "getBackupLog",
                "What was done when while a backup was made",
                _got(ref("BackupLog"), "The lines, oldest first; none while it runs."),
                (402, 404),
                parameters=(*one, _IF_NONE_MATCH),
            )
        },
        "/v3/backups": {
            "get": _operation(
                "listAllBackups",
                "All backups of the account, newest first",
                _got({"type": "array", "items": backup}, "A page of full objects.", _LINK),
                (402, 404),
                parameters=(_LIMIT, _AFTER, _IF_NONE_MATCH),
            )
        },
    }


def _browse_paths() -> Json:
    one = (_APP_ID, _BACKUP_REF)
    text: Json = {"type": "string"}
    path = _query("path", text, "From the application's folder; empty: that folder. As `files` shows it.")
    base = "/v3/apps/{app_id}/backups/{backup}"
    binary: Json = {"schema": {"type": "string", "format": "binary"}}
    kinds = {"application/octet-stream": binary, "application/zip": binary}
    headers: Json = {**_ETAG, "Accept-Ranges": {"schema": {"type": "string", "const": "bytes"}}}
    return {
        f"{base}/files": {
            "get": _operation(
                "listFiles",
                "A folder of a backup",
                _got({"type": "array", "items": ref("File")}, "What is directly in it."),
                (402, 404, 409),
                parameters=(*one, path, _IF_NONE_MATCH),
            )
        },
        f"{base}/content": {
            "get": _operation(
                "getContent",
                "A file of a backup, or a folder as a zip",
                {
                    200: {"description": "The whole.", "content": kinds, "headers": headers},
                    206: {"description": "The range.", "content": kinds, "headers": headers},
                    304: {"description": "Unchanged.", "headers": _ETAG},
                },
                (402, 404, 409, 412, 416),
                parameters=(*one, path, {"name": "Range", "in": "header", "schema": text}, _IF_NONE_MATCH),
            )
        },
        f"{base}/diff": {
            "get": _operation(
                "diffBackups",
                "What another backup has different",
                _got(ref("Diff"), "What is added, removed and changed in the backup `with`."),
                (402, 404, 409),
                parameters=(
                    *one,
                    {**_query("with", {"type": "string", "minLength": 1}, "Its id or name."), "required": True},
                    _IF_NONE_MATCH,
                ),
            )
        },
        "/v3/apps/{app_id}/find": {
            "get": _operation(
                "findPaths",
                "In which backups a path is",
                _got(ref("Finds"), "Each path with its versions, oldest first."),
                (402, 404),
                parameters=(
                    _APP_ID,
                    {
                        **_query(
                            "pattern", {"type": "string", "minLength": 1}, "`*`, `?`, `[...]`; with no slash: the name."
                        ),
                        "required": True,
                    },
                    _IF_NONE_MATCH,
                ),
            )
        },
    }


def _jobs_paths() -> Json:
    job = ref("Job")
    job_id: Json = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/v3/apps/{app_id}/backups/{backup}/restore": {
            "post": _operation(
                "restoreBackup",
                "Restore a backup",
                {
                    202: {
                        "description": "It is queued; the job tells how far it is.",
                        "content": _json(enveloped(job)),
                        "headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address."}},
                    },
                    200: {
                        "description": "With `dry_run`: what would change.",
                        "content": _json(enveloped(ref("RestorePreview"))),
                    },
                },
                (402, 404, 409, 413),
                parameters=(_APP_ID, _BACKUP_REF),
                body="Restore",
                description="The whole backup is checked before a file is touched; when it fails, all is as it was.",
            )
        },
        "/v3/apps/{app_id}/backups/{backup}/verify": {
            "post": _operation(
                "verifyBackup",
                "Read a backup back",
                {
                    202: {
                        "description": "It is queued (or was already); the job tells how far it is.",
                        "content": _json(enveloped(job)),
                        "headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address."}},
                    }
                },
                (402, 404, 409),
                parameters=(_APP_ID, _BACKUP_REF),
                description="Every chunk that the backup needs is read and compared. The job is successful whatever "
                "it finds; its `result` has `is_whole`, `files` (how many can't be read), `read_bytes` and "
                "`damaged_packs`. The backup then has `verified_at`, or an `error` with the code `DAMAGED`.",
            )
        },
        "/v3/jobs": {
            "get": _operation(
                "listJobs",
                "What runs, waits and ended, newest first; backups too",
                {
                    200: {
                        "description": "A page of jobs.",
                        "content": _json(enveloped({"type": "array", "items": job})),
                        "headers": _LINK,
                    }
                },
                (402, 404),
                parameters=(
                    _LIMIT,
                    _query("after", {"type": "string", "pattern": _ID_PATTERN}, "Only what comes after this id."),
                ),
            )
        },
        "/v3/jobs/{job_id}": {
            "get": _operation(
                "getJob",
                "A job, or a backup as one",
                {200: {"description": "The job as it is now.", "content": _json(enveloped(ref("JobWithLog")))}},
                (402, 404),
                parameters=(job_id,),
            ),
            "delete": _operation(
                "cancelJob",
                "Cancel a job, or a backup in the making",
                {200: {"description": "It stops, or has stopped.", "content": _json(enveloped(job))}},
                (402, 404, 409),
                parameters=(job_id,),
                description="What waits is cancelled at once, what runs stops within two seconds; nothing of it stays. "
                "A cancelled backup is `failed` with the code `CANCELLED`.",
            ),
        },
        "/v3/events": {
            "get": _operation(
                "streamEvents",
                "What happens, as it happens (server-sent events)",
                {200: {"description": "A stream that does not end.", "content": {"text/event-stream": _EVENTS}}},
                (402, 404),
                parameters=(
                    {"name": "Last-Event-ID", "in": "header", "schema": _NUMBER, "description": "Go on behind it."},
                    _query("after", _NUMBER, "The same, where a header can't be sent; the header goes first."),
                    _query("app_id", {"type": "string", "pattern": _ID_PATTERN}, "Only of this application."),
                ),
                description="`event` is the kind, `id` the number, `data` an `Event` as JSON. `progress` (at most one "
                "a second for each thing that runs) and `gap` (events after the one you named are not kept any more) "
                "have no `id`. Without a number it begins with what happens from now on. A comment comes every 15 s.",
            )
        },
    }


def _schedule_paths() -> Json:
    schedule = ref("Schedule")
    set_it = {200: {"description": "The schedule as it is now.", "content": _json(enveloped(schedule))}}
    return {
        "/v3/apps/{app_id}/schedule": {
            "get": _operation(
                "getSchedule",
                "When an application is backed up by itself, and what of that is kept",
                _got(schedule, "The schedule, with its next five runs and what its patterns leave out now."),
                (402, 404),
                parameters=(_APP_ID, _IF_NONE_MATCH),
            ),
            "put": _operation(
                "setSchedule",
                "Set an application's schedule",
                set_it,
                (402, 404, 413),
                parameters=(_APP_ID,),
                body="NewSchedule",
                description="Replaces the whole schedule: what is left out is as if it was never set. `cron` can't be "
                "left out; null ends the backups by themselves.",
            ),
        }
    }


def _account_paths() -> Json:
    app = ref("App")
    return {
        "/v3/apps": {
            "get": _operation(
                "listApps",
                "The account's applications",
                _got({"type": "array", "items": app}, "The applications."),
                parameters=(_IF_NONE_MATCH,),
            )
        },
        "/v3/apps/{app_id}": {
            "get": _operation(
                "getApp", "One application", _got(app, "It."), (404,), parameters=(_APP_ID, _IF_NONE_MATCH)
            )
        },
        "/v3/apps/{app_id}/retention": {
            "get": _operation(
                "previewRetention",
                "What retention would do with the application's backups",
                _got(ref("Retention"), "Each backup with what keeps it, or what lets it go. Nothing is changed."),
                (402, 404),
                parameters=(_APP_ID, _IF_NONE_MATCH),
                description="A backup goes only after a newer good one has succeeded. The rules look at scheduled and "
                "safety backups; what was taken by hand or imported goes only by the plan's caps, and last.",
            )
        },
        "/v3/account": {
            "get": _operation(
                "getAccount",
                "The account, its plan and its usage",
                _got(ref("Account"), "The account."),
                parameters=(_IF_NONE_MATCH,),
            )
        },
        "/v3/plans": {
            "get": _operation(
                "listPlans",
                "The plans, lowest first",
                _got({"type": "array", "items": ref("Plan")}, "The plans."),
                parameters=(_IF_NONE_MATCH,),
                open_to_all=True,
            )
        },
    }


def _webhooks_paths() -> Json:
    webhook_id: Json = {"name": "webhook_id", "in": "path", "required": True, "schema": _ID}
    webhook, with_secret = ref("Webhook"), ref("WebhookWithSecret")
    after = _query("after", _ID, "Only what is older than the delivery of this id.")

    def ok(schema: Json, description: str, status: int = 200) -> dict[int, Json]:
        return {status: {"description": description, "content": _json(enveloped(schema))}}

    made = ok(with_secret, "It is there; its secret is shown this once.", 201)
    made[201]["headers"] = {"Location": {"schema": {"type": "string"}, "description": "The webhook's own address."}}
    return {
        "/v3/webhooks": {
            "get": _operation(
                "listWebhooks",
                "Where the account is told of events",
                _got({"type": "array", "items": webhook}, "The webhooks and other targets, oldest first."),
                parameters=(_IF_NONE_MATCH,),
            ),
            "post": _operation(
                "addWebhook",
                "Be told of events",
                made,
                (409, 413),
                body="NewWebhook",
                description="An `https://` URL makes a webhook, signed as https://www.standardwebhooks.com says; a URL "
                "of apprise (`mailtos://`, `discord://`, `slack://`, `tgram://`, `ntfys://` ...) a message to people.",
            ),
        },
        "/v3/webhooks/{webhook_id}": {
            "get": _operation(
                "getWebhook", "One webhook", _got(webhook, "It."), (404,), parameters=(webhook_id, _IF_NONE_MATCH)
            ),
            "patch": _operation(
                "changeWebhook",
                "Change a webhook",
                ok(webhook, "The webhook as it is now."),
                (404, 413),
                parameters=(webhook_id,),
                body="WebhookChange",
            ),
            "delete": _operation(
                "deleteWebhook",
                "Delete a webhook and its log",
                ok(ref("DeletedWebhook"), "Gone."),
                (404,),
                parameters=(webhook_id,),
            ),
        },
        "/v3/webhooks/{webhook_id}/deliveries": {
            "get": _operation(
                "listDeliveries",
                "What was sent to a webhook, newest first",
                _got({"type": "array", "items": ref("Delivery")}, "A page of the log, which has 30 days.", _LINK),
                (404,),
                parameters=(webhook_id, _LIMIT, after, _IF_NONE_MATCH),
            )
        },
        "/v3/webhooks/{webhook_id}/test": {
            "post": _operation(
                "testWebhook",
                "Send a test now",
                ok(ref("Delivery"), "It was sent, or could not be: see `state`, `status` and `error`."),
                (404, 409),
                parameters=(webhook_id,),
            )
        },
        "/v3/webhooks/{webhook_id}/secret": {
            "post": _operation(
                "rotateWebhookSecret",
                "Give a webhook a new secret",
                ok(with_secret, "With the new secret, shown this once; the old one signs too for 24 h."),
                (404, 409),
                parameters=(webhook_id,),
            )
        },
    }


def _state_paths() -> Json:
    state = {200: {"description": "Yes.", "content": _json(enveloped(ref("Health")))}}
    return {
        "/healthz": {"get": _operation("isAlive", "Whether the process answers", state, open_to_all=True)},
        "/readyz": {
            "get": _operation("isReady", "Whether the catalog and the store can be reached", state, open_to_all=True)
        },
        "/metrics": {
            "get": _operation(
                "getMetrics",
                "The instance's figures for Prometheus; only the operator reaches them",
                {200: {"description": "The figures.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
                (404,),
                open_to_all=True,
            )
        },
    }


def _download_paths(backups_url: str) -> Json:
    binary: Json = {"schema": {"type": "string", "format": "binary"}}
    headers: Json = {
        **_ETAG,
        "Last-Modified": {"schema": {"type": "string"}},
        "Accept-Ranges": {"schema": {"type": "string", "const": "bytes"}},
        "Content-Disposition": {"schema": {"type": "string"}},
    }
    content = {"application/zip": binary, "application/gzip": binary}
    ranged = {"Content-Range": {"schema": {"type": "string", "pattern": r"^bytes \d+-\d+/\d+$"}}}
    names = (("Range", "header"), ("If-Range", "header"), ("If-None-Match", "header"), ("If-Modified-Since", "header"))
    parameters: tuple[Json, ...] = (
        {
            "name": "file",
            "in": "path",
            "required": True,
            "description": "`{account_id}_{name}.zip` or `.tar.gz`, percent-encoded.",
            "schema": {"type": "string", "pattern": r"^[0-9a-z]+_[\s\S]+\.(zip|tar\.gz)$"},
        },
        *({"name": name, "in": place, "schema": {"type": "string"}} for name, place in names),
    )
    answers: dict[int, Json] = {
        200: {"description": "The whole file.", "content": content, "headers": headers},
        206: {"description": "The range.", "content": content, "headers": {**headers, **ranged}},
        304: {"description": "Unchanged.", "headers": _ETAG},
    }
    about = "The query is the bare key of the backup, without a name: `?85592d2b15ff867407964790224dcbb3a95ce82b`."
    download = _operation(
        "downloadBackup",
        "Download a backup",
        answers,
        (404, 412, 416, 429),
        parameters=parameters,
        open_to_all=True,
        description=about,
    )
    return {"/{file}": {"servers": [{"url": backups_url.rstrip("/")}], "get": download}}


def document(base_url: str, backups_url: str) -> Json:
    """The whole document, for an instance at these addresses."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast API",
            "version": "3",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url.rstrip("/")}],
        "security": [{"apiKey": []}, {"bearer": []}],
        "paths": {
            **_backups_paths(),
            **_browse_paths(),
            **_jobs_paths(),
            **_schedule_paths(),
            **_account_paths(),
            **_webhooks_paths(),
            **_state_paths(),
            **_download_paths(backups_url),
        },
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "Authorization"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }
