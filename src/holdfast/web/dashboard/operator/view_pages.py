"""An operator begins and stops to see an account's pages as its people do."""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.service.people.views import begin_view, end_view
from holdfast.service.registry.accounts import get_account
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, operator_form
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import STOP_VIEW_PATH
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer


def view_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
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
