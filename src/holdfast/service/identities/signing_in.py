"""Signing in by an identity, accepting an invitation by one, choosing an account, and elevating a session.

It must never let anybody in by an e-mail address that another site tells, or elevate by anything but a fresh proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.identities import rounds, rows
from holdfast.catalog.identities.records import IdentityTaken, KnownIdentity, OtherWayIn, Purpose, Round
from holdfast.catalog.people.passwords import Entrance
from holdfast.catalog.records import Actor, ActorKind
from holdfast.service.credentials.log_in import Browser, LoggedIn, entrance_for
from holdfast.service.credentials.passwords import SignedIn
from holdfast.service.errors import Conflict, NotFound, ServiceError
from holdfast.service.identities.id_tokens import Proved, is_fresh
from holdfast.service.identities.providers import Configured, Providers
from holdfast.service.identities.rounds import label_of
from holdfast.service.instance.home import Instance
from holdfast.service.people.sessions import ELEVATED_NS, new_session
from holdfast.service.people.sign_in import invitation_not_found
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.service.registry.account_record import store_record_or_later
from holdfast.units import MINUTE_NS, SECOND_NS

CHOICE_NS = 5 * MINUTE_NS
"""An account is chosen within this time."""


class NotLinked(ServiceError):
    """Nobody here is linked with the identity."""

    http_status = 403

    def __init__(self, label: str) -> None:
        super().__init__(
            "IDENTITY_NOT_LINKED",
            f"Nobody here is linked with this account of {label}. Sign in by your password, or by the link or "
            f"invitation of your host, then link {label} in Account, Signing in. After that it signs you in.",
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """Whoever came back opens several accounts, and has yet to choose one. `return_to`: as of the round."""

    entrances: tuple[Entrance, ...]
    email: str
    return_to: str


def way_of(provider: Configured) -> str:
    """Return the way that a session began, in the audit."""
    return f"identity {provider.name}"


def sign_in(
    providers: Providers, provider: Configured, ended: Round, proved: Proved, browser: Browser, browser_token: str
) -> LoggedIn | None:
    """Begin the session of whoever came back; return None when he has yet to choose an account (`open_choice`).

    Raises NotLinked, PasswordRefused when the person belongs to no account any more.
    """
    instance = providers.instance
    known = rows.known_identity(instance.catalog, provider.issuer, proved.subject)
    if known is None:
        _note_failure(instance, provider, browser.ip)
        raise NotLinked(label_of(provider))
    entrance, is_open = entrance_for(instance, known.entrances, ended.return_to)
    if not is_open:
        return LoggedIn(_entered(instance, provider, known, entrance, browser), entrance)
    now_ns, key = instance.clock.now_ns(), token_hash(browser_token)
    choice = Round(
        provider=provider.name,
        purpose=Purpose.CHOOSE,
        nonce="",
        verifier="",
        session_id=None,
        invitation_hash=None,
        identity_id=known.identity.id,
        return_to=ended.return_to,
        started_at=now_ns,
        ends_at=now_ns + CHOICE_NS,
    )
    rounds.add_round(instance.catalog, choice, key, key)
    return None


def _note_failure(instance: Instance, provider: Configured, ip: str) -> None:
    change = Change(Actor(ActorKind.PERSON, "", "", ip), "log_in.failed", data={"by": way_of(provider)})
    record_change(instance.catalog, change, instance.clock.now_ns())


def _entered(
    instance: Instance, provider: Configured, known: KnownIdentity, entrance: Entrance, browser: Browser
) -> str:
    token, new = new_session(instance, browser.ip, browser.agent, browser.token)
    account_id = entrance.account_id
    if account_id is None or not rows.enter_by_identity(instance.catalog, known, account_id, new, way_of(provider)):
        raise NotLinked(label_of(provider))
    return token


def open_choice(providers: Providers, name: str, browser_token: str | None) -> Choice:
    """Return the accounts that whoever came back may choose among. Raises NotFound (CHOICE_NOT_FOUND)."""
    instance = providers.instance
    chosen = None
    if browser_token is not None and is_token(browser_token):
        now_ns = instance.clock.now_ns()
        chosen = rounds.open_choice(instance.catalog, providers.get(name).name, token_hash(browser_token), now_ns)
    known = None if chosen is None else rows.identity_by_id(instance.catalog, chosen.identity_id or "")
    if chosen is None or known is None:
        raise _no_choice()
    return Choice(known.entrances, known.person.email, chosen.return_to)


def _no_choice() -> NotFound:
    return NotFound("CHOICE_NOT_FOUND", "The five minutes to choose an account are over; sign in again.")


def choose(
    providers: Providers, name: str, account_id: str | None, browser: Browser, browser_token: str | None
) -> LoggedIn:
    """Begin a session on one of the accounts. Raises NotFound (CHOICE_NOT_FOUND, ACCOUNT_NOT_FOUND), NotLinked."""
    instance, provider = providers.instance, providers.get(name)
    found = open_choice(providers, name, browser_token)
    entrance = next((one for one in found.entrances if one.account_id == account_id), None)
    if entrance is None:
        raise NotFound("ACCOUNT_NOT_FOUND", f"No such account exists, or {label_of(provider)} does not open it.")
    key = token_hash(browser_token or "")
    taken = rounds.take_round(instance.catalog, name, (Purpose.CHOOSE,), key, key, instance.clock.now_ns())
    known = None if taken is None else rows.identity_by_id(instance.catalog, taken.identity_id or "")
    if known is None:
        raise _no_choice()
    return LoggedIn(_entered(instance, provider, known, entrance, browser), entrance)


def accept(providers: Providers, provider: Configured, ended: Round, proved: Proved, browser: Browser) -> str:
    """Accept the invitation of a round, and link the identity with whom it is for; return the session's token.

    Raises NotFound (INVITATION_NOT_FOUND), Conflict (IDENTITY_TAKEN, OTHER_WAY_IN); then the invitation stays open.
    """
    instance = providers.instance
    token, new = new_session(instance, browser.ip, browser.agent, browser.token)
    identity = rows.new_identity("", provider.issuer, proved.subject, proved.label, new.created_at)
    change = Change(Actor(ActorKind.PERSON, "", "", browser.ip), "identity.linked", data={"provider": provider.name})
    try:
        opened = rows.accept_by_identity(instance.catalog, ended.invitation_hash or b"", identity, new, change)
    except IdentityTaken:
        raise identity_taken(provider) from None
    except OtherWayIn:
        raise Conflict(
            "OTHER_WAY_IN",
            f"You have another way in already. Open the invitation again, accept it without {label_of(provider)}, and "
            "link that in Account, Signing in.",
        ) from None
    if opened is None:
        raise invitation_not_found()
    if opened.is_new_member:
        store_record_or_later(instance, opened.account_id)
    return token


def identity_taken(provider: Configured) -> Conflict:
    """The error for an identity that another person is linked with."""
    label = label_of(provider)
    return Conflict(
        "IDENTITY_TAKEN",
        f"This account of {label} signs in another person here. Sign in as that person and unlink it first, or take "
        f"another account of {label}.",
    )


def elevate(
    providers: Providers, provider: Configured, ended: Round, proved: Proved, caller: SignedIn, account_id: str | None
) -> str:
    """Elevate the session of whoever is signed in and came back; return its new token. Raises Conflict (NOT_PROVED).

    The provider must have asked him within the round, and its identity open what his password does.
    """
    instance = providers.instance
    now_ns, token = instance.clock.now_ns(), new_token()
    known = rows.known_identity(instance.catalog, provider.issuer, proved.subject)
    seconds = (now_ns - ended.started_at) / SECOND_NS
    is_own = known is not None and known.person.id == caller.person_id and ended.session_id == caller.session_id
    data = {"session_id": caller.session_id, "by": way_of(provider)}
    if known is not None and is_own and is_fresh(proved, seconds):
        change = Change(caller.actor, "session.elevated", account_id, data=data)
        hashed, until = token_hash(token), now_ns + ELEVATED_NS
        if rows.elevate_by_identity(
            instance.catalog, known.identity, caller.session_id or "", hashed, until, change, now_ns
        ):
            return token
    record_change(instance.catalog, Change(caller.actor, "elevation.failed", account_id, data=data), now_ns)
    raise Conflict(
        "IDENTITY_NOT_PROVED",
        f"{label_of(provider)} did not prove just now that it is you. Give your password, or open another link of your "
        "host.",
    )
