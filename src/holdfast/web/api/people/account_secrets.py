"""The routes that replace what opens an account: its main key."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.keys import NewMainKey
from holdfast.service.people import keys
from holdfast.service.people.giving import giver_of
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success

AnyRequest = Request[Any, Any, Any]


def account_secret_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @post("/v3/account/key", status_code=200, opt=needs(Right.ACCOUNT_WRITE))
    async def replace_main_key(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        body = await inputs.json_body(request, NewMainKey)
        made = await context.call(
            keys.replace_main_key, instance, caller.account, body.overlap_seconds, giver_of(caller)
        )
        return success(keys.shown_with_key(instance, made))

    return [replace_main_key]
