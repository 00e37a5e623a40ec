"""`/account/log-in`: how somebody signs in: password, authenticator app, sessions; of customers and operators alike."""

from __future__ import annotations

from typing import Any

import segno
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope
from markupsafe import Markup

from holdfast.service.credentials import second_factor as service
from holdfast.service.credentials.passwords import own_credentials
from holdfast.service.errors import CodeRefused
from holdfast.service.identities.linking import own_identities
from holdfast.service.language.texts import _
from holdfast.service.people import sessions
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OPERATOR_PATH, OperatorCaller
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import (
    PROOFS_PATH,
    AnyRequest,
    account_of,
    as_page,
    person_form,
    require_elevated,
    require_person,
)
from holdfast.web.dashboard.people.account_pages import session_lines
from holdfast.web.dashboard.people.trying import code_fitted, one_code
from holdfast.web.dashboard.proofs.passkey_list import passkey_values
from holdfast.web.dashboard.providers import linked
from holdfast.web.dashboard.render import page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

_SET_UP = f"{PROOFS_PATH}/authenticator"
_OFF, _CODES = f"{_SET_UP}/off", f"{_SET_UP}/recovery-codes"
_END_OTHERS = f"{PROOFS_PATH}/sessions/end-others"
_ID_SEGMENT = 3
_Person = Caller | OperatorCaller


def factor_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_set_up_routes(context), *_change_routes(context), *_session_routes(context)]


def _set_up_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @get(_SET_UP, opt=OPEN)
    @as_page
    async def show_set_up(request: AnyRequest) -> Answer:
        caller, token = require_person(context, request.scope)
        require_elevated(context, caller, _SET_UP)
        return _set_up_page(request.scope, service.new_app(instance, caller), token)

    @post(_SET_UP, opt=OPEN)
    @as_page
    async def set_up(request: AnyRequest) -> Answer:
        caller, token, fields = await person_form(context, request, _SET_UP)
        require_elevated(context, caller, _SET_UP)
        sealed, code, person_id = fields.get("sealed", ""), fields.get("code", ""), caller.person_id or ""
        app = service.new_app(instance, caller, sealed)
        one_code(context, request.scope, person_id)
        try:
            codes = await context.call(service.set_up, instance, caller, account_of(caller), sealed, code)
        except CodeRefused as refused:
            return _set_up_page(request.scope, app, token, refused.message, refused.http_status)
        code_fitted(context, request.scope, person_id)
        return _codes_page(request.scope, codes, _("The authenticator app is on"))

    return [show_set_up, set_up]


def _change_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @post(_CODES, opt=OPEN)
    @as_page
    async def make_codes(request: AnyRequest) -> Answer:
        caller, *__ = await person_form(context, request, _CODES)
        require_elevated(context, caller, PROOFS_PATH)
        codes = await context.call(service.make_recovery_codes, instance, caller, account_of(caller))
        return _codes_page(request.scope, codes, _("New recovery codes"))

    @post(_OFF, opt=OPEN)
    @as_page
    async def switch_off(request: AnyRequest) -> Answer:
        caller, *__ = await person_form(context, request, _OFF)
        require_elevated(context, caller, PROOFS_PATH)
        await context.call(service.switch_off, instance, caller, account_of(caller))
        return redirect(PROOFS_PATH, [])

    return [make_codes, switch_off]


def _session_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(PROOFS_PATH, opt=OPEN)
    @as_page
    async def show_proofs(request: AnyRequest) -> Answer:
        caller, token = require_person(context, request.scope)
        needed = "needed" in inputs.query(request.scope, "needed")
        return await proofs_page(context, request.scope, caller, token, needed=needed)

    @post(f"{PROOFS_PATH}/sessions/{{session_id:str}}/end", opt=OPEN)
    @as_page
    async def end_own_session(request: AnyRequest) -> Answer:
        session_id = inputs.path_segment(request.scope, _ID_SEGMENT)
        caller, *__ = await person_form(context, request, _end_path(session_id))
        await context.call(sessions.end_session_of, context.instance, caller, account_of(caller), session_id)
        return redirect(PROOFS_PATH, [])

    @post(_END_OTHERS, opt=OPEN)
    @as_page
    async def end_other_sessions(request: AnyRequest) -> Answer:
        caller, *__ = await person_form(context, request, _END_OTHERS)
        await context.call(sessions.end_other_sessions, context.instance, caller, account_of(caller))
        return redirect(PROOFS_PATH, [])

    return [show_proofs, end_own_session, end_other_sessions]


async def proofs_page(
    context: Context,
    scope: Scope,
    caller: _Person,
    token: str,
    error: str = "",
    status: int = 200,
    *,
    needed: bool = False,
) -> Answer:
    """The page of how somebody signs in. `error`: the reason for which a passkey was not added."""
    shown = await context.call(_proofs, context, caller, token)
    if isinstance(caller, Caller):  # no other site lets an operator in as one
        own = await context.call(own_identities, context.instance, caller, caller.account.id)
        shown |= linked(context, own, token)
    return page(
        scope,
        "account/log_in.html",
        status,
        title=_("Signing in"),
        lines=[_("You are signed in as %(who)s.", who=caller.actor.name)],
        needed=needed,
        error=error,
        back=OPERATOR_PATH if isinstance(caller, OperatorCaller) else "/account",
        **shown,
    )


def _end_path(session_id: str) -> str:
    return f"{PROOFS_PATH}/sessions/{session_id}/end"


def _proofs(context: Context, caller: _Person, token: str) -> dict[str, Any]:
    """The values of the page."""
    instance, own = context.instance, own_credentials(context.instance, caller)
    now = instance.clock.now_ns()
    found = sessions.sessions_of_person(instance, caller.person_id or "", account_of(caller))

    factor = {
        "is_on": own.factor is not None,
        "has_password": own.hash is not None,
        "since": "" if own.factor is None else words.when(own.factor.created_at, now, zone_of(instance)),
        "left": 0 if own.factor is None else service.codes_left(instance, caller),
        "set_up_path": _SET_UP,
        "codes_path": _CODES,
        "codes_token": form_token(token, _CODES),
        "off_path": _OFF,
        "off_token": form_token(token, _OFF),
    }
    lines = session_lines(instance, found, caller.session_id, token, _end_path)
    others = {"end_others_path": _END_OTHERS, "end_others_token": form_token(token, _END_OTHERS)}
    return {"factor": factor, "passkeys": passkey_values(context, caller, token), "sessions": lines, **others}


def _set_up_page(scope: Scope, app: service.NewApp, token: str, error: str = "", status: int = 200) -> Answer:
    code = segno.make(app.uri, error="m", micro=False)
    drawn = code.svg_inline(scale=4, svgclass=None, lineclass=None, omitsize=True)
    return page(
        scope,
        "account/factor_set_up.html",
        status,
        title=_("Set an authenticator app up"),
        lines=[_("It is on once you have given one of its codes.")],
        action=_SET_UP,
        form_token=form_token(token, _SET_UP),
        picture=Markup(drawn),
        secret=" ".join(app.secret[at : at + 4] for at in range(0, len(app.secret), 4)),
        uri=app.uri,
        sealed=app.sealed,
        error=error,
        back=PROOFS_PATH,
    )


def _codes_page(scope: Scope, codes: tuple[str, ...], title: str) -> Answer:
    return page(
        scope,
        "account/recovery_codes.html",
        201,
        title=title,
        lines=[_("These recovery codes let you in when the app is lost. Earlier ones work no more.")],
        codes=codes,
        back=PROOFS_PATH,
    )
