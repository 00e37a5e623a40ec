"""The routes into backups: folders, content, differences, finds."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json, ref
from holdfast.web.api.openapi.operations import APP_ID, BACKUP_REF, ETAG, IF_NONE_MATCH, LINK, got, operation, query
from holdfast.web.http.request import CURSOR_PATTERN


def paths() -> Json:
    """The operations, by path and method."""
    one = (APP_ID, BACKUP_REF)
    text: Json = {"type": "string"}
    path = query("path", text, "From the application's folder; empty: that folder. As `files` shows it.")
    after = query(
        "after",
        {**text, "pattern": f"^{CURSOR_PATTERN}$"},
        "Only what comes after the answer before, as its Link header has it.",
    )
    base = "/v3/apps/{app_id}/backups/{backup}"
    binary: Json = {"schema": {"type": "string", "format": "binary"}}
    kinds = {"application/octet-stream": binary, "application/zip": binary}
    headers: Json = {**ETAG, "Accept-Ranges": {"schema": {"type": "string", "const": "bytes"}}}
    return {
        f"{base}/files": {
            "get": operation(
                "listFiles",
                "A folder of a backup",
                got({"type": "array", "items": ref("File")}, "What is directly in it.", LINK),
                (402, 404, 409, 429),
                parameters=(*one, path, after, IF_NONE_MATCH),
            )
        },
        f"{base}/content": {
            "get": operation(
                "getContent",
                "A file of a backup, or a folder as a zip",
                {
                    200: {"description": "The whole.", "content": kinds, "headers": headers},
                    206: {"description": "The range.", "content": kinds, "headers": headers},
                    304: {"description": "Unchanged.", "headers": ETAG},
                },
                (402, 404, 409, 412, 416),
                parameters=(*one, path, {"name": "Range", "in": "header", "schema": text}, IF_NONE_MATCH),
            )
        },
        f"{base}/diff": {
            "get": operation(
                "diffBackups",
                "What another backup has different",
                got(ref("Diff"), "What is added, removed and changed in the backup `with`.", LINK),
                (402, 404, 409, 429),
                parameters=(
                    *one,
                    {**query("with", {"type": "string", "minLength": 1}, "Its id or name."), "required": True},
                    after,
                    IF_NONE_MATCH,
                ),
            )
        },
        "/v3/apps/{app_id}/find": {
            "get": operation(
                "findPaths",
                "In which backups a path is",
                got(ref("Finds"), "Each path with its versions, oldest first.", LINK),
                (402, 404, 429),
                parameters=(
                    APP_ID,
                    {
                        **query(
                            "pattern",
                            {"type": "string", "pattern": r"^[^\x00]+$", "examples": ["*.log"]},
                            "`*`, `?`, `[...]`; with no slash: the name.",
                        ),
                        "required": True,
                    },
                    after,
                    IF_NONE_MATCH,
                ),
            )
        },
    }
