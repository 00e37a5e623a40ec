"""`/apps/{app_id}/diff`: what is different between two backups of an application, or between one and what is there now.

What is there now is compared by the dry run of a restore, which goes on behind the page (`apps/comparisons.py`).
"""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import App, Backup
from holdfast.schemas.files import Diff, Difference
from holdfast.schemas.jobs import ChangedPath
from holdfast.service.access.browse import diff
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.overview.backups import Choice, newest_backups
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.service.registry.backups import find_backup
from holdfast.service.restore.plan import Wanted
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_app
from holdfast.web.dashboard.apps.comparisons import Compared, Comparisons
from holdfast.web.dashboard.files.chosen import address, chosen_backup, good_backups, options
from holdfast.web.dashboard.files.kinds import icon_of
from holdfast.web.dashboard.render import app_frame, page
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

ROWS = 500
"""Paths of one page."""

_KINDS = {
    "added": ("good", "plus", N_("Added")),
    "removed": ("bad", "minus", N_("Removed")),
    "changed": ("run", "pencil", N_("Changed")),
    "metadata": ("none", "settings-2", N_("Rights or time only")),
}
"""By the kind of a difference: the class that colours it, its icon, its word."""

ICONS = frozenset(("plus", "minus", "pencil", "settings-2"))


NOW = "now"
"""Instead of a backup's id: what is there now."""
RELOAD_SECONDS = 2


def diff_page_routes(context: Context, comparisons: Comparisons) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""
    instance = context.instance

    @get("/apps/{app_id:str}/diff", opt=needs(Right.BACKUPS_READ))
    @as_page
    async def differences(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "from", "to", "after", "again")
        if fields.get("to") == NOW:
            return await against_now(request.scope, caller, app_id, fields)
        after = inputs.cursor(fields)
        return await context.call_browsing(
            caller.account.id, _page, request.scope, instance, caller, app_id, fields, after
        )

    async def against_now(scope: Scope, caller: Caller, app_id: str, fields: dict[str, str]) -> Answer:
        caller.require(Right.BACKUPS_RESTORE, app_id)  # as a dry run needs it in the API
        app, old = await context.call(_chosen, instance, caller, app_id, fields.get("from", ""))
        compared = await comparisons.made(old, app, Wanted(), _number(fields.get("again", "")))
        return await context.call(_now_page, scope, instance, caller, app, old, compared)

    return [differences]


def _before(instance: Instance, caller: Caller, backup: Backup, ref: str) -> Backup:
    """Return the backup to compare with: the one that is asked for, else the good one before. Raises NotFound."""
    if ref:
        return find_backup(instance, backup.app_id, ref)
    older = newest_backups(instance, caller.account.id, backup.app_id, choice=Choice.GOOD, after=backup.id, limit=1)
    if not older:
        message = _("No good backup is older than this one, so it cannot be compared.")
        raise NotFound("BACKUP_NOT_FOUND", message)
    return older[0]


def _chosen(instance: Instance, caller: Caller, app_id: str, ref: str) -> tuple[App, Backup]:
    app = apps.get_app(instance, caller.account.id, app_id)
    return app, chosen_backup(instance, caller, app_id, ref)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _now_page(
    scope: Scope, instance: Instance, caller: Caller, app: App, old: Backup, compared: Compared | None
) -> Answer:
    """The page against what is there now; `compared`: None while the dry run goes on."""
    name = words.name(old.name, old.created_at, zone_of(instance))
    going = _("Comparing %(name)s with what is there now", name=name)
    values: dict[str, Any] = {"headline": going, "totals": "", "groups": []}
    at = 0
    if compared is not None:
        changes, at = compared.preview.changes, compared.at
        # A restore would bring back what was removed since, and remove what was added.
        values["headline"] = _headline(changes.removed, changes.added, changes.changed)
        when = words.whole(at, zone_of(instance))
        values["totals"] = _("Compared %(when)s; nothing was changed by it.", when=when)
        listed = [(one, "added") for one in changes.paths_removed]
        listed += [(one, "removed") for one in changes.paths_added]
        listed += [(one, "changed") for one in changes.paths_changed]
        listed.sort(key=lambda one: one[0].path.split("/"))
        values["groups"] = _groups([_now_row(app.id, old.id, path, what) for path, what in listed])
        values["is_cut"] = changes.is_truncated
    both = {"from": old.id, "to": NOW}
    again = address(app.id, "diff", **both, again=str(at))
    values.update(is_going=compared is None, reload_seconds=RELOAD_SECONDS, again=again)
    return _shown(scope, instance, caller, app, old, None, metadata=0, **values)


def _now_row(app_id: str, old_id: str, path: ChangedPath, what: str) -> tuple[str, dict[str, Any]]:
    folder, _slash, name = path.path.rpartition("/")
    css, icon, word = _KINDS[what]
    page_name = "files" if path.kind == "folder" else "file"
    return folder, {
        "name": name,
        "icon": icon_of(name, path.kind),
        "css": css,
        "mark": icon,
        "word": _(word),
        "sizes": words.size(path.size) if path.kind == "file" else "",
        # What was added since stands in no backup yet.
        "href": None if what == "added" else address(app_id, page_name, backup=old_id, path=path.path),
    }


def _headline(added: int, removed: int, changed: int) -> str:
    counts = [
        (added, ngettext("%(num)s added", "%(num)s added", added, num=words.number(added))),
        (removed, ngettext("%(num)s removed", "%(num)s removed", removed, num=words.number(removed))),
        (changed, ngettext("%(num)s changed", "%(num)s changed", changed, num=words.number(changed))),
    ]
    return ", ".join(text for count, text in counts if count) or _("No file differs")


def _totals(found: Diff) -> str:
    """Return the bytes of what differs, in a sentence; nothing when no file does."""
    parts = []
    if found.added_bytes:
        parts.append(_("%(size)s added", size=words.size(found.added_bytes)))
    if found.removed_bytes:
        parts.append(_("%(size)s removed", size=words.size(found.removed_bytes)))
    if found.changed:
        parts.append(_("%(size)s in changed files", size=words.size(found.changed_bytes)))
    return f"{', '.join(parts)}." if parts else ""


def _page(
    scope: Scope, instance: Instance, caller: Caller, app_id: str, fields: dict[str, str], after: bytes
) -> Answer:
    app, new = _chosen(instance, caller, app_id, fields.get("to", ""))
    old = _before(instance, caller, new, fields.get("from", ""))
    found, cursor = diff(instance, old, new, after, ROWS)
    more = None if cursor is None else inputs.cursor_text(cursor)
    both = {"from": old.id, "to": new.id}
    return _shown(
        scope,
        instance,
        caller,
        app,
        old,
        new,
        headline=_headline(found.added, found.removed, found.changed),
        totals=_totals(found),
        metadata=found.metadata,
        groups=_groups([_row(app_id, one, old.id, new.id) for one in found.paths]),
        is_first=not after,
        first=address(app_id, "diff", **both),
        next_page=None if more is None else address(app_id, "diff", **both, after=more),
    )


def _shown(
    scope: Scope, instance: Instance, caller: Caller, app: App, old: Backup, new: Backup | None, **values: Any
) -> Answer:
    """The page. `new`: None for what is there now."""
    good = good_backups(instance, caller, app.id)
    rest = {"is_first": True, "first": "", "next_page": None, "is_going": False, "again": "", "is_cut": False}
    return page(
        scope,
        "diff.html",
        frame=app_frame(caller, str(zone_of(instance)), app, "files"),
        app_id=app.id,
        old_name=words.name(old.name, old.created_at, zone_of(instance)),
        new_name="" if new is None else words.name(new.name, new.created_at, zone_of(instance)),
        old_options=options(instance, good, old),
        new_options=options(instance, good, new or old),
        is_now=new is None,
        now=NOW if caller.may(Right.BACKUPS_RESTORE, app.id) and app.node == instance.config.node else "",
        base_url=instance.config.base_url.rstrip("/"),
        old_id=old.id,
        new_id="" if new is None else new.id,
        **{**rest, **values},
    )


def _groups(rows: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the differences by the folder that they are in, in their order."""
    groups: list[tuple[str, list[dict[str, Any]]]] = []
    for folder, row in rows:
        if not groups or groups[-1][0] != folder:
            groups.append((folder, []))
        groups[-1][1].append(row)
    return groups


def _row(app_id: str, one: Difference, old_id: str, new_id: str) -> tuple[str, dict[str, Any]]:
    """Return the folder of a difference, and what is shown of it."""
    folder, _slash, name = one.path.rpartition("/")
    css, icon, word = _KINDS[one.what]
    sizes = [words.size(size) for size in (one.size_before, one.size_after) if size is not None]
    if one.kind != "file":
        sizes = []
    where = old_id if one.what == "removed" else new_id
    page_name = "files" if one.kind == "folder" else "file"
    return folder, {
        "name": name,
        "icon": icon_of(name, one.kind),
        "css": css,
        "mark": icon,
        "word": _(word),
        "sizes": " → ".join(dict.fromkeys(sizes)),
        "href": address(app_id, page_name, backup=where, path=one.path),
    }
