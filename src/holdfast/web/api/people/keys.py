"""The routes of an account's keys."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.schemas import keys as schemas
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.people import keys as operations
from holdfast.service.people.callers import Caller
from holdfast.service.people.giving import giver_of
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_ALL = "/v3/keys"
_ONE = "/v3/keys/{key_id:str}"
_ID_SEGMENT = 2


def key_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_ALL, opt=needs(Right.KEYS_READ))
    async def list_keys(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        return with_etag(success(await context.call(_listed, instance, caller)), request.scope)

    @post(_ALL, opt=needs(Right.KEYS_WRITE))
    async def make_key(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        body = await inputs.json_body(request, schemas.NewKey)
        made = await context.call(operations.make_key, instance, caller.account.id, body, giver_of(caller))
        location = f"{_ALL}/{made.key.id}".encode("ascii")
        return success(operations.shown_with_key(instance, made), 201, [(b"location", location)])

    @patch(_ONE, opt=needs(Right.KEYS_WRITE))
    async def change_key(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        body = await inputs.json_body(request, schemas.KeyChange)
        inputs.require_change(body)
        return success(await context.call(_change, instance, caller, _requested_id(request.scope), body))

    @delete(_ONE, status_code=200, opt=needs(Right.KEYS_WRITE))
    async def end_key(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        return success(await context.call(_end, instance, caller, _requested_id(request.scope)))

    return [list_keys, make_key, change_key, end_key]


def _requested_id(scope: Scope) -> str:
    key_id = inputs.path_segment(scope, _ID_SEGMENT)
    if not inputs.is_id(key_id):
        raise NotFound("KEY_NOT_FOUND", "No such key exists.")
    return key_id


def _listed(instance: Instance, caller: Caller) -> list[schemas.Key]:
    return [operations.shown_key(instance, key) for key in operations.list_keys(instance, caller.account.id)]


def _change(instance: Instance, caller: Caller, key_id: str, body: schemas.KeyChange) -> schemas.Key:
    key = operations.get_key(instance, caller.account.id, key_id)
    return operations.shown_key(instance, operations.change_key(instance, key, body, giver_of(caller)))


def _end(instance: Instance, caller: Caller, key_id: str) -> schemas.DeletedKey:
    key = operations.get_key(instance, caller.account.id, key_id)
    operations.end_key(instance, key, caller.actor)
    return schemas.DeletedKey(key.id)
