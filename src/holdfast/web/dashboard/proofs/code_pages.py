"""`/login/2fa`: the code that is asked for between the password and the session."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.credentials import log_in as service
from holdfast.service.errors import CodeRefused, PasswordRefused
from holdfast.service.language.texts import _
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import (
    CODE_PATH,
    LOGIN_PATH,
    AnyRequest,
    as_page,
    form_fields,
    return_path,
    with_return,
)
from holdfast.web.dashboard.people.log_in_pages import browser_of, signed_in
from holdfast.web.dashboard.people.trying import code_fitted, one_code
from holdfast.web.dashboard.render import page, redirect
from holdfast.web.dashboard.session import form_token, half_token, set_half_cookie
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer


def code_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get(CODE_PATH, opt=OPEN)
    @as_page
    async def show_code(request: AnyRequest) -> Answer:
        wanted = return_path(inputs.query(request.scope, "return_to").get("return_to", "/"))
        token = half_token(context, request.scope) or ""
        try:
            await context.call(service.person_of_half, context.instance, token)
        except PasswordRefused:
            return redirect(with_return(LOGIN_PATH, wanted), [set_half_cookie(context, "")])
        return _code_page(request.scope, token, wanted)

    @post(CODE_PATH, opt=OPEN)
    @as_page
    async def give_code(request: AnyRequest) -> Answer:
        scope, token = request.scope, half_token(context, request.scope) or ""
        fields = await form_fields(context, request, token, CODE_PATH)
        wanted, browser = return_path(fields.get("return_to", "/")), browser_of(context, scope)
        try:
            person_id = await context.call(service.person_of_half, context.instance, token)
            one_code(context, scope, person_id)
            code = fields.get("code", "")
            done = await context.call(service.give_code, context.instance, token, code, browser, wanted)
        except CodeRefused as refused:
            return _code_page(scope, token, wanted, refused.message, refused.http_status)
        except PasswordRefused:
            return redirect(with_return(LOGIN_PATH, wanted), [set_half_cookie(context, "")])
        code_fitted(context, scope, person_id)
        return signed_in(context, done, wanted, [set_half_cookie(context, "")])

    return [show_code, give_code]


def _code_page(scope: Scope, token: str, wanted: str, error: str = "", status: int = 200) -> Answer:
    return page(
        scope,
        "sign_in/code.html",
        status,
        title=_("One more step"),
        lines=[_("Your password was right. Give the code of your authenticator app, within ten minutes.")],
        action=CODE_PATH,
        form_token=form_token(token, CODE_PATH),
        return_to=wanted,
        error=error,
    )
