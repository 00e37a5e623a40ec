"""The routes that have an account erased, and keep it after all."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from litestar import Request, delete, post
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import Account, Actor
from holdfast.schemas.account import EraseAsked
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.retention import erasure
from holdfast.web.auth import needs, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success

AnyRequest = Request[Any, Any, Any]
ERASE_ROUTE = "/v3/account/erase"


def account_erasure_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @post(ERASE_ROUTE, status_code=202, opt=needs(Right.ACCOUNT_ERASE))
    async def erase_account(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        body = await inputs.json_body(request, EraseAsked)
        await ask_to_erase(context, caller, body.name)
        return success(await context.call(erasure.erasure_of, instance, caller.account), 202)

    @delete(ERASE_ROUTE, status_code=200, opt=needs(Right.ACCOUNT_ERASE))
    async def keep_account(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        await keep(context, caller.account, caller.actor)
        return success(await context.call(erasure.erasure_of, instance, caller.account))

    return [erase_account, keep_account]


async def ask_to_erase(context: Context, caller: Caller, typed: str) -> None:
    """Have the caller's account erased, and mail its owners behind the answer. Raises Invalid, Conflict."""
    account, by = caller.account, caller.actor
    erase_at, is_new = await context.call(erasure.ask_to_erase, context.instance, account, typed, by)
    if is_new:
        _notify(context, account, erase_at, by)


async def keep(context: Context, account: Account, by: Actor) -> None:
    """Keep an account after all, and mail its owners behind the answer. Raises Conflict."""
    if await context.call(erasure.keep_account, context.instance, account, by):
        _notify(context, account, None, by)


def _notify(context: Context, account: Account, erase_at: int | None, by: Actor) -> None:
    with suppress(RuntimeError):  # the server ends
        context.outside.submit(erasure.notify_owners, context.instance, account, erase_at, by)
