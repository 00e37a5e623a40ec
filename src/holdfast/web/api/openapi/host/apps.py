"""The routes of the host's applications."""

from __future__ import annotations

from holdfast.schemas.fields import ID_PATTERN
from holdfast.service.host.apps import KEEP_DAYS, KEEP_DAYS_MAX
from holdfast.service.policy.standing import Kind
from holdfast.web.api.openapi.fields import Json, enveloped, ref
from holdfast.web.api.openapi.host.accounts import EXTERNAL_ID, SINCE
from holdfast.web.api.openapi.operations import IF_NONE_MATCH, LINK, PAGE_SIZE, got, json_of, operation, query

_DAYS: Json = {"type": "integer", "minimum": 0, "maximum": KEEP_DAYS_MAX, "default": KEEP_DAYS}
_AFTER = query("after", {"type": "string", "pattern": ID_PATTERN}, "The id after which the page begins.")
_STANDING = query("standing", {"type": "string", "enum": list(Kind)}, "Only those of this standing.")


def paths() -> Json:
    """The operations, by path and method."""
    app = ref("HostApp")
    content = json_of(enveloped(app))
    return {
        "/v3/admin/apps": {
            "get": operation(
                "listHostApps",
                "All applications, in the order of their ids",
                got({"type": "array", "items": app}, "The applications.", LINK),
                parameters=(PAGE_SIZE, _AFTER, SINCE, _STANDING, IF_NONE_MATCH),
                description="With `standing` a page may have fewer than `limit`, or none, and yet a next one.",
            )
        },
        "/v3/admin/apps/{external_id}": {
            "put": operation(
                "putHostApp",
                "Make an application, or bring it to what the body says",
                {
                    200: {"description": "It was there.", "content": content},
                    201: {"description": "It is new.", "content": content},
                },
                (404, 409),
                parameters=(EXTERNAL_ID,),
                body="AppPut",
                description=(
                    "The same body twice changes nothing. An application that had ended goes on. Another `path` is a "
                    "move: the next backup is still incremental. An external id that is a UUID becomes the id, by its "
                    "32 hex digits."
                ),
            ),
            "get": operation(
                "getHostApp",
                "An application, with its standing",
                got(app, "It."),
                (404,),
                parameters=(EXTERNAL_ID, IF_NONE_MATCH),
            ),
            "delete": operation(
                "endHostApp",
                "End an application",
                {200: {"description": "It as it is now.", "content": content}},
                (404,),
                parameters=(
                    EXTERNAL_ID,
                    query("keep_days", _DAYS, "For how many days its backups stay from its end on; then it is erased."),
                ),
                description=(
                    "It is backed up no more. Its backups can be listed, downloaded and restored elsewhere as long as "
                    "they stay; until then a PUT undoes it. Of one that has ended, `keep_days` moves the date, and "
                    "without it nothing changes."
                ),
            ),
        },
    }
