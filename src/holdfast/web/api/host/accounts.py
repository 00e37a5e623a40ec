"""The routes of the host's accounts."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, put
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.host.accounts import AccountPut
from holdfast.service.host import accounts as operations
from holdfast.service.host.admin_keys import Scope as HostScope
from holdfast.web.api.host.queries import account_after, external_id, page_of_ids, truth
from holdfast.web.auth import needs_scope, require_host
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_LIST = "/v3/admin/accounts"
ONE_ACCOUNT = "/v3/admin/accounts/{external_id:str}"
_READ = needs_scope(HostScope.READ, HostScope.ACCOUNTS)
_WRITE = needs_scope(HostScope.ACCOUNTS)


def host_account_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @put(ONE_ACCOUNT, opt=_WRITE)
    async def put_account(request: AnyRequest) -> Answer:
        host = require_host(context, request.scope)
        body = await inputs.json_body(request, AccountPut)
        put = operations.put_account
        shown, is_new = await context.call(put, instance, external_id(request.scope), body, host.actor)
        return success(shown, 201 if is_new else 200)

    @get(ONE_ACCOUNT, opt=_READ)
    async def get_account(request: AnyRequest) -> Answer:
        require_host(context, request.scope)
        found = await context.call(operations.account_by_external_id, instance, external_id(request.scope))
        return with_etag(success(await context.call(operations.shown_account, instance, found)), request.scope)

    @delete(ONE_ACCOUNT, status_code=200, opt=_WRITE)
    async def end_account(request: AnyRequest) -> Answer:
        host = require_host(context, request.scope)
        fields = inputs.query(request.scope, "erase", "now")
        erases, at_once = truth(fields, "erase"), truth(fields, "now")

        def end() -> Any:
            named = external_id(request.scope)
            return operations.end_account(instance, named, host.actor, erases=erases, at_once=at_once)

        return success(await context.call(end))

    @get(_LIST, opt=_READ)
    async def list_accounts(request: AnyRequest) -> Answer:
        require_host(context, request.scope)
        answer = await context.call(
            page_of_ids, instance, request.scope, _LIST, operations.list_accounts, account_after
        )
        return with_etag(answer, request.scope)

    return [put_account, get_account, end_account, list_accounts]
