"""`/apps/{app_id}/restore`: choose what, where and how; see what would change; then one button.

It must never restore what it did not show: what is pressed carries the counts that were shown, and the job refuses to
do something else.
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import App, Backup
from holdfast.schemas.jobs import INTO_CHARACTERS_MAX
from holdfast.schemas.times import local_time
from holdfast.service.errors import Invalid, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.integrity.prove import newest_backup
from holdfast.service.language.texts import _
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import accounts, apps
from holdfast.service.registry import backups as operations
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Expected, Wanted
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_app
from holdfast.web.dashboard.apps.comparisons import FRESH_NS, Compared, Comparisons
from holdfast.web.dashboard.apps.job_pages import once_of, path_of_job
from holdfast.web.dashboard.apps.restore_choice import PATHS_SHOWN, Choice, Where, choice_of, query_of
from holdfast.web.dashboard.apps.restore_shown import shown
from holdfast.web.dashboard.render import app_frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import ApiError, known_error

_RESTORE = "/apps/{app_id:str}/restore"
RELOAD_SECONDS = 2
_OTHER_NODE = "OTHER_NODE"


class _Asked(NamedTuple):
    """The things that are chosen. `target`: None until it is; `others`: the applications that may be."""

    app: App
    backup: Backup
    target: App | None
    others: list[App]


class _Outcome(NamedTuple):
    """The outcome of comparing. `is_going`: it goes on; `refusal`: why it could not be done."""

    compared: Compared | None = None
    is_going: bool = False
    refusal: ApiError | None = None
    code: str = ""


def restore_page_routes(context: Context, comparisons: Comparisons) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    async def outcome(asked: _Asked, choice: Choice) -> _Outcome:
        if choice.missing is not None or choice.where is Where.DOWNLOAD or asked.target is None:
            return _Outcome()
        try:
            made = await comparisons.made(asked.backup, asked.target, choice.wanted, choice.again)
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            return _Outcome(refusal=known, code=known.code)
        return _Outcome(made, is_going=made is None)

    async def answer(
        scope: Scope, caller: Caller, token: str, app_id: str, choice: Choice, refused: ApiError | None = None
    ) -> Answer:
        asked = await context.call(_asked, context, caller, app_id, choice)
        if choice.where is Where.BESIDE and not choice.into:
            choice = choice._replace(into=_new_folder(instance, asked.backup))
        came = await outcome(asked, choice)
        status = next((one.http_status for one in (refused, came.refusal) if one is not None), 200)
        values = await context.call(_values, instance, caller, token, asked, choice, came)
        return page(scope, "restore.html", status, refused=None if refused is None else refused.message, **values)

    @get(_RESTORE, opt=needs(Right.BACKUPS_RESTORE))
    @as_page
    async def restore_page(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        return await answer(request.scope, caller, token, app_id, choice_of(request.scope))

    @post(_RESTORE, opt=needs(Right.BACKUPS_RESTORE))
    @as_page
    async def restore(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        choice = choice_of(request.scope)
        fields = await form_fields(context, request, token, _action(app_id, choice))
        expected, at = _expected(fields), _number(fields, "at")
        is_old = instance.clock.now_ns() - at > FRESH_NS
        asked = await context.call(_asked, context, caller, app_id, choice)
        is_blind = asked.target is not None and asked.target.node != instance.config.node
        if (expected is None or is_old) and not is_blind:
            return redirect(f"/apps/{app_id}/restore?{query_of(choice, again=at)}", [])
        wanted = msgspec.structs.replace(choice.wanted, expected=expected, once=once_of(fields))
        try:
            path = await context.call(_request, instance, caller, asked, choice, wanted)
        except ServiceError as error:
            known = known_error(error)
            if known is None:
                raise
            return await answer(request.scope, caller, token, app_id, choice, known)
        return redirect(path, [])

    return [restore_page, restore]


def _action(app_id: str, choice: Choice) -> str:
    """The address of the form that restores, which has all choices in it."""
    return f"/apps/{app_id}/restore?{query_of(choice)}"


def _number(fields: dict[str, str], name: str) -> int:
    text = fields.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


def _expected(fields: dict[str, str]) -> Expected | None:
    """The counts that the page showed; None for a form without them."""
    if not all(fields.get(name, "").isdigit() for name in ("added", "changed", "removed")):
        return None
    return Expected(_number(fields, "added"), _number(fields, "changed"), _number(fields, "removed"))


def _asked(context: Context, caller: Caller, app_id: str, choice: Choice) -> _Asked:
    instance = context.instance
    accounts.require_api_backups(instance, caller.account)
    context.require_store()
    app = apps.get_app(instance, caller.account.id, app_id)
    backup = (
        operations.find_backup(instance, app_id, choice.backup) if choice.backup else newest_backup(instance, app_id)
    )
    operations.require_usable(backup, "restored")
    mine = [one for one in apps.list_apps(instance, caller.account.id) if caller.may(Right.BACKUPS_RESTORE, one.id)]
    others = [one for one in mine if one.id != app_id and one.ended_at is None]
    target: App | None = app
    if choice.where is Where.OTHER:
        target = next((one for one in others if one.id == choice.target), None)
        if target is None and choice.target:
            caller.require(Right.BACKUPS_RESTORE, choice.target)
            target = apps.get_app(instance, caller.account.id, choice.target)
    return _Asked(app, backup, target, others)


def _request(instance: Instance, caller: Caller, asked: _Asked, choice: Choice, wanted: Wanted) -> str:
    """Ask for the restore, and return the path of its job's page."""
    if choice.missing is not None or asked.target is None or choice.where is Where.DOWNLOAD:
        raise Invalid(
            "paths" if choice.is_ticked else "target_app_id", choice.missing or _("Choose where to restore to.")
        )
    return path_of_job(request_restore(instance, asked.backup, asked.target, wanted, caller.actor).id)


def _values(
    instance: Instance, caller: Caller, token: str, asked: _Asked, choice: Choice, came: _Outcome
) -> dict[str, Any]:
    """All that the page says."""
    app, backup, zone = asked.app, asked.backup, zone_of(instance)
    choice = choice._replace(backup=backup.id)
    name = words.name(backup.name, backup.created_at, zone)
    was = words.whole(backup.created_at, zone)
    goes_back = _("goes back to %(when)s", when=was)
    if choice.where is Where.HERE:
        goes_back = _("goes back to %(when)s; the safety backup keeps today's", when=was)
    compared, action = came.compared, _action(app.id, choice)
    now = instance.clock.now_ns()
    full = operations.full_object(instance, backup, with_keys=caller.may_download)
    return {
        "frame": app_frame(caller, str(zone), app, "backups"),
        "name": name,
        "backup": backup,
        "backup_path": f"/apps/{app.id}/backups/{backup.id}",
        "all_of_it": f"{words.files(backup.files)}, {words.size(backup.content_bytes)}",
        "proved": None if backup.restore_proved_at is None else words.whole(backup.restore_proved_at, zone),
        "choice": choice,
        "path": f"/apps/{app.id}/restore",
        "paths_shown": choice.paths[:PATHS_SHOWN],
        "others": asked.others,
        "into": choice.into or _new_folder(instance, backup),
        "into_max": INTO_CHARACTERS_MAX,
        "target": asked.target,
        "missing": choice.missing,
        "url": full.url,
        "going": came.is_going,
        "reload_seconds": RELOAD_SECONDS,
        "refusal": None if came.refusal is None or came.code == _OTHER_NODE else came.refusal.message,
        "is_blind": came.code == _OTHER_NODE,
        "would": None if compared is None else shown(compared, goes_back),
        "compared_at": None if compared is None else words.when(compared.at, now, zone),
        "again": f"/apps/{app.id}/restore?{query_of(choice, again=now if compared is None else compared.at)}",
        "dumps": [] if compared is None else compared.dumps,
        "form": {"action": action, "token": form_token(token, action), "fields": _hidden(compared)},
        "undo_days": instance.config.safety_days,
        "curl_body": _curl_body(choice),
        "base_url": instance.config.base_url.rstrip("/"),
    }


def _hidden(compared: Compared | None) -> dict[str, str | int]:
    """The hidden fields of the form: its token of one use, and what was shown."""
    once = {"once": secrets.token_hex(16)}
    if compared is None:
        return {**once}
    changes = compared.preview.changes
    return {
        **once,
        "added": changes.added,
        "changed": changes.changed,
        "removed": changes.removed,
        "at": compared.at,
    }


def _new_folder(instance: Instance, backup: Backup) -> str:
    """A name for a new folder beside what is there."""
    return f"restored-{local_time(backup.created_at, zone_of(instance)):%Y-%m-%d-%H%M}"


def _curl_body(choice: Choice) -> str:
    body: dict[str, Any] = {"mode": choice.mode, "dry_run": True}
    if choice.is_ticked and choice.paths:
        body["paths"] = list(choice.paths)
    if choice.where is Where.BESIDE and choice.into:
        body["into"] = choice.into
    if choice.where is Where.OTHER and choice.target:
        body["target_app_id"] = choice.target
    return msgspec.json.encode(body).decode()


def restore_path(app_id: str, backup_id: str = "") -> str:
    """The path of the page that restores a backup; without one, the newest good one."""
    return f"/apps/{app_id}/restore" + (f"?{urlencode({'backup': backup_id})}" if backup_id else "")
