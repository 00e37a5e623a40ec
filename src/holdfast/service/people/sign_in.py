"""Signing in: links for one use, made by the host or the operator, and the session that whoever opens one gets.

It must never sign anybody in twice by one link, or lead him to another site.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import sign_in as rows
from holdfast.catalog.people.members import members_of
from holdfast.catalog.people.records import SignInLink
from holdfast.catalog.people.sign_in import Opened
from holdfast.catalog.records import Account, Actor
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.people.giving import NAME_CHARACTERS_MAX, checked_email, own_apps
from holdfast.service.people.sessions import new_session
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.service.registry.account_record import store_record_or_later
from holdfast.units import SECOND_NS

SIGN_IN_PATH = "/in"
LINK_SECONDS = 60
OWNER = "owner"
RETURN_TO_CHARACTERS_MAX = 2000

_VISIBLE = re.compile(r"/[!-\[\]-~]*")
"""Visible ASCII without a backslash, which browsers take for a slash."""
_OTHER_HOST = re.compile(r"[/\\](\.{1,2}[/\\])*[/\\]")
"""Two slashes name another host, also to what takes dots away before."""
_DECODED_MAX = 4
"""A path that is encoded more often than that is refused."""


@dataclass(frozen=True, slots=True)
class MadeSignInLink:
    """A sign-in link, shown this once. `ends_at`: nanoseconds."""

    url: str
    ends_at: int


def make_sign_in_link(
    instance: Instance,
    account: Account,
    by: Actor,
    *,
    email: str | None = None,
    name: str | None = None,
    rights: str | None = None,
    app_id: str | None = None,
    return_to: str | None = None,
    seconds: int = LINK_SECONDS,
) -> MadeSignInLink:
    """Make a link that signs a person in once, within some seconds; without an `email` that of the account.

    `rights`: as `parsed_rights` returns them, for this session alone; without them the person signs in with what he
    has as a member. One with the account's address who is not yet a member becomes one, of the group owner; others have
    to be given rights. With `app_id` the session is for that application alone. `return_to`: the path that the link
    leads to. Raises Invalid (EMAIL, NAME, RIGHTS, APP_IDS, RETURN_TO), Conflict (ACCOUNT_ENDED).
    """
    if account.ended_at is not None:
        raise Conflict("ACCOUNT_ENDED", "The account has ended, so nobody can be signed in to it.")
    if name is not None and not (len(name) <= NAME_CHARACTERS_MAX and name.isprintable()):
        raise Invalid("name", f"name must be text of at most {NAME_CHARACTERS_MAX} printable characters.")
    owner = account.email.lower()
    who = owner if email is None else checked_email(email)
    if not rights and who != owner and all(who != one.person.email for one in members_of(instance.catalog, account.id)):
        raise Invalid("rights", f"The account has no member {who}; give a group or rights for this one session.")
    app_ids = None if app_id is None else own_apps(instance, account.id, [app_id])
    path = return_to if return_to is not None else "/" if app_id is None else f"/apps/{app_id}"
    if len(path) > RETURN_TO_CHARACTERS_MAX or not is_local_path(path):
        raise Invalid("return_to", "return_to must be a path of this site that begins with one slash, as /apps/....")
    now_ns, ticket = instance.clock.now_ns(), new_token()
    link = SignInLink(
        account_id=account.id,
        email=who,
        name=(name or "").strip() or (account.name or "" if who == owner else "")[:NAME_CHARACTERS_MAX],
        rights=rights or "",
        app_ids=app_ids,
        return_to=path,
        ends_at=now_ns + seconds * SECOND_NS,
    )
    data = {"email": link.email, "rights": link.rights or None, "app_ids": app_ids}
    change = Change(by, "sign_in_link.created", account.id, data=data)
    rows.add_sign_in_link(instance.catalog, link, token_hash(ticket), change, now_ns)
    url = f"{instance.config.base_url.rstrip('/')}{SIGN_IN_PATH}?ticket={quote(ticket)}"
    return MadeSignInLink(url, link.ends_at)


def is_local_path(path: str) -> bool:
    """Return True if a path stays on this site, also for a program that decodes it before it follows it."""
    if not _VISIBLE.fullmatch(path):
        return False
    for _ in range(_DECODED_MAX):
        if _OTHER_HOST.match(path) or not path.isprintable():
            return False
        decoded = unquote(path)
        if decoded == path:
            return True
        path = decoded
    return False


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun: the token for its cookie, and the path to go to."""

    token: str
    return_to: str


def open_sign_in_link(instance: Instance, ticket: str, ip: str, agent: str, old_token: str | None) -> SignedIn:
    """Use a sign-in link up. `old_token`: of the session that the browser had, which ends. Raises NotFound."""
    token, new = new_session(instance, ip, agent, old_token)
    opened = rows.open_sign_in_link(instance.catalog, token_hash(ticket), new, OWNER) if is_token(ticket) else None
    if opened is None:
        raise NotFound(
            "SIGN_IN_LINK_NOT_FOUND",
            "This sign-in link was used already, or its minute is over; ask for another where you got it.",
        )
    return _entered(instance, opened, token)


def accept_invitation(instance: Instance, invitation: str, ip: str, agent: str, old_token: str | None) -> SignedIn:
    """Use an invitation up: whoever has it becomes a member and is signed in. Raises NotFound."""
    token, new = new_session(instance, ip, agent, old_token)
    is_known = is_token(invitation)
    opened = rows.accept_invitation(instance.catalog, token_hash(invitation), new) if is_known else None
    if opened is None:
        raise invitation_not_found()
    return _entered(instance, opened, token)


def _entered(instance: Instance, opened: Opened, token: str) -> SignedIn:
    if opened.is_new_member:
        store_record_or_later(instance, opened.account_id)  # the link that let somebody in works once
    return SignedIn(token, opened.return_to or "/")


def invitation_not_found() -> NotFound:
    """The error for an invitation that opens nothing."""
    return NotFound(
        "INVITATION_NOT_FOUND",
        "This invitation was accepted already, taken back, or its seven days are over; ask for another.",
    )
