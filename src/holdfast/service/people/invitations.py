"""Invitations: sent by mail where the instance can, used once, open for seven days."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.catalog.accounts.rows import account_by_id
from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import invitations as rows
from holdfast.catalog.people.records import Invitation as Invitation
from holdfast.catalog.records import Account, new_id
from holdfast.schemas.fields import given
from holdfast.schemas.people import members as schemas
from holdfast.schemas.times import iso
from holdfast.service.errors import Conflict
from holdfast.service.instance.home import Instance
from holdfast.service.notify.mail import has_mail, send_mail
from holdfast.service.people.giving import Giver, checked_email, own_apps
from holdfast.service.people.rights import parsed_rights
from holdfast.service.people.sign_in import invitation_not_found
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.units import DAY_NS

INVITATION_PATH = "/invite/"
OPEN_NS = 7 * DAY_NS
MEMBERS_MAX = 200
"""Of one account, open invitations among them."""


@dataclass(frozen=True, slots=True)
class MadeInvitation:
    """An invitation; `url`: None when it was sent by mail."""

    invitation: Invitation
    url: str | None


@dataclass(frozen=True, slots=True)
class Invited:
    """An open invitation, and the account that it is to."""

    invitation: Invitation
    account: Account


def invite(instance: Instance, account: Account, wanted: schemas.NewMember, giver: Giver) -> MadeInvitation:
    """Invite a person to become a member; an older invitation of the same person opens nothing any more.

    May wait for a mail server. Raises Invalid (EMAIL, GROUP, RIGHTS, APP_IDS), PermissionDenied for a right that the
    giver does not have, Conflict (MEMBER_ALREADY, TOO_MANY_MEMBERS).
    """
    email = checked_email(wanted.email)
    rights = parsed_rights(given(wanted.group), given(wanted.rights))
    app_ids = own_apps(instance, account.id, given(wanted.app_ids))
    giver.require(rights, app_ids)
    now_ns, token = instance.clock.now_ns(), new_token()
    invitation = Invitation(
        id=new_id(now_ns),
        account_id=account.id,
        email=email,
        rights=rights,
        app_ids=app_ids,
        made_by=giver.actor,
        created_at=now_ns,
        ends_at=now_ns + OPEN_NS,
    )
    data = {"member_id": invitation.id, "after": {"email": email, "rights": rights, "app_ids": app_ids}}
    change = Change(giver.actor, "member.invited", account.id, data=data)
    try:
        rows.add_invitation(instance.catalog, invitation, token_hash(token), change, MEMBERS_MAX)
    except rows.MemberAlready:
        raise Conflict("MEMBER_ALREADY", f"{email} is a member of the account already; change that member.") from None
    except rows.TooManyMembers:
        raise Conflict(
            "TOO_MANY_MEMBERS", f"The account has {MEMBERS_MAX} members and invitations, the maximum; end one first."
        ) from None
    url = f"{instance.config.base_url.rstrip('/')}{INVITATION_PATH}{token}"
    return MadeInvitation(invitation, None if _is_sent(instance, account, invitation, url) else url)


def _is_sent(instance: Instance, account: Account, invitation: Invitation, url: str) -> bool:
    """Send an invitation by the instance's mail; return False where it has none, or it was not taken."""
    if not has_mail(instance):
        return False
    until = iso(invitation.ends_at, instance.zone)
    text = (
        f"You are invited to the backups of the account {account.email}. Open this address and accept:\n\n{url}\n\n"
        f"It works once, until {until}. If you expected no invitation, ignore this message."
    )
    return send_mail(instance, invitation.email, "Invitation to an account's backups", text) is None


def find_invitation(instance: Instance, token: str) -> Invited:
    """Return the open invitation whose URL has a token. Raises NotFound."""
    now_ns = instance.clock.now_ns()
    found = rows.invitation_by_token(instance.catalog, token_hash(token), now_ns) if is_token(token) else None
    account = None if found is None else account_by_id(instance.catalog, found.account_id)
    if found is None or account is None or account.ended_at is not None:
        raise invitation_not_found()
    return Invited(found, account)
