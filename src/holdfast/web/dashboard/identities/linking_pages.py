"""Linking an identity, elevating a session by one, and unlinking it: the forms of whoever is signed in."""

from __future__ import annotations

from litestar import post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.identities import linking
from holdfast.service.identities.rounds import Purpose
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, account_of, as_page, person_form, require_elevated, return_path
from holdfast.web.dashboard.identities.round_pages import back_of, sent_there
from holdfast.web.dashboard.providers import ROUND_PATH, UNLINK_PATH, start_path, unlink_path
from holdfast.web.dashboard.render import redirect
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer


def linking_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @post(f"{ROUND_PATH}/{{name:str}}/link", opt=OPEN)
    @as_page
    async def begin_link(request: AnyRequest) -> Answer:
        name = inputs.path_segment(request.scope, 1)
        caller, _, _ = await person_form(context, request, start_path(name, "link"))
        require_elevated(context, caller, back_of(caller))
        return await sent_there(
            context, request.scope, name, Purpose.LINK, back_of(caller), session_id=caller.session_id
        )

    @post(f"{ROUND_PATH}/{{name:str}}/elevate", opt=OPEN)
    @as_page
    async def begin_elevation(request: AnyRequest) -> Answer:
        name = inputs.path_segment(request.scope, 1)
        caller, _, fields = await person_form(context, request, start_path(name, "elevate"))
        wanted = return_path(fields.get("return_to", "/"))
        return await sent_there(context, request.scope, name, Purpose.ELEVATE, wanted, session_id=caller.session_id)

    @post(f"{UNLINK_PATH}/{{identity_id:str}}/unlink", opt=OPEN)
    @as_page
    async def unlink(request: AnyRequest) -> Answer:
        identity_id = inputs.path_segment(request.scope, 2)
        caller, _, _ = await person_form(context, request, unlink_path(identity_id))
        require_elevated(context, caller, back_of(caller))
        await context.call(linking.unlink, context.providers, caller, account_of(caller), identity_id)
        return redirect(back_of(caller), [])

    return [begin_link, begin_elevation, unlink]
