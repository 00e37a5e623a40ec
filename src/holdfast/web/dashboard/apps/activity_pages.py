"""`/apps/{app_id}/activity`: what happened to an application and who did it, from the audit; also as a file."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import ActorKind, AuditEntry, AuditFilter
from holdfast.schemas.audit import entry_of
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.people import audit
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.web.api.audit import CSV_HEADERS, entry_number
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_app
from holdfast.web.dashboard.render import app_frame, page
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

ROWS = 50
"""Entries of one page."""

_ACTIVITY = "/apps/{app_id:str}/activity"
_WHO = {
    "": N_("Anybody"),
    ActorKind.PERSON: N_("People"),
    ActorKind.KEY: N_("API keys"),
    ActorKind.SCHEDULE: N_("The schedule"),
    ActorKind.HOST: N_("Your host's panel"),
    ActorKind.OPERATOR: N_("Your host's people"),
    ActorKind.SYSTEM: N_("Holdfast itself"),
}
_WHAT = {
    "": N_("Anything"),
    "backup.": N_("Backups"),
    "restore.": N_("Restores"),
    "schedule.": N_("Schedule"),
    "link.": N_("Download links"),
    "verify.": N_("Checks"),
    "prove.": N_("Test restores"),
    "app.": N_("The application"),
}
_PAST = {
    "backup.created": N_("asked for a backup"),
    "backup.imported": N_("imported a backup"),
    "backup.deleted": N_("deleted a backup"),
    "backup.undeleted": N_("brought a deleted backup back"),
    "backup.cancelled": N_("cancelled a backup"),
    "backup.renamed": N_("renamed a backup"),
    "backup.noted": N_("changed a backup's note"),
    "backup.locked": N_("locked a backup"),
    "backup.unlocked": N_("unlocked a backup"),
    "backup.downloaded": N_("downloaded a backup"),
    "restore.requested": N_("asked for a restore"),
    "restore.cancelled": N_("cancelled a restore"),
    "verify.requested": N_("asked for a check of a backup"),
    "prove.requested": N_("asked for a test restore"),
    "schedule.set": N_("changed the schedule"),
    "size.accepted": N_("accepted the new size"),
    "link.created": N_("made a download link"),
    "link.ended": N_("ended a download link"),
    "app.created": N_("added the application"),
    "app.renamed": N_("renamed the application"),
    "app.ended": N_("ended the application"),
}
"""By action: its words behind the name of whoever did it; another one is told as the API names it."""


def activity_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_ACTIVITY, opt=needs(Right.AUDIT_READ))
    @as_page
    async def activity(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "who", "what", "after")
        return await context.call(_page, request.scope, instance, caller, app_id, fields)

    @get(f"{_ACTIVITY}.csv", opt=needs(Right.AUDIT_READ))
    @as_page
    async def activity_as_file(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "who", "what")
        return await context.call(_file, instance, caller, app_id, fields)

    return [activity, activity_as_file]


def _wanted(caller: Caller, app_id: str, fields: dict[str, str]) -> AuditFilter:
    who, what = fields.get("who") or None, fields.get("what") or None
    if who not in {*_WHO, None}:
        raise inputs.invalid("actor", "one of the kinds that the list has")
    if what not in {*_WHAT, None}:
        raise inputs.invalid("action", "one of those that the list has")
    return AuditFilter(caller.account.id, app_id, caller.grant.app_ids, who, what)


def _file(instance: Instance, caller: Caller, app_id: str, fields: dict[str, str]) -> Answer:
    found = audit.entries(instance, _wanted(caller, app_id, fields), audit.FILE_ROWS_MAX)
    return Answer(200, audit.as_csv(audit.shown_entries(instance, found)).encode(), CSV_HEADERS)


def _page(scope: Scope, instance: Instance, caller: Caller, app_id: str, fields: dict[str, str]) -> Answer:
    app = apps.get_app(instance, caller.account.id, app_id)
    found = audit.entries(instance, _wanted(caller, app_id, fields), ROWS + 1, entry_number(fields))
    rows = found[:ROWS]
    path = f"/apps/{app_id}/activity"
    chosen = {name: fields[name] for name in ("who", "what") if fields.get(name)}
    older = {**chosen, "after": str(rows[-1].seq)} if len(found) > ROWS else None
    return page(
        scope,
        "activity.html",
        frame=app_frame(caller, str(zone_of(instance)), app, "activity"),
        path=path,
        who=list(_WHO.items()),
        what=list(_WHAT.items()),
        chosen={"who": fields.get("who", ""), "what": fields.get("what", "")},
        rows=[_row(instance, one) for one in rows],
        older=None if older is None else f"{path}?{urlencode(older)}",
        is_first="after" not in fields,
        file=f"{path}.csv?{urlencode(chosen)}" if chosen else f"{path}.csv",
        base_url=instance.config.base_url.rstrip("/"),
        app_id=app_id,
    )


def _row(instance: Instance, one: AuditEntry) -> dict[str, Any]:
    shown, now, zone = entry_of(one, zone_of(instance)), instance.clock.now_ns(), zone_of(instance)
    name = shown.actor.name or shown.actor.kind
    return {
        "who": _who(shown.actor.kind, name),
        "did": _(_PAST.get(one.action, one.action)),
        "when": words.when(one.at, now, zone),
        "whole": words.whole(one.at, zone),
        "ip": shown.ip or "",
        "backup": None if one.backup_id is None else f"/apps/{one.app_id}/backups/{one.backup_id}",
    }


def _who(kind: str, name: str) -> str:
    """Whoever did something; a person by name."""
    match kind:
        case "key":
            return _("The API key %(name)s", name=name)
        case "schedule":
            return _("The schedule")
        case "operator":
            return _("Your host")
    return name
