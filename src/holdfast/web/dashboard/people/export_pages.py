"""`/account/export`: all data of an account as one file, and the way to having it erased."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from holdfast.service.export.export import export_account
from holdfast.service.export.parts import left_out
from holdfast.service.people.rights import Right
from holdfast.web.api.people.account_export import Exported
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_account, require_elevated
from holdfast.web.dashboard.render import Frame, page
from holdfast.web.dashboard.session import ERASE_PATH, form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http.envelope import Answer

EXPORT_PATH = "/account/export"


def export_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(EXPORT_PATH, opt=needs(Right.ACCOUNT_READ))
    @as_page
    async def account_data(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        return page(
            request.scope,
            "account/export.html",
            frame=Frame(caller.actor.name, str(zone_of(instance))),
            sub="export",
            email=caller.account.email,
            action=EXPORT_PATH,
            token="" if caller.is_view_only else form_token(token, EXPORT_PATH),
            lacking=left_out(caller),
            may_erase=caller.may(Right.ACCOUNT_ERASE),
            is_asked=caller.erase_at is not None,
            erase_path=ERASE_PATH,
            base_url=instance.config.base_url.rstrip("/"),
        )

    @post(EXPORT_PATH, opt=needs(Right.ACCOUNT_READ))
    @as_page
    async def export_all(request: AnyRequest) -> ASGIApp:
        caller, token = require_account(context, request.scope)
        await form_fields(context, request, token, EXPORT_PATH)
        require_elevated(context, caller, EXPORT_PATH)
        return Exported(context, await context.call(export_account, instance, caller), caller.account.id)

    return [account_data, export_all]
