"""`/account`: who is signed in, the sessions, signing out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.instance.home import Instance
from holdfast.service.people import sessions
from holdfast.service.people.callers import Caller
from holdfast.service.people.sessions import Session
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import LOGIN_PATH, AnyRequest, as_page, form_caller, require_session
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import form_token, set_cookie
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

ACCOUNT_PATH = "/account"
_LOGOUT = "/logout"


def account_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get(ACCOUNT_PATH, opt=OPEN)
    @as_page
    async def who_is_signed_in(request: AnyRequest) -> Answer:
        caller, token = require_session(context, request.scope)
        found = await context.call(sessions.own_sessions, context.instance, caller)
        return _account_page(request.scope, context.instance, caller, found, token)

    @post(f"{ACCOUNT_PATH}/sessions/{{session_id:str}}/end", opt=OPEN)
    @as_page
    async def end_session(request: AnyRequest) -> Answer:
        session_id = inputs.path_segment(request.scope, 2)
        caller, _ = await form_caller(context, request, _end_path(session_id))
        await context.call(sessions.end_session, context.instance, caller, session_id)
        return redirect(ACCOUNT_PATH, [])

    @post(_LOGOUT, opt=OPEN)
    @as_page
    async def sign_out(request: AnyRequest) -> Answer:
        caller, _ = await form_caller(context, request, _LOGOUT)
        await context.call(sessions.end_session, context.instance, caller, caller.session_id or "")
        return redirect(LOGIN_PATH, [set_cookie(context, "", 0)])

    return [who_is_signed_in, end_session, sign_out]


def _end_path(session_id: str) -> str:
    return f"{ACCOUNT_PATH}/sessions/{session_id}/end"


def session_lines(
    instance: Instance, found: list[Session], own_id: str | None, token: str, end_path: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Return the lines of `_session_lines.html`. `own_id`: of the session that sees them; `token`: its token."""
    now, zone = instance.clock.now_ns(), zone_of(instance)
    return [
        {
            "ip": one.ip,
            "agent": one.agent,
            "seen": words.when(one.seen_at, now, zone),
            "began": words.when(one.created_at, now, zone),
            "is_this": one.id == own_id,
            "end_path": end_path(one.id),
            "end_token": form_token(token, end_path(one.id)),
        }
        for one in found
    ]


def _account_page(scope: Scope, instance: Instance, caller: Caller, found: list[Session], token: str) -> Answer:
    return page(
        scope,
        "sessions.html",
        frame=Frame(caller.actor.name, str(zone_of(instance))),
        email=caller.account.email,
        sessions=session_lines(instance, found, caller.session_id, token, _end_path),
        rights=sorted(caller.grant.rights),
        sign_out_token=form_token(token, _LOGOUT),
    )
