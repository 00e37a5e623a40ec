"""`/login`: signing in by a password, and `/login/account`: choosing one of several accounts."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.credentials import log_in as service
from holdfast.service.credentials.log_in import AwaitsCode, Browser, Entrance, LoggedIn
from holdfast.service.errors import AccessDenied, PasswordRefused, SecondFactorMissing
from holdfast.service.language.texts import _
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import (
    CODE_PATH,
    LOGIN_PATH,
    PROOFS_PATH,
    AnyRequest,
    account_of,
    as_page,
    person_form,
    require_elevated,
    require_from_here,
    require_person,
    return_path,
    with_return,
)
from holdfast.web.dashboard.people.trying import one_try, tried_well
from holdfast.web.dashboard.providers import buttons, passkey_form
from holdfast.web.dashboard.render import page, redirect
from holdfast.web.dashboard.session import form_token, session_token, set_cookie, set_half_cookie
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, Headers
from holdfast.web.http.errors import ApiError, KeyRefused

CHOICE_PATH = f"{LOGIN_PATH}/account"


def log_in_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_password_routes(context), *_choice_routes(context)]


def browser_of(context: Context, scope: Scope) -> Browser:
    """The origin of a request, and the session that the browser has."""
    agent = inputs.header(scope, b"user-agent") or ""
    local = context.addresses.is_local(scope)
    return Browser(context.addresses.client(scope), agent, session_token(context, scope), local)


def _password_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(LOGIN_PATH, opt=OPEN)
    @as_page
    async def show_log_in(request: AnyRequest) -> Answer:
        wanted = return_path(inputs.query(request.scope, "return_to").get("return_to", "/"))
        try:
            caller, _ = require_person(context, request.scope)
        except (ApiError, AccessDenied) as error:
            if isinstance(error, KeyRefused | AccessDenied):
                return log_in_page(context, request.scope, wanted)
            raise
        return redirect(first_page(account_of(caller), wanted), [])

    @post(LOGIN_PATH, opt=OPEN)
    @as_page
    async def log_in(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        fields = await inputs.form_body(request)
        email, wanted = fields.get("email", "").strip(), return_path(fields.get("return_to", "/"))
        browser = browser_of(context, request.scope)
        try:
            one_try(context, request.scope, email.lower())
            password = fields.get("password", "")
            done = await context.call_hashing(service.log_in, context.instance, email, password, browser, wanted)
        except (PasswordRefused, SecondFactorMissing) as refused:
            return log_in_page(context, request.scope, wanted, email, refused.message, refused.http_status)
        tried_well(context, request.scope, email.lower())
        if isinstance(done, AwaitsCode):
            return redirect(with_return(CODE_PATH, wanted), [set_half_cookie(context, done.token)])
        return signed_in(context, done, wanted)

    return [show_log_in, log_in]


def signed_in(context: Context, done: LoggedIn, wanted: str, more: Headers | None = None) -> Answer:
    """Give the browser its session, and lead it to its page, or to the choice of an account."""
    headers: Headers = [set_cookie(context, done.token), *(more or [])]
    if done.is_open:
        return redirect(with_return(CHOICE_PATH, wanted), headers)
    return redirect(first_page(done.entrance.account_id, wanted), headers)


def _choice_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(CHOICE_PATH, opt=OPEN)
    @as_page
    async def show_accounts(request: AnyRequest) -> Answer:
        wanted = return_path(inputs.query(request.scope, "return_to").get("return_to", "/"))
        caller, token = require_person(context, request.scope)
        require_elevated(context, caller, CHOICE_PATH)
        found = await context.call(service.own_entrances, context.instance, caller)
        return page(
            request.scope,
            "sign_in/accounts.html",
            title=_("Choose an account"),
            lines=[_("You are signed in as %(who)s.", who=caller.actor.name)],
            action=CHOICE_PATH,
            form_token=form_token(token, CHOICE_PATH),
            return_to=wanted,
            entrances=[shown_entrance(one, account_of(caller)) for one in found],
        )

    @post(CHOICE_PATH, opt=OPEN)
    @as_page
    async def choose_account(request: AnyRequest) -> Answer:
        caller, _token, fields = await person_form(context, request, CHOICE_PATH)
        require_elevated(context, caller, CHOICE_PATH)
        account_id = fields.get("account") or None
        browser = browser_of(context, request.scope)
        token = await context.call(service.enter, context.instance, caller, account_id, browser)
        wanted = return_path(fields.get("return_to", "/"))
        return redirect(first_page(account_id, wanted), [set_cookie(context, token)])

    return [show_accounts, choose_account]


def shown_entrance(entrance: Entrance, account_id: str | None) -> dict[str, Any]:
    """An account to choose. `account_id`: the one that is open now."""
    operator = entrance.account_id is None
    return {
        "id": entrance.account_id or "",
        "name": _("The operator's pages") if operator else entrance.name or entrance.email,
        "more": _("All accounts of this instance") if operator else entrance.email if entrance.name else "",
        "is_this": entrance.account_id == account_id,
    }


def first_page(account_id: str | None, wanted: str) -> str:
    """The page to see first: an operator has pages of his own."""
    is_operators = wanted == OPERATOR_PATH or wanted.startswith(f"{OPERATOR_PATH}/")
    if account_id is None:
        return wanted if is_operators or wanted.startswith(("/account/password", PROOFS_PATH)) else OPERATOR_PATH
    return "/" if is_operators else wanted


def log_in_page(
    context: Context, scope: Scope, wanted: str, email: str = "", error: str = "", status: int = 200
) -> Answer:
    """The page of signing in. `error`: the reason for which a try was refused."""
    return page(
        scope,
        "sign_in/login.html",
        status,
        title=_("Sign in to your backups"),
        lines=[],
        action=LOGIN_PATH,
        return_to=wanted,
        email=email,
        error=error,
        passkey=passkey_form(context, f"{LOGIN_PATH}/passkey", "", return_to=wanted),
        providers=buttons(context, "sign_in", return_to=wanted),
    )
