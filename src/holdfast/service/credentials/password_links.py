"""Links for a new password: mailed to whoever asks for one of a known address, or printed for the operator.

A password that is set by one opens all accounts of its person, as he has proved that the address is his. It must never
tell by its answer or its time which addresses are known.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import password_links as rows
from holdfast.catalog.people.passwords import Credentials, credentials_by_email, credentials_of
from holdfast.catalog.records import SYSTEM, Actor, ActorKind
from holdfast.schemas.times import iso
from holdfast.service.credentials.passwords import checked_password, hashed_password
from holdfast.service.errors import Invalid, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.notify.mail import send_mail
from holdfast.service.people.giving import checked_email
from holdfast.service.people.sign_in import MadeSignInLink
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.units import MINUTE_NS

NEW_PASSWORD_PATH = "/forgot/new"
LINK_NS = 15 * MINUTE_NS
"""A link works this long."""

_log = logging.getLogger(__name__)


def make_password_link(instance: Instance, email: str, by: Actor) -> MadeSignInLink:
    """Make a link by which a person sets a new password, once. Raises Invalid (EMAIL), NotFound (PERSON_NOT_FOUND)."""
    return _made(instance, get_person(instance, email), by)


def get_person(instance: Instance, email: str) -> Credentials:
    """Return the person with an e-mail address. Raises Invalid (EMAIL), NotFound (PERSON_NOT_FOUND)."""
    found = credentials_by_email(instance.catalog, checked_email(email))
    if found is None:
        raise NotFound("PERSON_NOT_FOUND", "Nobody with this address has ever signed in here.")
    return found


def _made(instance: Instance, found: Credentials, by: Actor) -> MadeSignInLink:
    now_ns, token = instance.clock.now_ns(), new_token()
    change = Change(by, "password_link.created", data={"email": found.person.email})
    rows.add_password_link(instance.catalog, found.person.id, token_hash(token), now_ns + LINK_NS, change, now_ns)
    url = f"{instance.config.base_url.rstrip('/')}{NEW_PASSWORD_PATH}?token={quote(token)}"
    return MadeSignInLink(url, now_ns + LINK_NS)


def mail_password_link(instance: Instance, email: str) -> None:
    """Mail a link to an address that somebody typed, if it is known. It never raises for what was typed."""
    try:
        found = credentials_by_email(instance.catalog, checked_email(email))
    except Invalid:
        return
    if found is None:
        return
    link = _made(instance, found, SYSTEM)
    text = (
        f"Somebody asked for a new password of {found.person.email} for the backups at {instance.config.base_url}. "
        f"Open this address and set one:\n\n{link.url}\n\n"
        f"It works once, until {iso(link.ends_at, instance.zone)}. If it was not you, ignore this message."
    )
    error = send_mail(instance, found.person.email, "A new password for your backups", text)
    if error is not None:
        _log.warning("the link for a new password of %s was not sent: %s", found.person.email, error)


def email_of_link(instance: Instance, token: str) -> str:
    """Return whose password a link sets. Raises NotFound (PASSWORD_LINK_NOT_FOUND)."""
    return _person_of(instance, token).person.email


def _person_of(instance: Instance, token: str) -> Credentials:
    now_ns = instance.clock.now_ns()
    person_id = rows.person_of_link(instance.catalog, token_hash(token), now_ns) if is_token(token) else None
    found = None if person_id is None else credentials_of(instance.catalog, person_id)
    if found is None:
        raise NotFound("PASSWORD_LINK_NOT_FOUND", "This link was used already, or its 15 minutes are over.")
    return found


def set_password_by_link(instance: Instance, token: str, new: str, ip: str) -> None:
    """Use a link up. The person's sessions end. Raises NotFound (PASSWORD_LINK_NOT_FOUND), Invalid (PASSWORD)."""
    found = _person_of(instance, token)
    hashed = hashed_password(checked_password(new, found.person.email))
    actor = Actor(ActorKind.PERSON, found.person.id, found.person.email, ip)
    account_id = next((one.account_id for one in found.entrances), None)
    change = Change(actor, "password.set", account_id, data={"was_set": found.hash is not None, "by": "link"})
    if not rows.use_password_link(instance.catalog, token_hash(token), hashed, change, instance.clock.now_ns()):
        raise NotFound("PASSWORD_LINK_NOT_FOUND", "This link was used already, or its 15 minutes are over.")
