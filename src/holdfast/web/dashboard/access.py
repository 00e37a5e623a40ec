"""Who may see a page and send its forms: whoever is signed in, with the rights of the API's routes.

It must never let another site's page send a form, or tell of what is not the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.types import ASGIApp, Scope

from holdfast.service.credentials.passwords import SignedIn, is_elevated
from holdfast.service.errors import AccessDenied, SecondFactorMissing
from holdfast.service.language.texts import _, best_of, speaking
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OPERATOR_PATH, OperatorCaller
from holdfast.service.people.sign_in import RETURN_TO_CHARACTERS_MAX, is_local_path
from holdfast.service.people.views import ViewOnly
from holdfast.web.auth import is_operators, require_page
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.render import page, redirect
from holdfast.web.dashboard.session import (
    is_form_token,
    is_from_here,
    may_come,
    session_caller,
    session_operator,
    session_token,
)
from holdfast.web.dashboard.viewer import shown_to_nobody
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import ApiError, KeyRefused, RouteMissing, cross_site, known_error, route_not_found

AnyRequest = Request[Any, Any, Any]
LOGIN_PATH, ELEVATE_PATH = "/login", "/elevate"
CODE_PATH, PROOFS_PATH = "/login/2fa", "/account/log-in"
AGAIN_SECONDS = 10
"""A page that could not be answered loads itself again after so long."""

Handler = Callable[[AnyRequest], Awaitable[ASGIApp]]


class NotElevated(ApiError):
    """The page, or its form, needs a session whose person proved himself just now. `return_to`: a page of ours."""

    http_status = 403

    def __init__(self, return_to: str) -> None:
        super().__init__("PERMISSION_DENIED", "Give your password again first.")
        self.return_to = return_to


class FactorWanted(ApiError):
    """An operator who came by a link from outside the machine, and has no second factor yet."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__("SECOND_FACTOR_REQUIRED", "Set an authenticator app up first.")


def as_page(handler: Handler) -> Handler:
    """Answer in the language of whoever asks, and an error of a page by a page with its sentence.

    A browser that opens a page without a session is led to that of signing in, and back afterwards.
    """

    @wraps(handler)
    async def spoken(request: AnyRequest) -> ASGIApp:
        with speaking(best_of(inputs.header(request.scope, b"accept-language") or "")), shown_to_nobody():
            return await answered(request)

    async def answered(request: AnyRequest) -> ASGIApp:
        try:
            return await handler(request)
        except Exception as error:
            known = known_error(error)
            if known is None or isinstance(known, RouteMissing):  # a page that does not exist for the caller
                raise
            if isinstance(known, NotElevated):
                return redirect(with_return(ELEVATE_PATH, known.return_to), [])
            if isinstance(known, FactorWanted):
                return redirect(f"{PROOFS_PATH}?needed=1", [])
            is_refused, scope = isinstance(known, KeyRefused), request.scope
            if is_refused and is_navigation(scope):
                return redirect(with_return(LOGIN_PATH, _address(scope)), known.headers)
            return _refused_page(scope, known, LOGIN_PATH if is_refused else "")

    return spoken


def _refused_page(scope: Scope, known: ApiError, sign_in_path: str) -> Answer:
    """An error as a page, which loads itself again for as long as the server cannot answer."""
    title, again_seconds = _("This did not work"), 0
    lines: list[str] = [words.sentence(known.message)]
    if sign_in_path:
        title = _("You are not signed in")
    elif known.http_status == 429:
        title = _("Wait a moment")
    elif known.http_status == 503:
        title = _("Back in a moment")
        if scope.get("method") == "GET":
            again_seconds = AGAIN_SECONDS
            lines.append(_("Your backups are safe. This page tries again by itself."))
    is_operators = scope["path"].startswith(OPERATOR_PATH)
    return page(
        scope,
        "refused.html",
        known.http_status,
        known.headers,
        title=title,
        lines=lines,
        sign_in_path=sign_in_path,
        back_path="" if sign_in_path else OPERATOR_PATH if is_operators else "/",
        again_seconds=again_seconds,
    )


def with_return(path: str, return_to: str) -> str:
    """The address of a page that leads to another one afterwards."""
    return path if return_to == "/" else f"{path}?return_to={quote(return_to, safe='/')}"


def return_path(text: str) -> str:
    """The page that a browser is led to after it signed in, from what a request says: one of ours, else the first."""
    is_ours = len(text) <= RETURN_TO_CHARACTERS_MAX and is_local_path(text)
    lead_to_themselves = (LOGIN_PATH, CODE_PATH, ELEVATE_PATH, "/logout")
    is_page = text.partition("?")[0] not in lead_to_themselves
    return text if is_ours and is_page else "/"


def _address(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    return return_path(scope["raw_path"].decode("latin-1") + (f"?{query}" if query else ""))


def is_navigation(scope: Scope) -> bool:
    """True if a browser opens a page: not a form, and no script or program that fetches something."""
    mode = inputs.header(scope, b"sec-fetch-mode")
    is_browser = mode == "navigate" if mode is not None else "text/html" in (inputs.header(scope, b"accept") or "")
    return is_browser and scope.get("method") == "GET"


def require_elevated(context: Context, caller: SignedIn, return_to: str) -> None:
    """Lead to the page that asks for the password, unless it was given within the last 15 minutes.

    `return_to`: the path that the person is led to afterwards, which shows the form again. Whoever has no password yet
    counts as elevated for as long since he came in by a link or an invitation.
    """
    if isinstance(caller, Caller) and caller.is_view_only:
        raise ViewOnly
    if not is_elevated(context.instance, caller):
        raise NotElevated(return_to)


def require_person(context: Context, scope: Scope) -> tuple[Caller | OperatorCaller, str]:
    """Whoever is signed in, to an account or as an operator, and the session's token. Raises ACCESS_DENIED."""
    operator, token = session_operator(context, scope), session_token(context, scope)
    if operator is not None and not may_come(context, scope, operator) and not operator.may_set_up:
        raise SecondFactorMissing
    return (operator, token) if operator is not None and token is not None else require_session(context, scope)


def account_of(caller: Caller | OperatorCaller) -> str | None:
    """The id of the account that somebody is signed in to; None for an operator."""
    return caller.account.id if isinstance(caller, Caller) else None


async def person_form(
    context: Context, request: AnyRequest, action: str
) -> tuple[Caller | OperatorCaller, str, dict[str, str]]:
    """Whoever posts a form, to an account or as an operator, the session's token, and the fields."""
    require_from_here(context, request.scope)
    caller, token = require_person(context, request.scope)
    return caller, token, await form_fields(context, request, token, action)


def require_session(context: Context, scope: Scope) -> tuple[Caller, str]:
    """Whoever is signed in, and the session's token. Raises ACCESS_DENIED."""
    caller, token = session_caller(context, scope), session_token(context, scope)
    if caller is None or token is None:
        raise KeyRefused(AccessDenied().code, "Sign in, or open the link or the invitation that you were given.")
    return caller, token


def require_operator(context: Context, scope: Scope) -> tuple[OperatorCaller, str]:
    """The operator who is signed in, and the session's token.

    Raises ROUTE_NOT_FOUND for whoever is signed in to an account, ACCESS_DENIED for who is not signed in,
    SECOND_FACTOR_REQUIRED for who comes from outside the machine by less than a second factor.
    """
    if not is_operators(scope):
        raise TypeError("An operator's page must declare OPERATOR.")
    operator, token = session_operator(context, scope), session_token(context, scope)
    if operator is None or token is None:
        if session_caller(context, scope) is not None:
            raise route_not_found()
        raise KeyRefused(AccessDenied().code, "Open the link that `holdfast operator link EMAIL` prints.")
    if not may_come(context, scope, operator):
        raise FactorWanted if operator.may_set_up else SecondFactorMissing
    return operator, token


async def operator_form(context: Context, request: AnyRequest, action: str) -> tuple[OperatorCaller, dict[str, str]]:
    """The operator who posts a form of one of his pages, and its fields. Raises CROSS_SITE_REQUEST too."""
    operator, token = require_operator(context, request.scope)
    return operator, await form_fields(context, request, token, action)


async def form_caller(context: Context, request: AnyRequest, action: str) -> tuple[Caller, dict[str, str]]:
    """Whoever posts a form of one of our pages, and its fields. Raises ACCESS_DENIED, CROSS_SITE_REQUEST."""
    require_from_here(context, request.scope)
    caller, token = require_session(context, request.scope)
    return caller, await form_fields(context, request, token, action)


async def form_fields(context: Context, request: AnyRequest, token: str, action: str) -> dict[str, str]:
    """The fields of a form of one of our pages, posted in the session with this token. Raises CROSS_SITE_REQUEST."""
    require_from_here(context, request.scope)
    fields = await inputs.form_body(request)
    if not is_form_token(fields.get("form_token", ""), token, action):
        raise cross_site()
    return fields


def require_from_here(context: Context, scope: Scope) -> None:
    """Raise CROSS_SITE_REQUEST unless a page of this site sent the request."""
    if not is_from_here(context, scope):
        raise cross_site()
    session_operator(context, scope)  # refuses what would change something while he is shown an account's pages


def require_account(context: Context, scope: Scope) -> tuple[Caller, str]:
    """Whoever is signed in, who has what the page needs on the account, and the session's token.

    Raises ACCESS_DENIED, PERMISSION_DENIED.
    """
    caller, token = require_session(context, scope)
    require_page(context, scope, caller)
    return caller, token


def require_app(context: Context, scope: Scope) -> tuple[Caller, str, str]:
    """Whoever is signed in, the session's token, and the application in the path. Raises APP_NOT_FOUND too."""
    caller, token = require_session(context, scope)
    app_id = inputs.path_segment(scope, 1)
    require_page(context, scope, caller, app_id)
    return caller, token, app_id
