"""Logging in by e-mail address and password, elevating a session, and going to another account.

A session gets another token whenever it may do more than before, so nobody can have given it to the browser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.people import passwords as rows
from holdfast.catalog.people.passkeys import passkey_of_session
from holdfast.catalog.people.passwords import Credentials, credentials_of
from holdfast.catalog.people.passwords import Entrance as Entrance
from holdfast.catalog.people.second_factors import Step, add_half_session, person_of_half_session
from holdfast.catalog.records import Actor, ActorKind
from holdfast.service.credentials.passwords import (
    SignedIn,
    is_elevated,
    own_credentials,
    password_matches,
    renewed_hash,
)
from holdfast.service.credentials.second_factor import fitting_code, note_wrong_code
from holdfast.service.errors import CodeRefused, Invalid, NotFound, PasswordRefused, SecondFactorMissing
from holdfast.service.instance.home import Instance
from holdfast.service.people.giving import checked_email
from holdfast.service.people.sessions import ELEVATED_NS, new_session
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.units import MINUTE_NS

HALF_NS = 10 * MINUTE_NS
"""A log-in waits this long for its code."""
_APP_PAGE = re.compile(r"/apps/([0-9a-f]{32})(?:[/?].*)?")


@dataclass(frozen=True, slots=True)
class Browser:
    """The origin of a log-in. `token`: of the session that the browser had, which ends.

    `is_local`: it runs on this machine.
    """

    ip: str
    agent: str
    token: str | None = None
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session that has begun: the token for its cookie. `is_open`: the person has yet to choose an account."""

    token: str
    entrance: Entrance
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class AwaitsCode:
    """A log-in whose password was right, and that waits for a code: the token for the cookie of that step alone."""

    token: str


def log_in(instance: Instance, email: str, password: str, browser: Browser, wanted: str = "/") -> LoggedIn | AwaitsCode:
    """Begin a session by a password. `wanted`: the path that the browser is to see, which may tell the account.

    Of a person with a second factor no session begins yet. Raises PasswordRefused, for an unknown address with the same
    words and after the same time; SecondFactorMissing.
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
    if credentials.factor is not None:
        return AwaitsCode(_begun(instance, credentials, browser))
    if entrance.account_id is None and not browser.is_local:
        own = tuple(one for one in credentials.entrances if one.account_id is not None)
        if not own:
            _note_failure(instance, credentials, address, browser.ip)
            raise SecondFactorMissing
        entrance, is_open = own[0], len(own) > 1  # his own accounts he may see by a password
    return LoggedIn(_entered(instance, credentials, entrance, browser), entrance, is_open)


def _begun(instance: Instance, credentials: Credentials, browser: Browser) -> str:
    token, now_ns = new_token(), instance.clock.now_ns()
    change = Change(_actor(credentials, browser), "log_in.begun", _account_of(credentials))
    person_id, ends_at = credentials.person.id, now_ns + HALF_NS
    add_half_session(instance.catalog, person_id, token_hash(token), ends_at, change, now_ns)
    return token


def person_of_half(instance: Instance, token: str) -> str:
    """Return the id of the person whose log-in waits for a code. Raises PasswordRefused when it has ended."""
    known = is_token(token)
    found = person_of_half_session(instance.catalog, token_hash(token), instance.clock.now_ns()) if known else None
    if found is None:
        raise _half_ended()
    return found


def give_code(instance: Instance, token: str, code: str, browser: Browser, wanted: str = "/") -> LoggedIn:
    """Begin the session that waits for a code, or a recovery code. `token`: of the first step.

    Raises PasswordRefused when that has ended, CodeRefused.
    """
    credentials = credentials_of(instance.catalog, person_of_half(instance, token))
    if credentials is None or credentials.factor is None:
        raise _half_ended()
    entrance, is_open = entrance_for(instance, credentials.entrances, wanted)
    actor, account_id = _actor(credentials, browser), _account_of(credentials)
    used = fitting_code(instance, credentials, code)
    step = Step.REFUSED
    if used is not None:
        session_token, new = new_session(instance, browser.ip, browser.agent, browser.token)
        change = Change(actor, "log_in.finished", account_id)
        step = rows.enter_by_code(instance.catalog, credentials, entrance, new, token_hash(token), used, change)
        if step is Step.DONE:
            return LoggedIn(session_token, entrance, is_open)
    if step is Step.ENDED:
        raise _half_ended()
    note_wrong_code(instance, actor, account_id, "log-in")
    raise CodeRefused("The code is not the right one, or it was used already; wait for the next, and give that.")


def _half_ended() -> PasswordRefused:
    return PasswordRefused("You gave your password more than ten minutes ago, or it was changed; sign in again.")


def _actor(credentials: Credentials, browser: Browser) -> Actor:
    return Actor(ActorKind.PERSON, credentials.person.id, credentials.person.email, browser.ip)


def _account_of(credentials: Credentials) -> str | None:
    return next((one.account_id for one in credentials.entrances if one.account_id is not None), None)


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


def _entered(
    instance: Instance,
    credentials: Credentials,
    entrance: Entrance,
    browser: Browser,
    session_id: str | None = None,
) -> str:
    token, new = new_session(instance, browser.ip, browser.agent, browser.token)
    if not rows.enter_by_password(instance.catalog, credentials, entrance, new, session_id):
        raise PasswordRefused("Your password was changed just now; sign in with the new one.")
    return token


def own_entrances(instance: Instance, caller: SignedIn) -> tuple[Entrance, ...]:
    """Return the accounts that whoever is signed in may go to: with his password, or the passkey of his session."""
    found, passkey = own_credentials(instance, caller), passkey_of_session(instance.catalog, caller.session_id or "")
    by_password = found.entrances if found.hash is not None else ()
    by_passkey = passkey.entrances if passkey is not None else ()
    return tuple(dict.fromkeys((*by_password, *by_passkey)))


def enter(instance: Instance, caller: SignedIn, account_id: str | None, browser: Browser) -> str:
    """Go to another account, in a new session; return its token. The caller's session must be elevated.

    Raises PasswordRefused, NotFound (ACCOUNT_NOT_FOUND).
    """
    if not is_elevated(instance, caller):
        raise PasswordRefused("Give your password again first.")
    found = own_entrances(instance, caller)
    entrance = next((one for one in found if one.account_id == account_id), None)
    if entrance is None:
        raise NotFound("ACCOUNT_NOT_FOUND", "No such account exists, or what you signed in by does not open it.")
    credentials = own_credentials(instance, caller)
    return _entered(instance, credentials, entrance, browser, caller.session_id)


def elevate(instance: Instance, caller: SignedIn, account_id: str | None, password: str, code: str = "") -> str:
    """Elevate the session of whoever is signed in; return its new token. `code`: of his second factor, if he has one.

    Raises PasswordRefused, CodeRefused.
    """
    credentials = own_credentials(instance, caller)
    now_ns, token = instance.clock.now_ns(), new_token()
    if not password_matches(credentials, password):
        change = Change(caller.actor, "elevation.failed", account_id, data={"session_id": caller.session_id})
        record_change(instance.catalog, change, now_ns)
        raise PasswordRefused("The password is not the right one.")
    used = fitting_code(instance, credentials, code)
    if credentials.factor is not None and used is None:
        note_wrong_code(instance, caller.actor, account_id, "elevation")
        raise CodeRefused("The code is not the right one.")
    change = Change(caller.actor, "session.elevated", account_id, data={"session_id": caller.session_id})
    step = rows.elevate_session(
        instance.catalog,
        credentials,
        caller.session_id or "",
        token_hash(token),
        now_ns + ELEVATED_NS,
        change,
        now_ns,
        used,
    )
    if step is Step.REFUSED:
        note_wrong_code(instance, caller.actor, account_id, "elevation")
        raise CodeRefused("This code was used already; wait for the next one, and give that.")
    if step is Step.ENDED:
        raise PasswordRefused("Your password was changed just now; sign in with the new one.")
    return token
