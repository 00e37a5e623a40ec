"""The members of an account: who is one or invited, changed, ended.

It must never leave an account that had an owner without one, or let anybody change a member who may more than himself.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, structs

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import invitations as invitation_rows
from holdfast.catalog.people import members as rows
from holdfast.catalog.people.records import Invitation, Member
from holdfast.schemas.fields import given
from holdfast.schemas.people import members as schemas
from holdfast.schemas.rights import made_by_of
from holdfast.schemas.times import iso, iso_or_none
from holdfast.service.errors import Conflict, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.people.giving import Giver, own_apps
from holdfast.service.people.invitations import MadeInvitation
from holdfast.service.people.rights import ALL, Right, parsed_rights, shown_group, stored_grant, stored_rights
from holdfast.service.registry.account_record import store_record

Someone = Member | Invitation
"""Whoever is a member, or invited to become one."""


def list_members(instance: Instance, account_id: str) -> list[Someone]:
    """Return the members of an account, oldest first, and behind them the open invitations."""
    invited = invitation_rows.invitations_of(instance.catalog, account_id, instance.clock.now_ns())
    return [*rows.members_of(instance.catalog, account_id), *invited]


def find_member(instance: Instance, account_id: str, name: str) -> Someone:
    """Return one by his id or his e-mail address. Raises NotFound, also for another account's."""
    for one in list_members(instance, account_id):
        if name in (one.id, _email(one)):
            return one
    raise _not_found()


def change_member(instance: Instance, one: Someone, wanted: schemas.MemberChange, giver: Giver) -> Someone:
    """Change what is given; what he had and what he gets must be within what the giver has.

    Raises Invalid (GROUP, RIGHTS, APP_IDS), PermissionDenied, Conflict (LAST_OWNER), NotFound.
    """
    is_same = wanted.group is UNSET and wanted.rights is UNSET
    rights = None if is_same else parsed_rights(given(wanted.group), given(wanted.rights))
    app_ids = own_apps(instance, one.account_id, given(wanted.app_ids))

    def changed(before: Member | Invitation) -> tuple[str, tuple[str, ...] | None]:
        after = rights or before.rights, before.app_ids if wanted.app_ids is UNSET else app_ids
        giver.require(before.rights, before.app_ids)
        giver.require(*after)
        return after

    if isinstance(one, Invitation):
        new_rights, new_apps = changed(one)
        invited = structs.replace(one, rights=new_rights, app_ids=new_apps)
        change = _change(giver, "member.changed", one, invited)
        if not invitation_rows.change_invitation(instance.catalog, invited, change, instance.clock.now_ns()):
            raise _not_found()
        return invited
    made: list[Member] = []

    def decide(before: Member, others: list[Member]) -> tuple[Member, Change]:
        new_rights, new_apps = changed(before)
        after = structs.replace(before, rights=new_rights, app_ids=new_apps)
        if not _is_owner(after):
            _require_owner(before, others)
        made.append(after)
        return after, _change(giver, "member.changed", before, after)

    if rows.change_member(instance.catalog, one.account_id, one.id, decide, instance.clock.now_ns()) is None:
        raise _not_found()
    store_record(instance, one.account_id)
    return made[-1]


def end_member(instance: Instance, one: Someone, giver: Giver) -> None:
    """End a member with his keys, sessions and invitations, or take an invitation back.

    Raises PermissionDenied for one who may more than the giver, Conflict (LAST_OWNER), NotFound.
    """
    now_ns = instance.clock.now_ns()
    if isinstance(one, Invitation):
        giver.require(one.rights, one.app_ids)
        if not invitation_rows.delete_invitation(
            instance.catalog, one, _change(giver, "member.ended", one, None), now_ns
        ):
            raise _not_found()
        return

    def decide(before: Member, others: list[Member]) -> tuple[None, Change]:
        giver.require(before.rights, before.app_ids)
        _require_owner(before, others)
        return None, _change(giver, "member.ended", before, None)

    if rows.change_member(instance.catalog, one.account_id, one.id, decide, now_ns) is None:
        raise _not_found()
    store_record(instance, one.account_id)


def shown_member(instance: Instance, one: Someone) -> schemas.Member:
    """Return a member, or whoever is invited, as he is shown."""
    has, zone = stored_rights(one.rights), instance.zone
    is_invited = isinstance(one, Invitation)
    return schemas.Member(
        id=one.id,
        state="invited" if is_invited else "active",
        email=_email(one),
        group=shown_group(one.rights),
        rights=[str(right) for right in Right if right in has],
        app_ids=None if one.app_ids is None else list(one.app_ids),
        created_at=iso(one.created_at, zone),
        expires_at=iso_or_none(one.ends_at if isinstance(one, Invitation) else None, zone),
        invited_by=made_by_of(one.made_by) if isinstance(one, Invitation) else None,
    )


def shown_invited(instance: Instance, made: MadeInvitation) -> schemas.InvitedMember:
    """Return a new invitation, with its URL unless it was sent."""
    return schemas.InvitedMember(**structs.asdict(shown_member(instance, made.invitation)), url=made.url)


def _is_owner(member: Member) -> bool:
    return ALL.is_within(stored_grant(member.rights, member.app_ids))


def _require_owner(before: Member, others: list[Member]) -> None:
    if _is_owner(before) and not any(_is_owner(other) for other in others):
        raise Conflict("LAST_OWNER", "This is the last owner of the account; make another member an owner first.")


def _email(one: Someone) -> str:
    return one.email if isinstance(one, Invitation) else one.person.email


def _recorded(one: Someone) -> dict[str, Any]:
    return {"email": _email(one), "rights": one.rights, "app_ids": one.app_ids}


def _change(giver: Giver, action: str, before: Someone, after: Someone | None) -> Change:
    data: dict[str, Any] = {"member_id": before.id, "before": _recorded(before)}
    if after is not None:
        data["after"] = _recorded(after)
    return Change(giver.actor, action, before.account_id, data=data)


def _not_found() -> NotFound:
    return NotFound("MEMBER_NOT_FOUND", "No such member or invitation exists.")
