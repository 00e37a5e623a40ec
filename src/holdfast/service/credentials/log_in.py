"""Logging in by e-mail address and password, elevating a session, and going to another account.

A session gets another token whenever it may do more than before, so nobody can have given it to the browser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.people import passwords as rows
from holdfast.catalog.people.passwords import Credentials
from holdfast.catalog.people.passwords import Entrance as Entrance
from holdfast.catalog.records import Actor, ActorKind
from holdfast.service.credentials.passwords import (
    SignedIn,
    is_elevated,
    own_credentials,
    password_matches,
    renewed_hash,
)
from holdfast.service.errors import Invalid, NotFound, PasswordRefused
from holdfast.service.instance.home import Instance
from holdfast.service.people.giving import checked_email
from holdfast.service.people.sessions import ELEVATED_NS, new_session
from holdfast.service.people.tokens import new_token, token_hash

_APP_PAGE = re.compile(r"/apps/([0-9a-f]{32})(?:[/?].*)?")


@dataclass(frozen=True, slots=True)
class Browser:
    """The origin of a log-in. `token`: of the session that the browser had, which ends."""

    ip: str
    agent: str
    token: str | None = None


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session that has begun: the token for its cookie. `is_open`: the person has yet to choose an account."""

    token: str
    entrance: Entrance
    is_open: bool = False


def log_in(instance: Instance, email: str, password: str, browser: Browser, wanted: str = "/") -> LoggedIn:
    """Begin a session by a password. `wanted`: the path that the browser is to see, which may tell the account.

    Raises PasswordRefused, for an unknown address with the same words and after the same time.
    """
    try:
        address = checked_email(email)
    except Invalid:
        address = ""
    credentials = rows.credentials_by_email(instance.catalog, address)
    if not password_matches(credentials, password) or credentials is None:
        _note_failure(instance, credentials, address, browser.ip)
        raise PasswordRefused("E-mail address and password do not match.")
    if credentials.hash is not None and (renewed := renewed_hash(credentials.hash, password)) is not None:
        rows.replace_hash(instance.catalog, credentials.person.id, credentials.hash, renewed)
        credentials = credentials._replace(hash=renewed)
    entrance, is_open = entrance_for(instance, credentials.entrances, wanted)
    return LoggedIn(_entered(instance, credentials, entrance, browser), entrance, is_open)


def _note_failure(instance: Instance, credentials: Credentials | None, address: str, ip: str) -> None:
    """Enter a failed log-in, for somebody or nobody: both write once. The throttle bounds how many there are."""
    person_id = "" if credentials is None else credentials.person.id
    account_id = next((one.account_id for one in credentials.entrances), None) if credentials is not None else None
    change = Change(Actor(ActorKind.PERSON, person_id, address, ip), "log_in.failed", account_id)
    record_change(instance.catalog, change, instance.clock.now_ns())


def entrance_for(instance: Instance, entrances: Sequence[Entrance], wanted: str) -> tuple[Entrance, bool]:
    """Return where somebody goes in, and True when he has yet to choose among several. Raises PasswordRefused."""
    if not entrances:
        raise PasswordRefused("Your address belongs to no account here any more; ask whoever invited you.")
    page = _APP_PAGE.fullmatch(wanted)
    owner = None if page is None else instance.prepared.app_owner(page[1])
    for one in entrances:
        if owner is not None and one.account_id == owner:
            return one, False
    return entrances[0], len(entrances) > 1


def _entered(instance: Instance, credentials: Credentials, entrance: Entrance, browser: Browser) -> str:
    token, new = new_session(instance, browser.ip, browser.agent, browser.token)
    if not rows.enter_by_password(instance.catalog, credentials, entrance, new):
        raise PasswordRefused("Your password was changed just now; sign in with the new one.")
    return token


def own_entrances(instance: Instance, caller: SignedIn) -> tuple[Entrance, ...]:
    """Return the accounts that whoever is signed in may go to with his password."""
    found = own_credentials(instance, caller)
    return found.entrances if found.hash is not None else ()


def enter(instance: Instance, caller: SignedIn, account_id: str | None, browser: Browser) -> str:
    """Go to another account, in a new session; return its token. The caller's session must be elevated.

    Raises PasswordRefused, NotFound (ACCOUNT_NOT_FOUND).
    """
    credentials = own_credentials(instance, caller)
    if credentials.hash is None or not is_elevated(instance, caller):
        raise PasswordRefused("Give your password again first.")
    entrance = next((one for one in credentials.entrances if one.account_id == account_id), None)
    if entrance is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "No such account exists, or your password does not open it.")
    return _entered(instance, credentials, entrance, browser)


def elevate(instance: Instance, caller: SignedIn, account_id: str | None, password: str) -> str:
    """Elevate the session of whoever is signed in; return its new token. Raises PasswordRefused."""
    credentials = own_credentials(instance, caller)
    now_ns, token = instance.clock.now_ns(), new_token()
    if not password_matches(credentials, password):
        change = Change(caller.actor, "elevation.failed", account_id, data={"session_id": caller.session_id})
        record_change(instance.catalog, change, now_ns)
        raise PasswordRefused("The password is not the right one.")
    change = Change(caller.actor, "session.elevated", account_id, data={"session_id": caller.session_id})
    is_done = rows.elevate_session(
        instance.catalog,
        credentials,
        caller.session_id or "",
        token_hash(token),
        now_ns + ELEVATED_NS,
        change,
        now_ns,
    )
    if not is_done:
        raise PasswordRefused("Your password was changed just now; sign in with the new one.")
    return token
