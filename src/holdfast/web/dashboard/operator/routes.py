"""All pages of the operator, and signing out of them."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.people.operators import OPERATOR_PATH, end_operator_session
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard.access import LOGIN_PATH, AnyRequest, as_page, operator_form, require_operator
from holdfast.web.dashboard.operator.doctor_pages import doctor_page_routes
from holdfast.web.dashboard.operator.frame import SIGN_OUT_PATH
from holdfast.web.dashboard.operator.reports import Reports
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import set_cookie
from holdfast.web.http.envelope import Answer


def operator_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    reports = Reports(context)

    @get(OPERATOR_PATH, opt=OPERATOR)
    @as_page
    async def first(request: AnyRequest) -> Answer:
        require_operator(context, request.scope)
        return redirect(f"{OPERATOR_PATH}/doctor", [])

    @post(SIGN_OUT_PATH, opt=OPERATOR)
    @as_page
    async def sign_out(request: AnyRequest) -> Answer:
        operator, _ = await operator_form(context, request, SIGN_OUT_PATH)
        await context.call(end_operator_session, context.instance, operator, operator.session_id)
        return redirect(LOGIN_PATH, [set_cookie(context, "", 0)])

    return [first, sign_out, *doctor_page_routes(context, reports)]
