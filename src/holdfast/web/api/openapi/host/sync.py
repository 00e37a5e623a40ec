"""The route by which the host sends all that it has at once."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, ref
from holdfast.web.api.openapi.operations import operation, query

_NDJSON = "application/x-ndjson"
_BOOL: Json = {"type": "boolean"}


def paths() -> Json:
    """The operations, by path and method."""
    lines: Json = {"oneOf": [ref("AccountLine"), ref("AppLine")]}
    described = operation(
        "syncHost",
        "Bring all accounts and applications to what the host has",
        {
            200: {
                "description": "A line for each line, and one for each thing that ended; as they are done.",
                "content": {_NDJSON: {"schema": ref("SyncAnswer")}},
            }
        },
        (409, 413),
        parameters=(
            query("dry_run", _BOOL, "True: nothing is changed, and the answer is that of the run."),
            query("end_missing", _BOOL, "True: what is not in it ends."),
            query("force", _BOOL, "True: also when that is more than a tenth."),
        ),
        description="The body is NDJSON: a line is an account or an application, with the fields of its PUT, its "
        "`type` and its `external_id`; an account stands before its applications. A line that is bad is refused by "
        "itself, and one whose external id stands there twice. It needs the scopes `accounts` and `apps`.",
    )
    described["requestBody"] = {"required": True, "content": {_NDJSON: {"schema": lines}}}
    return {"/v3/admin/sync": {"post": described}}
