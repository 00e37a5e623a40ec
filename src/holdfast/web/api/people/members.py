"""The routes of an account's members and invitations."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.schemas.people import members as schemas
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.notify.mail import has_mail
from holdfast.service.people import members as operations
from holdfast.service.people.callers import Caller
from holdfast.service.people.giving import giver_of
from holdfast.service.people.invitations import invite
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_ALL = "/v3/members"
_ONE = "/v3/members/{member_id:str}"
_ID_SEGMENT = 2


def member_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_ALL, opt=needs(Right.MEMBERS_READ))
    async def list_members(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        return with_etag(success(await context.call(_listed, instance, caller)), request.scope)

    @post(_ALL, opt=needs(Right.MEMBERS_WRITE))
    async def add_member(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        account = caller.account
        body = await inputs.json_body(request, schemas.NewMember)
        if has_mail(instance):
            context.count_outside(account.id, "Too many invitations of this account")
        made = await context.call_outside(account.id, invite, instance, account, body, giver_of(caller))
        location = f"{_ALL}/{made.invitation.id}".encode("ascii")
        return success(operations.shown_invited(instance, made), 201, [(b"location", location)])

    @patch(_ONE, opt=needs(Right.MEMBERS_WRITE))
    async def change_member(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        body = await inputs.json_body(request, schemas.MemberChange)
        inputs.require_change(body)
        return success(await context.call(_change, instance, caller, _requested_id(request.scope), body))

    @delete(_ONE, status_code=200, opt=needs(Right.MEMBERS_WRITE))
    async def end_member(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        return success(await context.call(_end, instance, caller, _requested_id(request.scope)))

    return [list_members, add_member, change_member, end_member]


def _requested_id(scope: Scope) -> str:
    member_id = inputs.path_segment(scope, _ID_SEGMENT)
    if not inputs.is_id(member_id):
        raise NotFound("MEMBER_NOT_FOUND", "No such member or invitation exists.")
    return member_id


def _listed(instance: Instance, caller: Caller) -> list[schemas.Member]:
    return [operations.shown_member(instance, one) for one in operations.list_members(instance, caller.account.id)]


def _change(instance: Instance, caller: Caller, member_id: str, body: schemas.MemberChange) -> schemas.Member:
    one = operations.find_member(instance, caller.account.id, member_id)
    return operations.shown_member(instance, operations.change_member(instance, one, body, giver_of(caller)))


def _end(instance: Instance, caller: Caller, member_id: str) -> schemas.EndedMember:
    one = operations.find_member(instance, caller.account.id, member_id)
    operations.end_member(instance, one, giver_of(caller))
    return schemas.EndedMember(one.id)
