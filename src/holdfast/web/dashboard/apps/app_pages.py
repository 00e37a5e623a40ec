"""`/apps/{app_id}`: the dashboard of an application, and the form that takes a backup now."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import App, Backup, State
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.overview.backups import Choice, Shown, page_of_backups
from holdfast.service.overview.overviews import CHART_DAYS, YEAR_DAYS, Overview, overview
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.policy.standing import Kind
from holdfast.service.preview.schedule import next_runs
from holdfast.service.registry import accounts, apps
from holdfast.service.registry.backups import find_backup, full_objects
from holdfast.service.registry.kept import reasons_of
from holdfast.service.take.import_backup import takes_archives
from holdfast.service.take.request import request_backup
from holdfast.units import DAY_NS
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_app
from holdfast.web.dashboard.apps.app_charts import YEAR, charts_of
from holdfast.web.dashboard.apps.backup_pages import path_of
from holdfast.web.dashboard.apps.job_pages import job_form, path_of_job, undo_form
from holdfast.web.dashboard.apps.restore_pages import restore_path
from holdfast.web.dashboard.apps.schedule_form import rules_in_words
from holdfast.web.dashboard.render import app_frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.standing import badge_of, badge_of_backup, locked_words, shown_strip, strip_sentence
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

ROWS = 25
"""Backups of one page."""

_CHOICES = {
    Choice.ALL: N_("All"),
    Choice.BY_HAND: N_("By hand"),
    Choice.LOCKED: N_("Locked"),
    Choice.FAILED: N_("Failed"),
}
_APP = "/apps/{app_id:str}"
_QUIET = frozenset({Kind.EMPTY, Kind.FIRST_RUNNING, Kind.PLAN_TOO_LOW})
"""The standings of an application that has nothing to draw yet."""

UNDO_OFFERED_NS = DAY_NS
"""The headline offers to undo the last restore for this long; the page of its job does so later too."""

_NEEDS_A_PLAN = frozenset({Kind.PLAN_TOO_LOW, Kind.OVER_LIMIT})
"""The standings of an application that gets no further backup by hand with the plan of its account."""
_BUSY = frozenset({Kind.RUNNING, Kind.FIRST_RUNNING, Kind.RESTORING})


def app_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_APP, opt=needs(Right.BACKUPS_READ))
    @as_page
    async def application(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, "show", "q", "after", "deleted", "chart")
        return await context.call(_page, request.scope, instance, caller, token, app_id, fields)

    @post(f"{_APP}/backups", opt=needs(Right.BACKUPS_CREATE))
    @as_page
    async def back_up_now(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        fields = await form_fields(context, request, token, _take_path(app_id))
        await context.call(_take, instance, caller, app_id, fields.get("once") or None)
        return redirect(f"/apps/{app_id}", [])

    return [application, back_up_now]


def _take_path(app_id: str) -> str:
    return f"/apps/{app_id}/backups"


def _take(instance: Instance, caller: Caller, app_id: str, once: str | None) -> None:
    accounts.require_api_backups(instance, caller.account)
    request_backup(instance, app_id, caller.actor, idempotency_key=once, is_limited=True)


def _page(scope: Scope, instance: Instance, caller: Caller, token: str, app_id: str, fields: dict[str, str]) -> Answer:
    app = apps.get_app(instance, caller.account.id, app_id)
    is_year = fields.get("chart") == YEAR
    now = overview(instance, app, YEAR_DAYS if is_year or fields.get("after") else CHART_DAYS, with_backups=True)
    found = _found(instance, caller, now, fields)
    return page(
        scope,
        "app.html",
        frame=app_frame(caller, str(zone_of(instance)), app, "backups"),
        app_id=app_id,
        seen=now.event_seq,  # read before anything else: what comes later is told
        **_hero(instance, caller, token, now),
        charts=charts_of(instance, now, is_year=is_year, with_calendar=bool(fields.get("after"))),
        kept=_kept(instance, caller, app, now),
        runs=_runs(instance, app, now.standing.facts.now),
        base_url=instance.config.base_url.rstrip("/"),
        imports=_import_path(instance, caller, app),
        undo=None if found.trashed is None else _undo(instance, token, found.trashed),
        **_list(instance, caller, now, found.backups, fields),
    )


def _import_path(instance: Instance, caller: Caller, app: App) -> str | None:
    """The place of the form that imports an archive, for whoever may."""
    may_import = takes_archives(instance, caller.account, app) and caller.may(Right.BACKUPS_IMPORT, app.id)
    return f"/apps/{app.id}/settings#import" if may_import else None


def hero_page(scope: Scope, instance: Instance, caller: Caller, token: str, app_id: str) -> Answer:
    """The headline of an application and its days, for a page that is open."""
    now = overview(instance, apps.get_app(instance, caller.account.id, app_id))
    return page(scope, "hero.html", **_hero(instance, caller, token, now))


def row_page(scope: Scope, instance: Instance, caller: Caller, app_id: str, ref: str) -> Answer:
    """The row of a backup, for a page that is open."""
    backup = find_backup(instance, app_id, ref)
    return page(scope, "row.html", row=_rows(instance, caller, [backup])[0])


def _hero(instance: Instance, caller: Caller, token: str, now: Overview) -> dict[str, Any]:
    kind, app_id = now.standing.kind, now.app.id
    may_take = caller.may(Right.BACKUPS_CREATE, app_id) and kind not in _BUSY | _NEEDS_A_PLAN
    return {
        "badge": badge_of(kind),
        "headline": now.words.headline,
        "text": words.standing_text(now.words, now.standing.facts.now, zone_of(instance)),
        "take": _form(token, app_id) if may_take else None,
        "percent": _percent(now),
        **_going(instance, caller, token, app_id, now),
        "needs_plan": kind in _NEEDS_A_PLAN,
        "has_history": kind not in _QUIET,
        "strip": shown_strip(now.strip),
        "sentence": strip_sentence(now.strip),
    }


def _form(token: str, app_id: str) -> dict[str, str]:
    """The form that takes a backup; sent twice it takes one."""
    path = _take_path(app_id)
    return {"action": path, "token": form_token(token, path), "once": secrets.token_hex(16)}


def _going(instance: Instance, caller: Caller, token: str, app_id: str, now: Overview) -> dict[str, Any]:
    """The other things that the headline offers: restore, cancel what runs, see a restore, undo the last one."""
    facts, may_restore = now.standing.facts, caller.may(Right.BACKUPS_RESTORE, app_id)
    work, right = facts.backup, Right.BACKUPS_CREATE
    if facts.restore is not None:
        work, right = facts.restore, Right.BACKUPS_RESTORE
    is_restorable = may_restore and bool(facts.good_id) and work is None and not facts.plan_without
    seen = facts.restore or (facts.restore_failed if now.standing.kind is Kind.RESTORE_FAILED else None)
    restored = facts.restored if work is None and not facts.plan_without else None
    is_new = restored is not None and facts.now - restored.at < UNDO_OFFERED_NS
    return {
        "restore": restore_path(app_id) if is_restorable else None,
        "cancel": job_form(token, work.id, "cancel") if work is not None and caller.may(right, app_id) else None,
        "job": None if seen is None else path_of_job(seen.id),
        "undo_restore": undo_form(instance, caller, token, restored.id, now.app) if restored and is_new else None,
        "undone": "" if restored is None else words.ago(restored.at, facts.now),
    }


def _restore_path(caller: Caller, backup: Backup) -> str | None:
    is_good = backup.state is State.SUCCESSFUL
    return (
        restore_path(backup.app_id, backup.id) if is_good and caller.may(Right.BACKUPS_RESTORE, backup.app_id) else None
    )


def _undo(instance: Instance, token: str, backup: Backup) -> dict[str, str] | None:
    """The form that brings back the backup that was just deleted."""
    if backup.gone_at is None:
        return None
    path = f"{path_of(backup)}/undelete"
    until = words.when(backup.gone_at, instance.clock.now_ns(), zone_of(instance))
    name = words.name(backup.name, backup.created_at, zone_of(instance))
    return {"action": path, "token": form_token(token, path), "name": name, "until": until}


def _percent(now: Overview) -> int | None:
    work = now.standing.facts.restore or now.standing.facts.backup
    progress = None if work is None else work.progress
    if progress is None or not progress.total_bytes:
        return None
    return min(100, 100 * progress.bytes // progress.total_bytes)


def _kept(instance: Instance, caller: Caller, app: App, now: Overview) -> list[tuple[str, str]]:
    plan, facts = accounts.plan_of(instance, caller.account), now.standing.facts
    next_at, proof = facts.next_backup_at, facts.next_proof_at
    most = plan.backups_per_app
    room = ngettext("%(num)s backup", "%(num)s backups", most, num=words.number(most)) if most else ""
    lines = [
        (_("Rules"), ", ".join(rules_in_words(app.settings.retention)) or _("every backup is kept")),
        (_("Room"), room or _("as many backups as fit")),
        (_("Stored for all"), words.size(now.stored_bytes)),
        (_("Next backup"), _("by hand") if next_at is None else words.moment(next_at, facts.now, zone_of(instance))),
    ]
    if proof is None:
        return lines
    return [*lines, (_("Next test restore"), words.moment(proof, facts.now, zone_of(instance)))]


def _runs(instance: Instance, app: App, now_ns: int) -> list[tuple[str, str]]:
    """The next runs by schedule, and how far off each is."""
    zone = zone_of(instance)
    return [(words.moment(at, now_ns, zone), words.until(at, now_ns)) for at in next_runs(instance, app)]


def _found(instance: Instance, caller: Caller, now: Overview, fields: dict[str, str]) -> Shown:
    """The backups of the page, one more if there are older ones, and with them the one that was just deleted."""
    return page_of_backups(
        *(instance, caller.account.id, now.app.id),
        choice=_choice(fields),
        part=fields.get("q", ""),
        after=fields.get("after"),
        limit=ROWS + 1,
        trashed_id=fields.get("deleted"),
        is_after_there=any(backup.id == fields.get("after") for backup in now.backups),
    )


def _choice(fields: dict[str, str]) -> Choice:
    return Choice(fields["show"]) if fields.get("show") in set(Choice) else Choice.ALL


def _list(
    instance: Instance, caller: Caller, now: Overview, found: Sequence[Backup], fields: dict[str, str]
) -> dict[str, Any]:
    app, choice, part, after = now.app, _choice(fields), fields.get("q", ""), fields.get("after")
    rows, kept_by = found[:ROWS], reasons_of(instance, app, caller.account.plan, now.backups)
    kept = {name: value for name, value in (("show", choice.value), ("q", part)) if value}
    older = urlencode({**kept, "after": rows[-1].id}) if len(found) > ROWS else None
    return {
        "rows": _rows(instance, caller, rows, kept_by),
        "older": None if older is None else f"/apps/{app.id}?{older}",
        "is_first": after is None,
        "q": part,
        "choice": choice.value,
        "choices": [
            {
                "text": _(text),
                "href": f"/apps/{app.id}" + (f"?show={one.value}" if one else ""),
                "is_current": one is choice,
            }
            for one, text in _CHOICES.items()
        ],
    }


def _rows(
    instance: Instance, caller: Caller, found: Sequence[Backup], kept: Mapping[str, tuple[str, ...]] | None = None
) -> list[dict[str, Any]]:
    now, zone = instance.clock.now_ns(), zone_of(instance)
    shown = full_objects(instance, found, with_keys=caller.may_download, kept=kept)
    return [
        {
            "id": backup.id,
            "name": words.name(backup.name, backup.created_at, zone),
            "given_name": backup.name,
            "group": words.group(backup.created_at, now, zone),
            "badge": badge_of_backup(backup),
            "is_good": backup.state is State.SUCCESSFUL,
            "origin": words.origin(backup.origin),
            "ago": words.ago(backup.created_at, now),
            "whole": words.whole(backup.created_at, zone),
            "files": words.files(backup.files),
            "content": words.size(backup.content_bytes),
            "added": words.size(backup.stored_bytes),
            "locked": locked_words(backup, now, zone),
            "href": path_of(backup),
            "restore": _restore_path(caller, backup),
            "is_proved": backup.restore_proved_at is not None,
            "warnings": words.warnings(len(backup.warnings)) if backup.warnings else None,
            "url": full.url,
            "error": None if full.error is None else full.error.message,
        }
        for backup, full in zip(found, shown, strict=True)
    ]
