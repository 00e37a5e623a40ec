"""The routes of the user, as clients of the neighbouring API know him."""

from __future__ import annotations

from typing import get_args

from holdfast.schemas.compat.snapshots import Scope
from holdfast.schemas.fields import ID_PATTERN
from holdfast.service.registry.snapshots import SNAPSHOTS_MAX
from holdfast.web.api.openapi.fields import Json, ref
from holdfast.web.api.openapi.operations import IF_NONE_MATCH, LINK, got, operation, query


def paths() -> Json:
    """The operations, by path and method."""
    scope: Json = {"type": "string", "enum": list(get_args(Scope))}
    return {
        "/v3/users/me": {
            "get": operation(
                "getMe",
                "The account and its applications, as a user",
                got(ref("Me"), "The account, with the applications that the key sees."),
                parameters=(IF_NONE_MATCH,),
            )
        },
        "/v3/users/snapshots": {
            "get": operation(
                "listAccountSnapshots",
                "All snapshots of the account, newest first",
                got({"type": "array", "items": ref("Snapshot")}, "The snapshots.", LINK),
                (402, 404),
                parameters=(
                    query("scope", scope, "`databases`: none, as they are in the snapshots of their applications."),
                    query("after", {"type": "string", "pattern": ID_PATTERN}, "Only what comes after this version."),
                    IF_NONE_MATCH,
                ),
                description=f"An answer has at most {SNAPSHOTS_MAX:,} snapshots.",
            )
        },
    }
