"""All pages of the operator, signing out of them, and the way to an account's pages as its people see them."""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.people.operators import OPERATOR_PATH, end_operator_session
from holdfast.service.people.views import begin_view, end_view
from holdfast.service.registry.accounts import get_account
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard.access import LOGIN_PATH, AnyRequest, as_page, operator_form
from holdfast.web.dashboard.operator.account_list_pages import account_list_routes
from holdfast.web.dashboard.operator.app_list_pages import app_list_routes
from holdfast.web.dashboard.operator.audit_pages import audit_page_routes
from holdfast.web.dashboard.operator.doctor_pages import doctor_page_routes
from holdfast.web.dashboard.operator.job_pages import job_list_routes
from holdfast.web.dashboard.operator.machine_pages import machine_page_routes
from holdfast.web.dashboard.operator.reports import Reports
from holdfast.web.dashboard.operator.settings_pages import settings_page_routes
from holdfast.web.dashboard.operator.today_pages import today_page_routes
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import SIGN_OUT_PATH, STOP_VIEW_PATH, set_cookie
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer


def operator_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    reports = Reports(context)

    @post(SIGN_OUT_PATH, opt=OPERATOR)
    @as_page
    async def sign_out(request: AnyRequest) -> Answer:
        operator, _ = await operator_form(context, request, SIGN_OUT_PATH)
        await context.call(end_operator_session, context.instance, operator, operator.session_id)
        return redirect(LOGIN_PATH, [set_cookie(context, "", 0)])

    return [
        sign_out,
        *today_page_routes(context, reports),
        *account_list_routes(context),
        *_view_routes(context),
        *app_list_routes(context),
        *machine_page_routes(context),
        *job_list_routes(context),
        *doctor_page_routes(context, reports),
        *settings_page_routes(context),
        *audit_page_routes(context),
    ]


def _view_routes(context: Context) -> list[HTTPRouteHandler]:
    """An operator begins and stops to see an account's pages as its people do."""
    instance = context.instance

    @post(f"{OPERATOR_PATH}/accounts/{{account_id:str}}/look", opt=OPERATOR)
    @as_page
    async def view_as_customer(request: AnyRequest) -> Answer:
        account_id = inputs.path_segment(request.scope, 2)
        operator, _ = await operator_form(context, request, f"{OPERATOR_PATH}/accounts/{account_id}/look")
        account = await context.call(get_account, instance, account_id)
        await context.call(begin_view, instance, operator, account)
        return redirect("/", [])

    @post(STOP_VIEW_PATH, opt=OPERATOR)
    @as_page
    async def stop_view(request: AnyRequest) -> Answer:
        operator, _ = await operator_form(context, request, STOP_VIEW_PATH)
        account_id = await context.call(end_view, instance, operator)
        return redirect(OPERATOR_PATH if account_id is None else f"{OPERATOR_PATH}/accounts/{account_id}", [])

    return [view_as_customer, stop_view]
