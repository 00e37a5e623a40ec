"""The routes of download links."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import ID, Json, ref
from holdfast.web.api.openapi.operations import APP_ID, BACKUP_REF, IF_NONE_MATCH, answered, got, operation


def paths() -> Json:
    """The operations, by path and method."""
    link_id: Json = {"name": "link_id", "in": "path", "required": True, "schema": ID}

    made = answered(ref("NewLinkShown"), "The link, ready to use.", 201, location_of="The link's")
    return {
        "/v3/apps/{app_id}/backups/{backup}/links": {
            "post": operation(
                "addLink",
                "Make a download link that ends",
                made,
                (402, 404, 409, 413),
                parameters=(APP_ID, BACKUP_REF),
                body="NewLink",
                description="After its end, or when it was ended, it answers 410 `LINK_EXPIRED`; a download that began "
                "before is finished. Like every download's URL it has the backup's name, so a new name ends it.",
            )
        },
        "/v3/links": {
            "get": operation(
                "listLinks",
                "The open links that end",
                got({"type": "array", "items": ref("Link")}, "The links, oldest first."),
                (402,),
                parameters=(IF_NONE_MATCH,),
            )
        },
        "/v3/links/{link_id}": {
            "delete": operation(
                "deleteLink",
                "End a link",
                answered(ref("DeletedLink"), "It has ended."),
                (402, 404),
                parameters=(link_id,),
            )
        },
        "/v3/account/links/revoke": {
            "post": operation(
                "revokeLinks",
                "End all download links of the account",
                answered(ref("RevokedLinks"), "None of before opens anything; all backups have new keys."),
            )
        },
    }
