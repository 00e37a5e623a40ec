"""`/live`: the stream of events for pages, opened by the session's cookie; and the parts of pages that it changes.

It is the stream of `/v3/events`, byte for byte, and ends with the session. `/apps/{app_id}/hero` is the headline of an
application, `/apps/{app_id}/backups/{id}/row` one row of its list, by the templates of its page.
"""

from __future__ import annotations

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.errors import AccessDenied
from holdfast.service.jobs.events import place_of
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.web.api.events import EventStream
from holdfast.web.auth import needs, require_page
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, require_app, require_from_here
from holdfast.web.dashboard.apps.app_pages import hero_page, row_page
from holdfast.web.dashboard.session import session_caller
from holdfast.web.event_hub import EventHub
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import KeyRefused

LIVE_PATH = "/live"
_BACKUP_SEGMENT = 3


def live_routes(context: Context, event_hub: EventHub) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(LIVE_PATH, opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def live(request: AnyRequest) -> EventStream:
        scope = request.scope
        fields = inputs.query(scope, "after", "app")
        app_id = fields.get("app")
        if inputs.header(scope, b"sec-fetch-site") is not None:
            require_from_here(context, scope)
        caller = _caller(context, scope, app_id)
        after = inputs.event_number(inputs.header(scope, b"last-event-id"), fields.get("after"))
        place = await context.call(place_of, instance, caller.account.id, after)

        def caller_now() -> Caller:
            return _caller(context, scope, app_id, is_noted=False)

        return EventStream(context, event_hub, caller_now, caller, app_id, place)

    @get("/apps/{app_id:str}/hero", opt=needs(Right.BACKUPS_READ))
    @as_page
    async def hero(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        return await context.call(hero_page, request.scope, instance, caller, token, app_id)

    @get("/apps/{app_id:str}/backups/{backup:str}/row", opt=needs(Right.BACKUPS_READ))
    @as_page
    async def row(request: AnyRequest) -> Answer:
        caller, _, app_id = require_app(context, request.scope)
        ref = inputs.path_segment(request.scope, _BACKUP_SEGMENT)
        return await context.call(row_page, request.scope, instance, caller, app_id, ref)

    return [live, hero, row]


def _caller(context: Context, scope: Scope, app_id: str | None, *, is_noted: bool = True) -> Caller:
    """Whoever is signed in, and may see what happens to an application, or (None) to any. Raises as a page does."""
    caller = session_caller(context, scope, is_noted=is_noted)
    if caller is None:
        raise KeyRefused(AccessDenied().code, "The pages are for whoever is signed in.")
    require_page(context, scope, caller, app_id)
    return caller
