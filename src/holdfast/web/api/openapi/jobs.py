"""The routes of jobs: what starts one, how far it is, and the stream of events."""

from __future__ import annotations

from holdfast.schemas.fields import ID_PATTERN
from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import APP_ID, BACKUP_REF, LINK, PAGE_SIZE, json_of, operation, query

_NUMBER: Json = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_EVENTS: Json = {"schema": {"type": "string"}}


def paths() -> Json:
    """The operations, by path and method."""
    job = ref("Job")
    job_id: Json = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "/v3/apps/{app_id}/backups/{backup}/restore": {
            "post": operation(
                "restoreBackup",
                "Restore a backup",
                {
                    202: {
                        "description": "It is queued; the job tells how far it is.",
                        "content": json_of(enveloped(job)),
                        "headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address."}},
                    },
                    200: {
                        "description": "With `dry_run`: what would change.",
                        "content": json_of(enveloped(ref("RestorePreview"))),
                    },
                },
                (402, 404, 409, 413),
                parameters=(APP_ID, BACKUP_REF),
                body="Restore",
                description="The whole backup is checked before a file is touched; when it fails, all is as it was.",
            )
        },
        "/v3/apps/{app_id}/backups/{backup}/verify": {
            "post": operation(
                "verifyBackup",
                "Read a backup back",
                {
                    202: {
                        "description": "It is queued (or was already); the job tells how far it is.",
                        "content": json_of(enveloped(job)),
                        "headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address."}},
                    }
                },
                (402, 404, 409),
                parameters=(APP_ID, BACKUP_REF),
                description="Every chunk that the backup needs is read and compared. The job is successful whatever "
                "it finds; its `result` has `is_whole`, `files` (how many can't be read), `read_bytes` and "
                "`damaged_packs`. The backup then has `verified_at`, or an `error` with the code `DAMAGED`.",
            )
        },
        "/v3/apps/{app_id}/backups/{backup}/prove": {
            "post": operation(
                "proveBackup",
                "Restore a backup to scratch and compare it",
                {
                    202: {
                        "description": "It is queued (or was already); the job tells how far it is.",
                        "content": json_of(enveloped(job)),
                        "headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address."}},
                    }
                },
                (402, 404, 409),
                parameters=(APP_ID, BACKUP_REF),
                description="Nothing of the application is touched. The job fails with the code NOT_PROVED when "
                "anything came back otherwise; else the backup has `restore_proved_at`. An account has one at a time "
                "(`PROVE_IN_PROGRESS`), and may ask for 10 in 24 hours (`KEEP_CALM`).",
            )
        },
        "/v3/jobs": {
            "get": operation(
                "listJobs",
                "What runs, waits and ended, newest first; backups too",
                {
                    200: {
                        "description": "A page of jobs.",
                        "content": json_of(enveloped({"type": "array", "items": job})),
                        "headers": LINK,
                    }
                },
                (402, 404),
                parameters=(
                    PAGE_SIZE,
                    query("after", {"type": "string", "pattern": ID_PATTERN}, "Only what comes after this id."),
                ),
            )
        },
        "/v3/jobs/{job_id}": {
            "get": operation(
                "getJob",
                "A job, or a backup as one",
                {200: {"description": "The job as it is now.", "content": json_of(enveloped(ref("JobWithLog")))}},
                (402, 404),
                parameters=(job_id,),
            ),
            "delete": operation(
                "cancelJob",
                "Cancel a job, or a running backup",
                {200: {"description": "It stops, or has stopped.", "content": json_of(enveloped(job))}},
                (402, 404, 409),
                parameters=(job_id,),
                description="What waits is cancelled at once, what runs stops within two seconds; nothing of it stays. "
                "A cancelled backup is `failed` with the code `CANCELLED`.",
            ),
        },
        "/v3/jobs/{job_id}/undo": {
            "post": operation(
                "undoJob",
                "Undo a restore",
                {
                    202: {
                        "description": "Its safety backup is to be restored; the job tells how far it is.",
                        "content": json_of(enveloped(job)),
                        "headers": {"Location": {"schema": {"type": "string"}, "description": "The job's address."}},
                    }
                },
                (402, 404, 409),
                parameters=(job_id,),
                description="The safety backup goes back to where it was taken, after another one of what is there "
                "now, so that this can be undone too. The new folder of a restore with `into` is removed, if nothing "
                "in it is new or was changed since. `JOB_NOT_UNDOABLE`: the job is not a restore, has not ended, "
                "changed nothing or took no safety backup; or its new folder is not there any more.",
            )
        },
        "/v3/events": {
            "get": operation(
                "streamEvents",
                "What happens, as it happens (server-sent events)",
                {200: {"description": "A stream that does not end.", "content": {"text/event-stream": _EVENTS}}},
                (402, 404),
                parameters=(
                    {"name": "Last-Event-ID", "in": "header", "schema": _NUMBER, "description": "Go on behind it."},
                    query("after", _NUMBER, "The same, where a header can't be sent; the header goes first."),
                    query("app_id", {"type": "string", "pattern": ID_PATTERN}, "Only of this application."),
                ),
                description="`event` is the kind, `id` the number, `data` an `Event` as JSON. `progress` (at most one "
                "a second for each thing that runs) and `gap` (events after the one you named are not kept any more) "
                "have no `id`. Without a number it begins with what happens from now on. A comment comes every 15 s.",
            )
        },
    }
