"""`/apps/{app_id}/files`: the folders of a backup, one at a time, and the search through all backups."""

from __future__ import annotations

import time
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.schemas.files import File, FoundPath
from holdfast.service.access.browse import list_folder
from holdfast.service.access.find import find_newest
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import ngettext
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_app
from holdfast.web.dashboard.files.chosen import (
    address,
    chosen_backup,
    field_of,
    good_backups,
    newest_id,
    options,
    trail,
)
from holdfast.web.dashboard.files.kinds import icon_of
from holdfast.web.dashboard.render import app_frame, page
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

ROWS = 200
"""Entries of one page of a folder."""
FOUND = 200
"""Paths that a search shows; whoever wants others searches for more of the name."""

SEARCH_SECONDS = 2.0
"""A search shows what it has after so long, and offers to go on with older backups."""

_FILES = "/apps/{app_id:str}/files"


def folder_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get(_FILES, opt=needs(Right.BACKUPS_READ))
    @as_page
    async def folder(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "backup", "path", "after", "q", "older_than")
        shown = _found_page if fields.get("q", "").strip() else _folder_page
        return await context.call_browsing(
            caller.account.id, shown, request.scope, context.instance, caller, app_id, fields
        )

    return [folder]


def _folder_page(scope: Scope, instance: Instance, caller: Caller, app_id: str, fields: dict[str, str]) -> Answer:
    after = inputs.cursor(fields)
    app = apps.get_app(instance, caller.account.id, app_id)
    good = good_backups(instance, caller, app_id)
    backup = chosen_backup(instance, caller, app_id, fields.get("backup", ""))
    path = fields.get("path", "").strip("/")
    entries, cursor = list_folder(instance, backup, path, after, ROWS)
    name = words.name(backup.name, backup.created_at, zone_of(instance))
    folders = trail(app_id, backup.id, path)
    more = None if cursor is None else inputs.cursor_text(cursor)
    return page(
        scope,
        "files.html",
        frame=app_frame(caller, str(zone_of(instance)), app, "files"),
        app_id=app_id,
        backup_id=backup.id,
        name=name,
        is_newest=bool(good) and good[0].id == backup.id,
        sentence=f"{words.files(backup.files)}, {words.size(backup.content_bytes)}",
        options=options(instance, good, backup),
        path=path,
        field=field_of(path),
        root=address(app_id, "files", backup=backup.id),
        folders=folders,
        up=None if not folders else folders[-2][1] if len(folders) > 1 else address(app_id, "files", backup=backup.id),
        rows=[_row(instance, app_id, backup.id, one) for one in entries],
        is_first=not after,
        next_page=None if more is None else address(app_id, "files", backup=backup.id, path=path, after=more),
        may_restore=caller.may(Right.BACKUPS_RESTORE, app_id),
        ticked=f"/apps/{app_id}/ticked",
        may_download=caller.may(Right.BACKUPS_DOWNLOAD, app_id),
        base_url=instance.config.base_url.rstrip("/"),
    )


def _row(instance: Instance, app_id: str, backup_id: str, one: File) -> dict[str, Any]:
    here = {"backup": backup_id, "path": one.path}
    is_folder = one.kind == "folder"
    return {
        "name": one.name,
        "field": field_of(one.path),
        "icon": icon_of(one.name, one.kind),
        "kind": one.kind,
        "target": one.target,
        "href": address(app_id, "files" if is_folder else "file", **here),
        "size": words.size(one.size) if one.kind == "file" else "",
        "changed": words.time_of(one.mtime),
        "download": None if one.kind not in ("file", "folder") else address(app_id, "content", **here),
        "versions": address(app_id, "versions", path=one.path) if one.kind == "file" else None,
    }


def _found_page(scope: Scope, instance: Instance, caller: Caller, app_id: str, fields: dict[str, str]) -> Answer:
    app = apps.get_app(instance, caller.account.id, app_id)
    wanted = fields["q"].strip()
    pattern = wanted if any(char in wanted for char in "*?[") else f"*{wanted}*"
    older_than, until = fields.get("older_than") or None, time.monotonic() + SEARCH_SECONDS
    searched = find_newest(instance, app_id, pattern, lambda: time.monotonic() > until, older_than)
    found = searched.finds
    newest = "" if older_than else newest_id(instance, caller, app_id)  # of older backups that would say nothing
    return page(
        scope,
        "found.html",
        frame=app_frame(caller, str(zone_of(instance)), app, "files"),
        app_id=app_id,
        q=wanted,
        pattern=pattern,
        rows=[_found(instance, app_id, newest, one) for one in found.paths[:FOUND]],
        is_older=older_than is not None,
        through=ngettext("%(num)s backup", "%(num)s backups", searched.backups, num=words.number(searched.backups)),
        left=ngettext("%(num)s older backup", "%(num)s older backups", searched.left, num=words.number(searched.left)),
        go_on=None
        if searched.older_than is None
        else address(app_id, "files", q=wanted, older_than=searched.older_than),
        is_cut=found.is_truncated or len(found.paths) > FOUND,
        unread=len(found.unreadable),
        may_download=caller.may(Right.BACKUPS_DOWNLOAD, app_id),
        base_url=instance.config.base_url.rstrip("/"),
    )


def _found(instance: Instance, app_id: str, newest: str, one: FoundPath) -> dict[str, Any]:
    last = one.versions[-1]
    backup = max(last.backups, key=lambda found: found.created_at)
    folder, _, name = one.path.rpartition("/")
    here = {"backup": backup.id, "path": one.path}
    return {
        "folder": f"{folder}/" if folder else "",
        "name": name,
        "icon": icon_of(name, last.kind),
        "href": address(app_id, "files" if last.kind == "folder" else "file", **here),
        "size": words.size(last.size) if last.kind == "file" else "",
        "backup": words.name(backup.name, words.ns_of(backup.created_at), zone_of(instance)),
        "is_gone": newest != "" and all(found.id != newest for version in one.versions for found in version.backups),
        "versions": len(one.versions),
        "versions_href": address(app_id, "versions", path=one.path),
        "download": address(app_id, "content", **here) if last.kind in ("file", "folder") else None,
    }
