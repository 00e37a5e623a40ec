"""`/account/password`: setting one's own password, and `/elevate`: giving it again."""

from __future__ import annotations

from typing import NamedTuple

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.credentials import log_in as service
from holdfast.service.credentials import passkeys
from holdfast.service.credentials.passwords import CHARACTERS_MIN, is_elevated, own_credentials, set_own_password
from holdfast.service.errors import CodeRefused, Invalid, PasswordRefused
from holdfast.service.identities.linking import elevating
from holdfast.service.identities.providers import Configured
from holdfast.service.language.texts import N_, _
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OperatorCaller
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import (
    ELEVATE_PATH,
    PROOFS_PATH,
    AnyRequest,
    account_of,
    as_page,
    person_form,
    require_person,
    return_path,
)
from holdfast.web.dashboard.people.trying import code_fitted, one_code, one_try, tried_well
from holdfast.web.dashboard.providers import elevation_buttons, passkey_form
from holdfast.web.dashboard.render import page, redirect
from holdfast.web.dashboard.session import form_token, set_cookie
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PASSWORD_PATH = "/account/password"
_Person = Caller | OperatorCaller

_ELEVATION_LINES = {
    (True, False): N_("What comes next needs your password again. It is asked for at most every 15 minutes."),
    (True, True): N_(
        "What comes next needs your password again, or another way that you sign in. It is asked for at most every 15 "
        "minutes."
    ),
    (False, True): N_("What comes next needs you to sign in once more. It is asked for at most every 15 minutes."),
    (False, False): N_("You have no password, and came in more than 15 minutes ago. Open another link, and try again."),
}
"""By having a password, and a passkey or a provider that elevates."""


def password_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_own_password_routes(context), *_elevation_routes(context)]


def _own_password_routes(context: Context) -> list[HTTPRouteHandler]:
    async def shown(scope: Scope, caller: _Person, token: str, error: str = "", status: int = 200) -> Answer:
        has_one = (await context.call(own_credentials, context.instance, caller)).hash is not None
        return page(
            scope,
            "sign_in/password.html",
            status,
            title=_("Change your password") if has_one else _("Set a password"),
            lines=[_("It signs %(who)s in, besides links of your host.", who=caller.actor.name)],
            action=PASSWORD_PATH,
            form_token=form_token(token, PASSWORD_PATH),
            email=caller.actor.name,
            asks_old=has_one and not is_elevated(context.instance, caller),
            least=CHARACTERS_MIN,
            error=error,
            back=PROOFS_PATH,
        )

    @get(PASSWORD_PATH, opt=OPEN)
    @as_page
    async def show_password(request: AnyRequest) -> Answer:
        caller, token = require_person(context, request.scope)
        return await shown(request.scope, caller, token)

    @post(PASSWORD_PATH, opt=OPEN)
    @as_page
    async def set_password(request: AnyRequest) -> Answer:
        caller, token, fields = await person_form(context, request, PASSWORD_PATH)
        new, old = fields.get("new", ""), fields.get("old") or None
        if new != fields.get("again", ""):
            return await shown(
                request.scope, caller, token, _("The two are not the same; type the new one again."), 400
            )
        try:
            if old is not None:
                one_try(context, request.scope, caller.actor.name)
            await context.call_hashing(set_own_password, context.instance, caller, account_of(caller), new, old)
        except (Invalid, PasswordRefused) as error:
            return await shown(request.scope, caller, token, error.message, error.http_status)
        if old is not None:
            tried_well(context, request.scope, caller.actor.name)
        return redirect(PROOFS_PATH, [])

    return [show_password, set_password]


async def elevation_page(
    context: Context, scope: Scope, caller: _Person, token: str, wanted: str, error: str = "", status: int = 200
) -> Answer:
    """The page that asks whoever is signed in for a proof again. `error`: the reason for which one was refused."""
    found = await context.call(_ways, context, caller)
    passkey = passkey_form(context, f"{ELEVATE_PATH}/passkey", token, return_to=wanted) if found.has_passkey else None
    return page(
        scope,
        "sign_in/elevate.html",
        status,
        title=_("Is it you?"),
        lines=[_(_ELEVATION_LINES[found.has_password, bool(found.providers) or passkey is not None])],
        passkey=passkey,
        providers=elevation_buttons(found.providers, token, wanted),
        action=ELEVATE_PATH,
        form_token=form_token(token, ELEVATE_PATH),
        email=caller.actor.name,
        has_one=found.has_password,
        asks_code=found.has_factor,
        return_to=wanted,
        error=error,
        back=PROOFS_PATH,
    )


class _Ways(NamedTuple):
    """The ways in which somebody may elevate his session."""

    has_password: bool
    has_factor: bool
    has_passkey: bool
    providers: list[Configured]


def _ways(context: Context, caller: _Person) -> _Ways:
    own = own_credentials(context.instance, caller)
    has_passkey = bool(passkeys.elevating(context.instance, caller, own))
    providers = elevating(context.providers, caller, account_of(caller), own)
    return _Ways(own.hash is not None, own.factor is not None, has_passkey, providers)


def _elevation_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(ELEVATE_PATH, opt=OPEN)
    @as_page
    async def show_elevation(request: AnyRequest) -> Answer:
        wanted = return_path(inputs.query(request.scope, "return_to").get("return_to", "/"))
        caller, token = require_person(context, request.scope)
        if is_elevated(context.instance, caller):
            return redirect(wanted, [])
        return await elevation_page(context, request.scope, caller, token, wanted)

    @post(ELEVATE_PATH, opt=OPEN)
    @as_page
    async def elevate(request: AnyRequest) -> Answer:
        caller, token, fields = await person_form(context, request, ELEVATE_PATH)
        wanted, password = return_path(fields.get("return_to", "/")), fields.get("password", "")
        code = fields.get("code", "").strip()
        try:
            one_try(context, request.scope, caller.actor.name)
            if code:
                one_code(context, request.scope, caller.person_id or "")
            new = await context.call_hashing(
                service.elevate, context.instance, caller, account_of(caller), password, code
            )
        except (PasswordRefused, CodeRefused) as refused:
            return await elevation_page(
                context, request.scope, caller, token, wanted, refused.message, refused.http_status
            )
        tried_well(context, request.scope, caller.actor.name)
        if code:
            code_fitted(context, request.scope, caller.person_id or "")
        return redirect(wanted, [set_cookie(context, new)])

    return [show_elevation, elevate]
