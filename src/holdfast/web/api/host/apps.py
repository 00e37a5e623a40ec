"""The routes of the host's applications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, delete, get, put
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.host.apps import AppPut, HostApp
from holdfast.service.host import apps as operations
from holdfast.service.host.admin_keys import Scope as HostScope
from holdfast.service.instance.home import Instance
from holdfast.service.policy.standing import Kind
from holdfast.web.api.host.queries import external_id, page_of_ids
from holdfast.web.auth import needs_scope, require_host
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_LIST = "/v3/admin/apps"
_ONE = "/v3/admin/apps/{external_id:str}"
_READ = needs_scope(HostScope.READ, HostScope.APPS)
_WRITE = needs_scope(HostScope.APPS)


def host_app_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @put(_ONE, opt=_WRITE)
    async def put_app(request: AnyRequest) -> Answer:
        host = require_host(context, request.scope)
        body = await inputs.json_body(request, AppPut)
        shown, is_new = await context.call(operations.put_app, instance, external_id(request.scope), body, host.actor)
        return success(shown, 201 if is_new else 200)

    @get(_ONE, opt=_READ)
    async def get_app(request: AnyRequest) -> Answer:
        require_host(context, request.scope)
        found = await context.call(operations.app_by_external_id, instance, external_id(request.scope))
        return with_etag(success(await context.call(operations.shown_app, instance, found)), request.scope)

    @delete(_ONE, status_code=200, opt=_WRITE)
    async def end_app(request: AnyRequest) -> Answer:
        host = require_host(context, request.scope)
        fields = inputs.query(request.scope, "keep_days")
        keep_days = inputs.integer(fields, "keep_days", 0, operations.KEEP_DAYS_MAX)
        named = external_id(request.scope)
        return success(await context.call(operations.end_app, instance, named, host.actor, keep_days))

    @get(_LIST, opt=_READ)
    async def list_apps(request: AnyRequest) -> Answer:
        require_host(context, request.scope)
        answer = await context.call(page_of_ids, instance, request.scope, _LIST, _page, inputs.page_after)
        return with_etag(answer, request.scope)

    return [put_app, get_app, end_app, list_apps]


def _page(
    instance: Instance, after: str, limit: int, updated_after: int | None, standing: Kind | None
) -> tuple[Sequence[HostApp], str | None]:
    page = operations.page_of_apps(instance, after, limit, updated_after, standing)
    return page.apps, page.next_after
