"""Who may see a page and send its forms: whoever is signed in, with the rights of the API's routes.

It must never let another site's page send a form, or tell of what is not the caller's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from litestar import Request
from litestar.types import ASGIApp, Scope

from holdfast.service.errors import AccessDenied
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OperatorCaller
from holdfast.web.auth import is_operators, require_page
from holdfast.web.context import Context
from holdfast.web.dashboard.render import page
from holdfast.web.dashboard.session import (
    is_form_token,
    is_from_here,
    session_caller,
    session_operator,
    session_token,
)
from holdfast.web.http import request as inputs
from holdfast.web.http.errors import KeyRefused, RouteMissing, cross_site, known_error, route_not_found

AnyRequest = Request[Any, Any, Any]
Handler = Callable[[AnyRequest], Awaitable[ASGIApp]]


def as_page(handler: Handler) -> Handler:
    """Answer an error of a page by a page with its sentence."""

    @wraps(handler)
    async def answered(request: AnyRequest) -> ASGIApp:
        try:
            return await handler(request)
        except Exception as error:
            known = known_error(error)
            if known is None or isinstance(known, RouteMissing):  # a page that does not exist for the caller
                raise
            title = "You are not signed in" if isinstance(known, KeyRefused) else "This did not work"
            more = known.headers
            return page(request.scope, "narrow.html", known.http_status, more, title=title, lines=[known.message])

    return answered


def require_session(context: Context, scope: Scope) -> tuple[Caller, str]:
    """Whoever is signed in, and the session's token. Raises ACCESS_DENIED."""
    caller, token = session_caller(context, scope), session_token(context, scope)
    if caller is None or token is None:
        raise KeyRefused(AccessDenied().code, "Open the link or the invitation that you were given.")
    return caller, token


def require_operator(context: Context, scope: Scope) -> tuple[OperatorCaller, str]:
    """The operator who is signed in, and the session's token.

    Raises ROUTE_NOT_FOUND for whoever is signed in to an account, ACCESS_DENIED for who is not signed in.
    """
    if not is_operators(scope):
        raise TypeError("An operator's page must declare OPERATOR.")
    operator, token = session_operator(context, scope), session_token(context, scope)
    if operator is None or token is None:
        if session_caller(context, scope) is not None:
            raise route_not_found()
        raise KeyRefused(AccessDenied().code, "Open the link that `holdfast operator link EMAIL` prints.")
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


def require_app(context: Context, scope: Scope) -> tuple[Caller, str, str]:
    """Whoever is signed in, the session's token, and the application in the path. Raises APP_NOT_FOUND too."""
    caller, token = require_session(context, scope)
    app_id = inputs.path_segment(scope, 1)
    require_page(context, scope, caller, app_id)
    return caller, token, app_id
