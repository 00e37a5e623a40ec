"""The routes of an application's snapshots."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.operations import APP_ID, IF_NONE_MATCH, answered, got, json_of, operation, query
from holdfast.web.http.request import WAIT_SECONDS_MAX

_LOCATION: Json = {"schema": {"type": "string"}}


def paths() -> Json:
    """The operations, by path and method."""
    seconds = {"type": "integer", "minimum": 0, "maximum": WAIT_SECONDS_MAX, "default": WAIT_SECONDS_MAX}
    wait = query("wait", seconds, "Hold the answer until it is finished, at most so many seconds.")
    return {
        "/v3/apps/{app_id}/snapshots": {
            "get": operation(
                "listSnapshots",
                "The application's snapshots, oldest first",
                got({"type": "array", "items": ref("Snapshot")}, "The snapshots: its successful backups."),
                (402, 404),
                parameters=(APP_ID, IF_NONE_MATCH),
            ),
            "post": operation(
                "createSnapshot",
                "Make a snapshot",
                {**answered(ref("NewSnapshot"), "It is made."), 202: _going_on(ref("Error"), "The backup's address.")},
                (402, 404, 409, 422),
                parameters=(APP_ID, wait),
                description="A backup like every other. If it is not finished in time, the answer is 202 with the "
                "code `SNAPSHOT_PROCESSING`, and it will be in the list. If it has failed: 409 `SNAPSHOT_FAILED`.",
            ),
        },
        "/v3/apps/{app_id}/snapshots/restore": {
            "post": operation(
                "restoreSnapshot",
                "Restore a snapshot",
                {
                    **answered(ref("Job"), "It is restored."),
                    202: _going_on(enveloped(ref("Job")), "The job's address."),
                },
                (402, 404, 409, 413),
                parameters=(APP_ID, wait),
                body="RestoredSnapshot",
                description="Restores everything in the mode `mirror`, after a safety backup. If it has failed, "
                "nothing was changed: 409 `SNAPSHOT_RESTORE_FAILED`.",
            )
        },
    }


def _going_on(schema: Json, address: str) -> Json:
    headers = {"Location": {**_LOCATION, "description": address}}
    return {"description": "It goes on behind this answer.", "content": json_of(schema), "headers": headers}
