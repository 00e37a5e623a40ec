"""`/apps/{app_id}/diff`: what is different between two backups of an application."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import Backup
from holdfast.schemas.files import Difference
from holdfast.service.access.browse import diff
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.overview.backups import Choice, newest_backups
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.service.registry.backups import find_backup
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_app
from holdfast.web.dashboard.files.chosen import address, chosen_backup, good_backups, options
from holdfast.web.dashboard.files.kinds import icon_of
from holdfast.web.dashboard.render import app_frame, page
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

ROWS = 500
"""Paths of one page."""

_KINDS = {
    "added": ("good", "plus", "Added"),
    "removed": ("bad", "minus", "Removed"),
    "changed": ("run", "pencil", "Changed"),
    "metadata": ("none", "settings-2", "Rights or time only"),
}
"""By the kind of a difference: the class that colours it, its icon, its word."""

ICONS = frozenset(("plus", "minus", "pencil", "settings-2"))


def diff_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""

    @get("/apps/{app_id:str}/diff", opt=needs(Right.BACKUPS_READ))
    @as_page
    async def differences(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "from", "to", "after")
        after = inputs.cursor(fields)
        return await context.call_browsing(
            caller.account.id, _page, request.scope, context.instance, caller, app_id, fields, after
        )

    return [differences]


def _before(instance: Instance, caller: Caller, backup: Backup, ref: str) -> Backup:
    """Return the backup to compare with: the one that is asked for, else the good one before. Raises NotFound."""
    if ref:
        return find_backup(instance, backup.app_id, ref)
    older = newest_backups(instance, caller.account.id, backup.app_id, choice=Choice.GOOD, after=backup.id, limit=1)
    if not older:
        raise NotFound("BACKUP_NOT_FOUND", "No good backup is older than this one, so it cannot be compared.")
    return older[0]


def _page(
    scope: Scope, instance: Instance, caller: Caller, app_id: str, fields: dict[str, str], after: bytes
) -> Answer:
    app = apps.get_app(instance, caller.account.id, app_id)
    good = good_backups(instance, caller, app_id)
    new = chosen_backup(instance, caller, app_id, fields.get("to", ""))
    old = _before(instance, caller, new, fields.get("from", ""))
    found, cursor = diff(instance, old, new, after, ROWS)
    more = None if cursor is None else inputs.cursor_text(cursor)
    both = {"from": old.id, "to": new.id}
    counts = (("added", found.added), ("removed", found.removed), ("changed", found.changed))
    parts = [f"{words.number(count)} {what}" for what, count in counts if count]
    return page(
        scope,
        "diff.html",
        frame=app_frame(caller, str(instance.zone), app, "files"),
        app_id=app_id,
        headline=", ".join(parts) if parts else "No file differs",
        metadata=found.metadata,
        old_name=words.name(old.name, old.created_at, instance.zone),
        new_name=words.name(new.name, new.created_at, instance.zone),
        old_options=options(instance, good, old),
        new_options=options(instance, good, new),
        groups=_groups(app_id, found.paths, old.id, new.id),
        is_first=not after,
        first=address(app_id, "diff", **both),
        next_page=None if more is None else address(app_id, "diff", **both, after=more),
        base_url=instance.config.base_url.rstrip("/"),
        old_id=old.id,
        new_id=new.id,
    )


def _groups(app_id: str, paths: Any, old_id: str, new_id: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the differences by the folder that they are in, in their order."""
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for one in paths:
        folder, _, name = one.path.rpartition("/")
        if not groups or groups[-1][0] != folder:
            groups.append((folder, []))
        groups[-1][1].append(_row(app_id, one, name, old_id, new_id))
    return groups


def _row(app_id: str, one: Difference, name: str, old_id: str, new_id: str) -> dict[str, Any]:
    css, icon, word = _KINDS[one.what]
    sizes = [words.size(size) for size in (one.size_before, one.size_after) if size is not None]
    if one.kind != "file":
        sizes = []
    where = old_id if one.what == "removed" else new_id
    page_name = "files" if one.kind == "folder" else "file"
    return {
        "name": name,
        "icon": icon_of(name, one.kind),
        "css": css,
        "mark": icon,
        "word": word,
        "sizes": " → ".join(dict.fromkeys(sizes)),
        "href": address(app_id, page_name, backup=where, path=one.path),
    }
