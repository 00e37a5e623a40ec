"""The route by which the host's panel signs people in."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.people.sign_in import NewSignInLink
from holdfast.service.host.admin_keys import Scope
from holdfast.service.host.sign_in import sign_in_link
from holdfast.web.api.host.accounts import ONE_ACCOUNT
from holdfast.web.api.host.queries import external_id
from holdfast.web.auth import needs_scope, require_host
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success

AnyRequest = Request[Any, Any, Any]


def host_sign_in_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @post(f"{ONE_ACCOUNT}/sign-in-links", opt=needs_scope(Scope.SIGN_IN))
    async def make_sign_in_link(request: AnyRequest) -> Answer:
        host = require_host(context, request.scope)
        body = await inputs.json_body(request, NewSignInLink)
        made = await context.call(sign_in_link, context.instance, external_id(request.scope), body, host.actor)
        return success(made, 201)

    return [make_sign_in_link]
