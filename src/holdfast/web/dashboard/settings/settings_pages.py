"""`/apps/{app_id}/settings`: the page, and the form of the name."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.errors import Conflict, Invalid
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_app
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.settings.import_pages import import_page_routes
from holdfast.web.dashboard.settings.page import NAME, SETTINGS, Refused, settings_page, settings_path
from holdfast.web.http.envelope import Answer


def settings_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(SETTINGS, opt=needs(Right.BACKUPS_READ))
    @as_page
    async def app_settings(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        return await context.call(settings_page, request.scope, instance, caller, token, app_id)

    @post(f"{SETTINGS}/{NAME}", opt=needs(Right.ACCOUNT_WRITE))
    @as_page
    async def rename_application(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        fields = await form_fields(context, request, token, settings_path(app_id, NAME))
        try:
            await context.call(_rename, instance, caller, app_id, fields)
        except (Invalid, Conflict) as error:
            refused = Refused(NAME, error, fields)
            return await context.call(settings_page, request.scope, instance, caller, token, app_id, refused)
        return redirect(settings_path(app_id), [])

    return [app_settings, rename_application, *import_page_routes(context)]


def _rename(instance: Instance, caller: Caller, app_id: str, fields: dict[str, str]) -> None:
    app = apps.get_app(instance, caller.account.id, app_id)
    apps.rename_app(instance, app, fields.get("name", "").strip(), caller.actor, by_customer=True)
