"""The download of a backup, at an address of its own."""

from __future__ import annotations

from holdfast.web.api.openapi.fields import Json
from holdfast.web.api.openapi.operations import ETAG, operation


def paths(backups_url: str) -> Json:
    """The operations, by path and method."""
    binary: Json = {"schema": {"type": "string", "format": "binary"}}
    headers: Json = {
        **ETAG,
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
        304: {"description": "Unchanged.", "headers": ETAG},
    }
    about = (
        "The query is the bare key of the backup, without a name: `?85592d2b15ff867407964790224dcbb3a95ce82b`. A "
        "link with an end has `?expires=<unix time>&signature=<hex>` in its place."
    )
    download = operation(
        "downloadBackup",
        "Download a backup",
        answers,
        (404, 410, 412, 416, 429),
        parameters=parameters,
        open_to_all=True,
        description=about,
    )
    return {"/{file}": {"servers": [{"url": backups_url.rstrip("/")}], "get": download}}
