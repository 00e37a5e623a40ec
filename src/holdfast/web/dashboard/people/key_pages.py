"""`/account/keys`: the API keys of an account, what each may do, making one and ending one.

The text of a key is in one answer, the one that made it; no address leads to it again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.schemas.keys import NewKey
from holdfast.service.errors import Conflict, Invalid, NotFound, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.people import keys
from holdfast.service.people.callers import Caller
from holdfast.service.people.giving import giver_of
from holdfast.service.people.keys import Key
from holdfast.service.people.rights import Right, stored_grant
from holdfast.service.registry.keys import MadeKey
from holdfast.units import DAY_NS, SECOND_NS
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_account, require_elevated
from holdfast.web.dashboard.people.giving_form import apps_words, given_rights, giving_choices, rights_words
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

KEYS_PATH = "/account/keys"
_ID_SEGMENT = 2
_ENDS = (
    ("", N_("Never")),
    ("7", N_("In 7 days")),
    ("30", N_("In 30 days")),
    ("90", N_("In 90 days")),
    ("365", N_("In a year")),
)
_OVERLAPS = (("0", N_("not at all")), ("3600", N_("for an hour")), ("86400", N_("for 24 hours")))
_SHOW_PATH, _ROTATE_PATH = "/account/main-key/show", "/account/main-key/rotate"
_FIELDS = ("name", "group", "app", "days", "networks")


class _Shown(NamedTuple):
    """A key whose text is in this one answer."""

    name: str
    text: str
    status: int = 201


def key_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(KEYS_PATH, opt=needs(Right.KEYS_READ))
    @as_page
    async def account_keys(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        return await context.call(_page, request.scope, instance, caller, token)

    @post(KEYS_PATH, opt=needs(Right.KEYS_WRITE))
    @as_page
    async def make_account_key(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token = require_account(context, scope)
        fields = await form_fields(context, request, token, KEYS_PATH)
        try:
            made = await context.call(_make, instance, caller, fields)
        except (Invalid, Conflict) as error:
            return await context.call(_page, scope, instance, caller, token, fields=fields, error=error)
        shown = _Shown(made.key.name, made.api_key)
        return await context.call(_page, scope, instance, caller, token, shown=shown)

    @post(f"{KEYS_PATH}/{{key_id:str}}/end", opt=needs(Right.KEYS_WRITE))
    @as_page
    async def end_account_key(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        key_id = inputs.path_segment(request.scope, _ID_SEGMENT)
        await form_fields(context, request, token, _end_path(key_id))
        await context.call(_end, instance, caller, key_id)
        return redirect(KEYS_PATH, [])

    return [account_keys, make_account_key, end_account_key, *_main_key_routes(context)]


def _main_key_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @post(_SHOW_PATH, opt=needs(Right.ACCOUNT_WRITE))
    @as_page
    async def show_main_key(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token = require_account(context, scope)
        await form_fields(context, request, token, _SHOW_PATH)
        require_elevated(context, caller, KEYS_PATH)
        text = await context.call(keys.show_main_key, instance, caller.account, giver_of(caller))
        return await context.call(_page, scope, instance, caller, token, shown=_Shown("main", text, 200))

    @post(_ROTATE_PATH, opt=needs(Right.ACCOUNT_WRITE))
    @as_page
    async def replace_main_key(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token = require_account(context, scope)
        fields = await form_fields(context, request, token, _ROTATE_PATH)
        require_elevated(context, caller, KEYS_PATH)
        try:
            made = await context.call(_rotate, instance, caller, fields)
        except (Invalid, Conflict) as error:
            return await context.call(_page, scope, instance, caller, token, error=error)
        shown = _Shown(made.key.name, made.api_key)
        return await context.call(_page, scope, instance, caller, token, shown=shown)

    return [show_main_key, replace_main_key]


def _end_path(key_id: str) -> str:
    return f"{KEYS_PATH}/{key_id}/end"


def _rotate(instance: Instance, caller: Caller, fields: dict[str, str]) -> MadeKey:
    """Replace the main key that the form was about, and no later one: the form may have been sent twice."""
    seconds = fields.get("overlap", "")
    if seconds not in dict(_OVERLAPS):
        raise Invalid("overlap_seconds", _("Choose how long the old key still works."))
    current = next((key for key in keys.list_keys(instance, caller.account.id) if keys.is_main(key)), None)
    if current is not None and current.id != fields.get("key"):
        raise Conflict("MAIN_KEY", _("The main key was replaced meanwhile; look at the keys as they are now."))
    return keys.replace_main_key(instance, caller.account, int(seconds), giver_of(caller))


def _make(instance: Instance, caller: Caller, fields: dict[str, str]) -> MadeKey:
    """Make a key. One of this name that is there already is refused: the form may have been sent twice."""
    name, days = fields.get("name", "").strip(), fields.get("days", "")
    if days not in dict(_ENDS):
        raise Invalid("expires_in", _("Choose when the key is to end."))
    if any(key.name == name for key in keys.list_keys(instance, caller.account.id)):
        message = _("A key named %(name)s exists already; end it first, or choose another name.", name=repr(name))
        raise Invalid("name", message)
    networks = fields.get("networks", "").replace(",", " ").split()
    wanted = NewKey(
        name=name,
        networks=networks or None,
        expires_in=int(days) * DAY_NS // SECOND_NS if days else None,
        **given_rights(fields),
    )
    return keys.make_key(instance, caller.account.id, wanted, giver_of(caller))


def _end(instance: Instance, caller: Caller, key_id: str) -> None:
    if not inputs.is_id(key_id):
        raise NotFound("KEY_NOT_FOUND", _("No such key exists."))
    keys.end_key(instance, keys.get_key(instance, caller.account.id, key_id), caller.actor)


def _page(
    scope: Scope,
    instance: Instance,
    caller: Caller,
    token: str,
    *,
    fields: dict[str, str] | None = None,
    error: ServiceError | None = None,
    shown: _Shown | None = None,
) -> Answer:
    choices = giving_choices(instance, caller)
    names = dict(choices["apps"])
    found = keys.list_keys(instance, caller.account.id)
    given = fields or {}
    return page(
        scope,
        "account/keys.html",
        error.http_status if error is not None else 200 if shown is None else shown.status,
        frame=Frame(caller.actor.name, str(zone_of(instance))),
        sub="keys",
        path=KEYS_PATH,
        error=None if error is None else error.message,
        shown=shown,
        main=_main_forms(caller, found, token) if caller.may(Right.ACCOUNT_WRITE) else None,
        overlaps=_OVERLAPS,
        keys=[_row(instance, key, names, token) for key in found],
        may_change=caller.may(Right.KEYS_WRITE),
        token=form_token(token, KEYS_PATH),
        choices=choices,
        ends=_ENDS,
        fields={name: given.get(name, "") for name in _FIELDS},
        ticked=[name for name in given if name.startswith("right.")],
        base_url=instance.config.base_url.rstrip("/"),
    )


def _main_forms(caller: Caller, found: list[Key], token: str) -> dict[str, str] | None:
    """The forms of the main key, for whoever has all that it may do; it may be shown to nobody else."""
    main = next((key for key in found if keys.is_main(key)), None)
    if main is None or not stored_grant(main.rights, None).is_within(caller.grant):
        return None
    return {
        "id": main.id,
        "show": _SHOW_PATH,
        "show_token": form_token(token, _SHOW_PATH),
        "rotate": _ROTATE_PATH,
        "rotate_token": form_token(token, _ROTATE_PATH),
    }


def _row(instance: Instance, key: Key, names: dict[str, str], token: str) -> dict[str, Any]:
    now, zone, path = instance.clock.now_ns(), zone_of(instance), _end_path(key.id)
    shown = keys.shown_key(instance, key)
    made_by = msgspec.to_builtins(shown.made_by)
    return {
        "name": shown.name,
        "start": shown.start,
        "is_main": shown.is_main,
        "rights": rights_words(shown.group, shown.rights),
        "apps": apps_words(shown.app_ids, names),
        "networks": ", ".join(shown.networks or ()),
        "made": words.when(key.created_at, now, zone),
        "made_by": made_by.get("name", "") if isinstance(made_by, dict) else "",
        "used": _("never used")
        if key.used_at is None
        else _("last used %(when)s", when=words.when(key.used_at, now, zone)),
        "ends": "" if key.ends_at is None else words.when(key.ends_at, now, zone),
        "action": path,
        "token": form_token(token, path),
    }
