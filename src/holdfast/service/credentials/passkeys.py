"""Passkeys: added, named and removed by whoever is signed in, and signing in and elevating a session by one.

A passkey is a key in a device or a password manager that asks its owner who he is, so it stands for the password and
the second factor together: no code is asked for besides. It opens what the password opens when it is added, or the one
account of the session that adds it.
"""

from __future__ import annotations

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.people import passkeys as rows
from holdfast.catalog.people.passkeys import (
    Answered,
    ChallengeUsed,
    CounterBehind,
    KnownPasskey,
    LastPasskey,
    PasskeyTaken,
    TooManyPasskeys,
)
from holdfast.catalog.people.passwords import Credentials, covers, opens
from holdfast.catalog.people.records import Passkey as Passkey
from holdfast.catalog.records import Actor, ActorKind, new_id
from holdfast.service.credentials import ceremony
from holdfast.service.credentials.ceremony import Party, Purpose, own_party, party_of
from holdfast.service.credentials.log_in import Browser, LoggedIn, entrance_for
from holdfast.service.credentials.passwords import SignedIn, is_elevated, own_credentials
from holdfast.service.errors import Conflict, Invalid, NotFound, PasskeyRefused, PasswordRefused
from holdfast.service.instance.home import Instance
from holdfast.service.people.operators import OperatorCaller
from holdfast.service.people.sessions import ELEVATED_NS, new_session
from holdfast.service.people.tokens import new_token, token_hash

PASSKEYS_MAX = 20
"""Passkeys of a person."""
NAME_CHARACTERS_MAX = 100


def is_offered(instance: Instance) -> bool:
    """Return True if browsers offer passkeys at the address of this site."""
    return isinstance(party_of(instance.config.base_url), Party)


def sign_in_options(instance: Instance, browser_token: str) -> bytes:
    """Return the options for signing in, by whichever passkey of this site the browser has. Raises PasskeyRefused."""
    return ceremony.options_to_prove(instance, Purpose.SIGN_IN, (), browser_token)


def sign_in(
    instance: Instance, answer: str, browser_token: str | None, browser: Browser, wanted: str = "/"
) -> LoggedIn:
    """Begin a session by a passkey. `browser_token`: of the cookie that came with the options; `wanted`: as `log_in`.

    Raises PasskeyRefused, and PasswordRefused when its person belongs to no account any more.
    """
    known, answered = _answer(
        instance, Purpose.SIGN_IN, answer, browser_token or "", Actor(ActorKind.PERSON, "", "", browser.ip)
    )
    entrance, is_open = entrance_for(instance, known.entrances, wanted)
    token, new = new_session(instance, browser.ip, browser.agent, browser.token)
    try:
        if not rows.enter_by_passkey(instance.catalog, known, entrance, new, answered):
            raise _gone()
    except (ChallengeUsed, CounterBehind) as error:
        raise _not_again(instance, error, known, _actor(known, browser.ip), _account_of(known)) from None
    return LoggedIn(token, entrance, is_open)


def _answer(
    instance: Instance,
    purpose: Purpose,
    answer: str,
    browser_token: str,
    by: Actor,
    account_id: str | None = None,
) -> tuple[KnownPasskey, Answered]:
    """Return the passkey that gave an answer, with it. A refusal is entered; the throttle bounds how many there are.

    `by`, `account_id`: of whoever is signed in; nobody who signs in is known before.
    """
    try:
        found, credential_id = ceremony.credential_in(answer)
        known = rows.known_passkey(instance.catalog, credential_id)
        if known is None:
            raise _gone()
        if purpose is Purpose.SIGN_IN:
            by, account_id = _actor(known, by.ip or ""), _account_of(known)
        return known, ceremony.proved(instance, purpose, known.passkey, found, browser_token)
    except PasskeyRefused as refused:
        action = "log_in.failed" if purpose is Purpose.SIGN_IN else "elevation.failed"
        change = Change(by, action, account_id, data={"by": "passkey", "why": refused.detail})
        record_change(instance.catalog, change, instance.clock.now_ns())
        raise


def _not_again(
    instance: Instance, error: Exception, known: KnownPasskey, actor: Actor, account_id: str | None
) -> PasskeyRefused:
    """Enter that an answer was sent twice, or that an authenticator counts less than it did; return the error."""
    is_behind = isinstance(error, CounterBehind)
    data = {"passkey_id": known.passkey.id, "name": known.passkey.name, "why": "counter" if is_behind else "replay"}
    record_change(instance.catalog, Change(actor, "passkey.refused", account_id, data=data), instance.clock.now_ns())
    return PasskeyRefused(
        "This passkey was refused: it counts less than before, so there may be a copy of it. Sign in another way, and "
        "remove it."
        if is_behind
        else "This answer was sent before; try again."
    )


def _gone() -> PasskeyRefused:
    return PasskeyRefused("This passkey is not known here: it was removed, or belongs to another site.")


def _actor(known: KnownPasskey, ip: str) -> Actor:
    return Actor(ActorKind.PERSON, known.person.id, known.person.email, ip)


def _account_of(known: KnownPasskey) -> str | None:
    return next((one.account_id for one in known.entrances if one.account_id is not None), None)


def elevation_options(instance: Instance, caller: SignedIn, browser_token: str) -> bytes:
    """Return the options for elevating the session of whoever is signed in. Raises PasskeyRefused."""
    found = elevating(instance, caller, own_credentials(instance, caller))
    return ceremony.options_to_prove(instance, Purpose.ELEVATE, found, browser_token)


def elevating(instance: Instance, caller: SignedIn, credentials: Credentials) -> list[Passkey]:
    """Return the passkeys by which whoever is signed in may elevate his session: those that open all that he can.

    They need not open the account of the session, as his password need not.
    """
    if not is_offered(instance):
        return []
    party, opened = own_party(instance), () if credentials.hash is None else credentials.account_ids
    found = rows.passkeys_of(instance.catalog, caller.person_id or "")
    return [one for one in found if one.host == party.host and covers(one.account_ids, opened)]


def elevate(instance: Instance, caller: SignedIn, account_id: str | None, answer: str, browser_token: str) -> str:
    """Elevate the session of whoever is signed in by a passkey of his; return its new token.

    Raises PasskeyRefused, also for one that opens less than his password.
    """
    known, answered = _answer(instance, Purpose.ELEVATE, answer, browser_token, caller.actor, account_id)
    now_ns, token = instance.clock.now_ns(), new_token()
    data = {"session_id": caller.session_id, "by": "passkey", "passkey_id": known.passkey.id}
    change = Change(caller.actor, "session.elevated", account_id, data=data)
    hashed, until = token_hash(token), now_ns + ELEVATED_NS
    # An operator's session has no account that could be added to a passkey's.
    is_own = known.person.id == caller.person_id and (account_id is not None or known.passkey.account_ids is None)
    try:
        if (
            is_own
            and known.is_whole
            and rows.elevate_by_passkey(
                instance.catalog, known, caller.session_id or "", hashed, until, answered, change, now_ns
            )
        ):
            return token
    except (ChallengeUsed, CounterBehind) as error:
        raise _not_again(instance, error, known, caller.actor, account_id) from None
    record_change(instance.catalog, Change(caller.actor, "elevation.failed", account_id, data=data), now_ns)
    raise PasskeyRefused("This passkey is not yours, or opens less than your password; give your password.")


def own_passkeys(instance: Instance, caller: SignedIn, account_id: str | None) -> list[Passkey]:
    """Return the passkeys of whoever is signed in that open the account (None: the instance), oldest first.

    Those of his other accounts are shown there: whoever shares one of them must not change what opens the others.
    """
    found = rows.passkeys_of(instance.catalog, caller.person_id or "")
    return [one for one in found if opens(one.account_ids, account_id)]


def options_to_add(instance: Instance, caller: SignedIn, browser_token: str) -> bytes:
    """Return the options for a new passkey of whoever is signed in. Raises PasswordRefused, PasskeyRefused."""
    credentials = _elevated(instance, caller)
    known = rows.passkeys_of(instance.catalog, credentials.person.id)
    return ceremony.options_to_add(instance, credentials.person, known, browser_token)


def add(
    instance: Instance, caller: SignedIn, account_id: str | None, answer: str, name: str, browser_token: str
) -> Passkey:
    """Add the passkey that an authenticator has made. It opens what the password does, else the session's account.

    Raises PasswordRefused, PasskeyRefused, Invalid (NAME), Conflict (PASSKEY_EXISTS, TOO_MANY_PASSKEYS).
    """
    credentials = _elevated(instance, caller)
    shown = _checked_name(name)
    found, _credential_id = ceremony.credential_in(answer)
    made = ceremony.made(instance, found, browser_token)
    now_ns = instance.clock.now_ns()
    passkey = Passkey(
        new_id(now_ns),
        credentials.person.id,
        made.credential_id,
        made.public_key,
        made.answered.sign_count,
        made.transports,
        own_party(instance).host,
        shown,
        _opened(caller, account_id, credentials),
        now_ns,
    )
    data = {"passkey_id": passkey.id, "name": shown, "account_ids": passkey.account_ids}
    change = Change(caller.actor, "passkey.added", account_id, data=data)
    session_id = caller.session_id or ""
    try:
        is_added = rows.add_passkey(instance.catalog, passkey, session_id, made.answered, PASSKEYS_MAX, change, now_ns)
    except ChallengeUsed:
        raise PasskeyRefused("This answer was sent before; try again.") from None
    except PasskeyTaken:
        raise Conflict("PASSKEY_EXISTS", "This passkey is here already.") from None
    except TooManyPasskeys:
        raise Conflict(
            "TOO_MANY_PASSKEYS", f"You have {PASSKEYS_MAX} passkeys, and more there cannot be; remove one first."
        ) from None
    if not is_added:
        raise PasswordRefused("Your session has ended; sign in again.")
    return passkey


def _opened(caller: SignedIn, account_id: str | None, credentials: Credentials) -> tuple[str, ...] | None:
    """Return the accounts that a new passkey opens: as a new password would, of a session that is elevated."""
    if isinstance(caller, OperatorCaller) or account_id is None:
        return None  # whoever runs commands on the home let him in
    if credentials.hash is None:
        return (account_id,)
    known = credentials.account_ids
    return known if known is None or account_id in known else (*known, account_id)


def rename(instance: Instance, caller: SignedIn, account_id: str | None, passkey_id: str, name: str) -> None:
    """Give a passkey another name. Raises Invalid (NAME), NotFound (PASSKEY_NOT_FOUND)."""
    passkey, shown = _own(instance, caller, account_id, passkey_id), _checked_name(name)
    data = {"passkey_id": passkey.id, "before": passkey.name, "after": shown}
    change, now_ns = Change(caller.actor, "passkey.renamed", account_id, data=data), instance.clock.now_ns()
    if not rows.rename_passkey(instance.catalog, passkey.person_id, passkey.id, shown, change, now_ns):
        raise _not_found()


def remove(instance: Instance, caller: SignedIn, account_id: str | None, passkey_id: str) -> None:
    """Remove a passkey, with the sessions that it began. Raises PasswordRefused, NotFound, Conflict (LAST_WAY_IN)."""
    _elevated(instance, caller)
    passkey = _own(instance, caller, account_id, passkey_id)
    data = {"passkey_id": passkey.id, "name": passkey.name}
    change, now_ns = Change(caller.actor, "passkey.removed", account_id, data=data), instance.clock.now_ns()
    session_id = caller.session_id or ""
    try:
        is_done = rows.remove_passkey(instance.catalog, passkey.person_id, passkey.id, session_id, change, now_ns)
    except LastPasskey:
        raise Conflict(
            "LAST_WAY_IN",
            "Nothing else of yours opens this: set a password or add another passkey first, then remove it.",
        ) from None
    if not is_done:
        raise _not_found()


def _own(instance: Instance, caller: SignedIn, account_id: str | None, passkey_id: str) -> Passkey:
    found = (one for one in own_passkeys(instance, caller, account_id) if one.id == passkey_id)
    passkey = next(found, None)
    if passkey is None:
        raise _not_found()
    return passkey


def _not_found() -> NotFound:
    return NotFound("PASSKEY_NOT_FOUND", "No such passkey exists; it may have been removed already.")


def _checked_name(name: str) -> str:
    text = " ".join(name.split())
    if not 0 < len(text) <= NAME_CHARACTERS_MAX or not text.isprintable():
        raise Invalid("name", f"The name must be text of 1 to {NAME_CHARACTERS_MAX} printable characters.")
    return text


def _elevated(instance: Instance, caller: SignedIn) -> Credentials:
    if not is_elevated(instance, caller):
        raise PasswordRefused("Give your password again first.")
    return own_credentials(instance, caller)
