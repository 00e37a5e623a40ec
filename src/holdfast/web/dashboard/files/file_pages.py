"""One file of a backup: shown if it is text or a picture, downloaded, and its versions in all backups.

Nothing of a backup is ever sent as what a browser would run: a page has text escaped, a picture only with the type that
its first bytes are of, everything else is a download.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import Backup
from holdfast.schemas.files import File
from holdfast.service.access.browse import Content, find_content, find_selection, list_folder
from holdfast.service.access.find import versions_of
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.service.registry.backups import find_backup
from holdfast.vault.paths import shown
from holdfast.web.auth import needs
from holdfast.web.content import Streamed
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_app
from holdfast.web.dashboard.files.chosen import address, chosen_backup, field_of, newest_id, trail
from holdfast.web.dashboard.files.kinds import PICTURE_BYTES_MAX, TEXT_BYTES_MAX, icon_of, picture_type, text_of
from holdfast.web.dashboard.render import app_frame, page
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, Headers

_APP = "/apps/{app_id:str}"
_START_BYTES = 16
TICKED_MAX = 500
"""Files and folders of one download."""
_NOTED_CHARACTERS = 500

_PICTURE_HEADERS: Headers = [
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"private, no-store"),
]


def file_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(f"{_APP}/file", opt=needs(Right.BACKUPS_DOWNLOAD))
    @as_page
    async def file(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "backup", "path")
        return await context.call_browsing(
            caller.account.id, _file_page, request.scope, instance, caller, app_id, fields
        )

    @get(f"{_APP}/picture", opt=needs(Right.BACKUPS_DOWNLOAD))
    @as_page
    async def picture(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "backup", "path")
        return await context.call_browsing(caller.account.id, _picture, instance, app_id, fields)

    @get(f"{_APP}/content", opt=needs(Right.BACKUPS_DOWNLOAD))
    @as_page
    async def content(request: AnyRequest) -> Streamed:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "backup", "path")
        path = fields.get("path", "")

        def found() -> Content:
            return find_content(instance, find_backup(instance, app_id, fields.get("backup", "")), path)

        return Streamed(context, await context.call_browsing(caller.account.id, found), caller.actor, path)

    @get(f"{_APP}/ticked", opt=needs(Right.BACKUPS_DOWNLOAD))
    @as_page
    async def ticked(request: AnyRequest) -> Streamed:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query_lists(request.scope, TICKED_MAX + 2, "backup", "what", "paths")
        paths = [path for path in fields.get("paths", []) if path]

        def found() -> Content:
            return find_selection(instance, find_backup(instance, app_id, fields.get("backup", [""])[-1]), paths)

        content = await context.call_browsing(caller.account.id, found)
        return Streamed(context, content, caller.actor, ", ".join(map(shown, content.selected))[:_NOTED_CHARACTERS])

    @get(f"{_APP}/versions", opt=needs(Right.BACKUPS_READ))
    @as_page
    async def versions(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        path = inputs.query(request.scope, "path").get("path", "").strip("/")
        return await context.call_browsing(
            caller.account.id, _versions_page, request.scope, instance, caller, app_id, path
        )

    return [file, picture, content, ticked, versions]


def _entry(instance: Instance, backup: Backup, path: str) -> File:
    """Return the file or link at a path. Raises NotFound, also for a folder."""
    found = list_folder(instance, backup, path, rows_max=1)[0]
    if not path or not found or found[0].path != path:
        raise NotFound(
            "PATH_NOT_FOUND", _("The backup has no file at %(path)s; look for it in its folder.", path=repr(path))
        )
    return found[0]


def _start_of(content: Content) -> bytes:
    return b"".join(bytes(part) for part in content.stream(0, min(_START_BYTES, content.length)))


def _whole(content: Content) -> bytes:
    return b"".join(bytes(part) for part in content.stream(0, content.length))


def _file_page(scope: Scope, instance: Instance, caller: Caller, app_id: str, fields: dict[str, str]) -> Answer:
    app = apps.get_app(instance, caller.account.id, app_id)
    backup = chosen_backup(instance, caller, app_id, fields.get("backup", ""))
    path = fields.get("path", "").strip("/")
    entry = _entry(instance, backup, path)
    text, is_picture = None, False
    if entry.kind == "file":
        content = find_content(instance, backup, path)
        is_picture = content.length <= PICTURE_BYTES_MAX and picture_type(_start_of(content)) is not None
        if not is_picture and content.length <= TEXT_BYTES_MAX:
            text = text_of(_whole(content))
    here = {"backup": backup.id, "path": path}
    folders = trail(app_id, backup.id, path)
    return page(
        scope,
        "file.html",
        frame=app_frame(caller, str(zone_of(instance)), app, "files"),
        app_id=app_id,
        backup_id=backup.id,
        base_url=instance.config.base_url.rstrip("/"),
        entry=entry,
        icon_name=icon_of(entry.name, entry.kind),
        backup_name=words.name(backup.name, backup.created_at, zone_of(instance)),
        root=address(app_id, "files", backup=backup.id),
        folders=folders[:-1],
        size=words.size(entry.size),
        changed=words.time_of(entry.mtime),
        text=text,
        picture=address(app_id, "picture", **here) if is_picture else None,
        download=address(app_id, "content", **here) if entry.kind == "file" else None,
        versions=address(app_id, "versions", path=path),
        restore=address(app_id, "restore", backup=backup.id, what="ticked", paths=field_of(path))
        if caller.may(Right.BACKUPS_RESTORE, app_id)
        else None,
    )


def _picture(instance: Instance, app_id: str, fields: dict[str, str]) -> Answer:
    content = find_content(instance, find_backup(instance, app_id, fields.get("backup", "")), fields.get("path", ""))
    kind = None
    if content.is_file and content.length <= PICTURE_BYTES_MAX:
        kind = picture_type(_start_of(content))
    if kind is None:
        raise NotFound("PATH_NOT_FOUND", _("It cannot be shown as a picture; download it instead."))
    name = quote(content.filename, safe="", errors="replace")
    headers = [
        (b"content-type", kind.encode("ascii")),
        (b"content-disposition", f"inline; filename*=UTF-8''{name}".encode("ascii")),
    ]
    return Answer(200, _whole(content), [*headers, *_PICTURE_HEADERS])


def _versions_page(scope: Scope, instance: Instance, caller: Caller, app_id: str, path: str) -> Answer:
    app = apps.get_app(instance, caller.account.id, app_id)
    versions = versions_of(instance, app_id, path).versions
    newest = newest_id(instance, caller, app_id)
    rows: list[dict[str, Any]] = []
    for version in reversed(versions):
        in_order = sorted(version.backups, key=lambda one: one.created_at, reverse=True)
        here = {"backup": in_order[0].id, "path": path}
        rows.append(
            {
                "changed": words.time_of(version.mtime),
                "size": words.size(version.size) if version.kind == "file" else "",
                "is_newest": any(one.id == newest for one in in_order),
                "backups": [
                    (
                        words.name(one.name, words.ns_of(one.created_at), zone_of(instance)),
                        f"/apps/{app_id}/backups/{one.id}",
                    )
                    for one in in_order[:3]
                ],
                "more": max(0, len(in_order) - 3),
                "show": address(app_id, "file", **here),
                "download": address(app_id, "content", **here) if version.kind == "file" else None,
                "restore": address(app_id, "restore", backup=in_order[0].id, what="ticked", paths=field_of(path)),
            }
        )
    return page(
        scope,
        "versions.html",
        frame=app_frame(caller, str(zone_of(instance)), app, "files"),
        app_id=app_id,
        base_url=instance.config.base_url.rstrip("/"),
        path=path,
        name=path.rpartition("/")[2],
        rows=rows,
        count=sum(len(version.backups) for version in versions),
        root=address(app_id, "files"),
        may_download=caller.may(Right.BACKUPS_DOWNLOAD, app_id),
        may_restore=caller.may(Right.BACKUPS_RESTORE, app_id),
    )
