"""The routes of an application's schedule, and of what its retention would remove."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from litestar import Request, get, post, put
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import Account, App
from holdfast.schemas.apps import NewSchedule, RetentionPreview, Schedule
from holdfast.service.errors import LimitReached, app_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.preview.schedule import shown_schedule
from holdfast.service.registry.apps import get_app
from holdfast.service.retention import retain
from holdfast.service.take import schedule as operations
from holdfast.web.auth import needs, requested_app
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

_SCHEDULE = "/v3/apps/{app_id:str}/schedule"
_RETENTION = "/v3/apps/{app_id:str}/retention"


def schedule_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_SCHEDULE, opt=needs(Right.SCHEDULE_READ))
    async def get_schedule(request: Request[Any, Any, Any]) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        app = await context.call(_app, instance, caller.account, app_id)
        return with_etag(success(await _shown(context, app)), request.scope)

    @put(_SCHEDULE, opt=needs(Right.SCHEDULE_WRITE))
    async def set_schedule(request: Request[Any, Any, Any]) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        app = await context.call(_app, instance, caller.account, app_id)
        body = await inputs.json_body(request, NewSchedule)
        if body.cron is msgspec.UNSET:
            raise inputs.invalid("cron")
        wanted = operations.Schedule(body.cron or "", body.retention, tuple(body.ignore))
        changed = await context.call(
            partial(operations.set_schedule, instance, app, wanted, caller.actor, by_customer=True)
        )
        return success(await _shown(context, changed))

    @get(_RETENTION, opt=needs(Right.SCHEDULE_READ))
    async def preview_retention(request: Request[Any, Any, Any]) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        shown = await context.call(_preview, instance, caller.account, app_id)
        return with_etag(success(shown), request.scope)

    @post(f"{_RETENTION}/accept", status_code=200, opt=needs(Right.SCHEDULE_WRITE))
    async def accept_size(request: Request[Any, Any, Any]) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        return success(await context.call(_accept, instance, caller, app_id))

    return [get_schedule, set_schedule, preview_retention, accept_size]


def _app(instance: Instance, account: Account, app_id: str) -> App:
    if not inputs.is_id(app_id):
        raise app_not_found()
    return get_app(instance, account.id, app_id)


async def _shown(context: Context, app: App) -> Schedule:
    """Return the schedule; without what its patterns leave out, when the account asks for that too often."""
    try:
        return await context.call_apart(app.account_id, shown_schedule, context.instance, app)
    except LimitReached as error:
        return await context.call(shown_schedule, context.instance, app, error)


def _accept(instance: Instance, caller: Caller, app_id: str) -> RetentionPreview:
    app = retain.accept_size(instance, _app(instance, caller.account, app_id), caller.actor)
    return retain.shown_retention(instance, app, retain.plan_retention(instance, app))


def _preview(instance: Instance, account: Account, app_id: str) -> RetentionPreview:
    app = _app(instance, account, app_id)
    return retain.shown_retention(instance, app, retain.plan_retention(instance, app))
