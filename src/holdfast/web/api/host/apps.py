"""The routes of the host's applications."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, put
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.schemas.host.apps import AppPut
from holdfast.service.host import apps as operations
from holdfast.service.host.admin_keys import Scope as HostScope
from holdfast.service.policy.standing import Kind
from holdfast.web.api.host.queries import PAGE_DEFAULT
from holdfast.web.auth import needs_scope, require_host
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.http.paging import link_to_next

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
        shown, is_new = await context.call(operations.put_app, instance, _external_id(request.scope), body, host.actor)
        return success(shown, 201 if is_new else 200)

    @get(_ONE, opt=_READ)
    async def get_app(request: AnyRequest) -> Answer:
        require_host(context, request.scope)
        found = await context.call(operations.app_by_external_id, instance, _external_id(request.scope))
        return with_etag(success(await context.call(operations.shown_app, instance, found)), request.scope)

    @delete(_ONE, status_code=200, opt=_WRITE)
    async def end_app(request: AnyRequest) -> Answer:
        host = require_host(context, request.scope)
        fields = inputs.query(request.scope, "keep_days")
        keep_days = inputs.integer(fields, "keep_days", 0, operations.KEEP_DAYS_MAX)
        external_id = _external_id(request.scope)
        return success(await context.call(operations.end_app, instance, external_id, host.actor, keep_days))

    @get(_LIST, opt=_READ)
    async def list_apps(request: AnyRequest) -> Answer:
        require_host(context, request.scope)
        fields = inputs.query(request.scope, "limit", "after", "updated_after", "standing")
        limit, after = inputs.page_limit(fields) or PAGE_DEFAULT, inputs.page_after(fields) or ""
        since = fields.get("updated_after")
        updated_after = None if since is None else inputs.moment("updated_after", since)
        page = await context.call(
            operations.page_of_apps, instance, after, limit, updated_after, _standing(fields.get("standing"))
        )
        if page.next_after is None:
            return with_etag(success(page.apps), request.scope)
        more = {**fields, "limit": str(limit), "after": page.next_after}
        return with_etag(success(page.apps, headers=link_to_next(instance.config.base_url, _LIST, more)), request.scope)

    return [put_app, get_app, end_app, list_apps]


def _standing(text: str | None) -> Kind | None:
    if text is None:
        return None
    if text not in tuple(Kind):
        raise inputs.invalid("standing", f"one of {', '.join(Kind)}")
    return Kind(text)


def _external_id(scope: Scope) -> str:
    return inputs.path_segment(scope, inputs.HOST_ID_SEGMENT)
