"""`/account/people`: who may what on an account; inviting, changing and removing people.

The link of an invitation is shown to whoever made it, once, and only where it could not be sent by mail.
"""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.schemas.people.members import MemberChange, NewMember
from holdfast.service.errors import Conflict, Invalid, NotFound, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.notify.mail import has_mail
from holdfast.service.people import members
from holdfast.service.people.callers import Caller
from holdfast.service.people.giving import giver_of
from holdfast.service.people.invitations import Invitation, MadeInvitation, invite
from holdfast.service.people.members import Someone
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_account, require_elevated
from holdfast.web.dashboard.people.giving_form import apps_words, given_rights, giving_choices, rights_words
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PEOPLE_PATH = "/account/people"
_ID_SEGMENT = 2
_FIELDS = ("email", "group", "app")


def member_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_list_routes(context), *_one_routes(context)]


def _list_routes(context: Context) -> list[HTTPRouteHandler]:
    instance = context.instance

    @get(PEOPLE_PATH, opt=needs(Right.MEMBERS_READ))
    @as_page
    async def account_people(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        return await context.call(_page, request.scope, instance, caller, token)

    @post(PEOPLE_PATH, opt=needs(Right.MEMBERS_WRITE))
    @as_page
    async def invite_person(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token = require_account(context, scope)
        fields = await form_fields(context, request, token, PEOPLE_PATH)
        if has_mail(instance):
            context.count_outside(caller.account.id, _("Too many invitations of this account"))
        wanted = NewMember(email=fields.get("email", ""), **given_rights(fields))
        try:
            made = await context.call_outside(
                caller.account.id, invite, instance, caller.account, wanted, giver_of(caller)
            )
        except (Invalid, Conflict) as error:
            return await context.call(_page, scope, instance, caller, token, fields=fields, error=error)
        return await context.call(_page, scope, instance, caller, token, made=made)

    return [account_people, invite_person]


def _one_routes(context: Context) -> list[HTTPRouteHandler]:
    instance, one_path = context.instance, f"{PEOPLE_PATH}/{{member_id:str}}"

    @post(f"{one_path}/rights", opt=needs(Right.MEMBERS_WRITE))
    @as_page
    async def change_person(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token = require_account(context, scope)
        member_id = inputs.path_segment(scope, _ID_SEGMENT)
        fields = await form_fields(context, request, token, _rights_path(member_id))
        try:
            await context.call(_change, instance, caller, member_id, fields)
        except (Invalid, Conflict) as error:
            return await context.call(_page, scope, instance, caller, token, error=error)
        return redirect(PEOPLE_PATH, [])

    @post(f"{one_path}/end", opt=needs(Right.MEMBERS_WRITE))
    @as_page
    async def end_person(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token = require_account(context, scope)
        member_id = inputs.path_segment(scope, _ID_SEGMENT)
        await form_fields(context, request, token, _end_path(member_id))
        require_elevated(context, caller, PEOPLE_PATH)
        try:
            await context.call(_end, instance, caller, member_id)
        except Conflict as error:
            return await context.call(_page, scope, instance, caller, token, error=error)
        return redirect(PEOPLE_PATH, [])

    return [change_person, end_person]


def _rights_path(member_id: str) -> str:
    return f"{PEOPLE_PATH}/{member_id}/rights"


def _end_path(member_id: str) -> str:
    return f"{PEOPLE_PATH}/{member_id}/end"


def _found(instance: Instance, caller: Caller, member_id: str) -> Someone:
    if not inputs.is_id(member_id):
        raise NotFound("MEMBER_NOT_FOUND", _("No such member or invitation exists."))
    return members.find_member(instance, caller.account.id, member_id)


def _change(instance: Instance, caller: Caller, member_id: str, fields: dict[str, str]) -> None:
    one, given = _found(instance, caller, member_id), given_rights(fields)
    if given:
        members.change_member(instance, one, MemberChange(**given), giver_of(caller))


def _end(instance: Instance, caller: Caller, member_id: str) -> None:
    members.end_member(instance, _found(instance, caller, member_id), giver_of(caller))


def _page(
    scope: Scope,
    instance: Instance,
    caller: Caller,
    token: str,
    *,
    fields: dict[str, str] | None = None,
    error: ServiceError | None = None,
    made: MadeInvitation | None = None,
) -> Answer:
    choices = giving_choices(instance, caller)
    names = dict(choices["apps"])
    given = fields or {}
    return page(
        scope,
        "account/people.html",
        error.http_status if error is not None else 200 if made is None else 201,
        frame=Frame(caller.actor.name, str(zone_of(instance))),
        sub="people",
        path=PEOPLE_PATH,
        error=None if error is None else error.message,
        made=None if made is None else {"email": made.invitation.email, "url": made.url},
        people=[_row(instance, caller, one, names, token) for one in members.list_members(instance, caller.account.id)],
        may_change=caller.may(Right.MEMBERS_WRITE),
        token=form_token(token, PEOPLE_PATH),
        choices=choices,
        fields={name: given.get(name, "") for name in _FIELDS},
        ticked=[name for name in given if name.startswith("right.")],
        base_url=instance.config.base_url.rstrip("/"),
    )


def _row(instance: Instance, caller: Caller, one: Someone, names: dict[str, str], token: str) -> dict[str, Any]:
    now, zone = instance.clock.now_ns(), zone_of(instance)
    shown, is_invited = members.shown_member(instance, one), isinstance(one, Invitation)
    return {
        "id": one.id,
        "email": shown.email,
        "is_invited": is_invited,
        "is_you": not is_invited and shown.email == caller.actor.name,
        "rights": rights_words(shown.group, shown.rights),
        "apps": apps_words(shown.app_ids, names),
        "since": words.when(one.created_at, now, zone),
        "until": words.when(one.ends_at, now, zone) if isinstance(one, Invitation) else "",
        "rights_action": _rights_path(one.id),
        "rights_token": form_token(token, _rights_path(one.id)),
        "end_action": _end_path(one.id),
        "end_token": form_token(token, _end_path(one.id)),
    }
