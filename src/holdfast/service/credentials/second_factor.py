"""The second factor: an authenticator app (TOTP), and recovery codes for whoever lost it.

It is asked for besides the password: when somebody signs in by one, and when a session is elevated. A code of the app
counts for its half minute and one before and after; no half minute counts twice, nor one before it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import NamedTuple

import pyotp

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.people import second_factors as rows
from holdfast.catalog.people.passwords import Credentials
from holdfast.catalog.people.records import SecondFactor
from holdfast.catalog.people.second_factors import UsedCode
from holdfast.catalog.records import Actor
from holdfast.service.credentials.password_links import get_person
from holdfast.service.credentials.passwords import SignedIn, is_elevated, own_credentials
from holdfast.service.errors import CodeRefused, Conflict, PasswordRefused
from holdfast.service.instance.home import Instance
from holdfast.service.people.operators import OperatorCaller
from holdfast.units import SECOND_NS
from holdfast.vault.errors import KeyMismatch

STEP_NS = 30 * SECOND_NS
WINDOW = 1
"""Steps before and after the present one whose codes count, as clocks differ."""
DIGITS = 6
RECOVERY_CODES = 10
_RECOVERY_CHARACTERS = 16
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_ISSUER = "Holdfast"


@dataclass(frozen=True, slots=True)
class NewApp:
    """An authenticator app that is about to be set up. `sealed`: its secret for the form, for this session alone."""

    secret: str
    uri: str
    sealed: str


class FactorsRemoved(NamedTuple):
    """A person without a second factor any more. `passkeys`: how many were removed."""

    email: str
    passkeys: int
    has_password: bool


def new_app(instance: Instance, caller: SignedIn, sealed: str | None = None) -> NewApp:
    """Return a new secret, or that of a form that was sent before. Nothing is stored until a code confirms it."""
    secret = pyotp.random_base32() if sealed is None else _opened(instance, caller, sealed)
    uri = pyotp.TOTP(secret).provisioning_uri(name=caller.actor.name, issuer_name=_ISSUER)
    return NewApp(secret, uri, sealed or instance.master_key.wrap(secret.encode(), _form_purpose(caller)).hex())


def set_up(instance: Instance, caller: SignedIn, account_id: str | None, sealed: str, code: str) -> tuple[str, ...]:
    """Set an authenticator app up, confirmed with one code; return the recovery codes, shown this once.

    Raises PasswordRefused, CodeRefused, Conflict (SECOND_FACTOR_EXISTS, PASSWORD_MISSING).
    """
    credentials = _elevated_credentials(instance, caller)
    if credentials.hash is None:
        raise Conflict("PASSWORD_MISSING", "Set a password first; the codes are asked for besides it.")
    secret, now_ns = _opened(instance, caller, sealed), instance.clock.now_ns()
    step = _step_of(secret, code, now_ns)
    if step is None:
        note_wrong_code(instance, caller.actor, account_id, "set up")
        raise CodeRefused("The code is not the right one; look at the newest, and at the clock of your phone.")
    is_proved = credentials.account_ids is None or isinstance(caller, OperatorCaller)
    person_id, codes = credentials.person.id, _new_codes()
    factor = SecondFactor(instance.master_key.wrap(secret.encode(), _purpose(person_id)), step, is_proved, now_ns)
    change = Change(caller.actor, "second_factor.added", account_id, data={"kind": "totp"})
    hashes = [_hash(person_id, one) for one in codes]
    session_id = caller.session_id or ""
    if not rows.add_second_factor(instance.catalog, person_id, session_id, factor, hashes, change, now_ns):
        raise Conflict("SECOND_FACTOR_EXISTS", "You have an authenticator app already; switch that off first.")
    return codes


def make_recovery_codes(instance: Instance, caller: SignedIn, account_id: str | None) -> tuple[str, ...]:
    """Replace all recovery codes; return the new ones. Raises PasswordRefused, Conflict (SECOND_FACTOR_MISSING)."""
    person_id, codes = _elevated_credentials(instance, caller).person.id, _new_codes()
    change = Change(caller.actor, "recovery_codes.replaced", account_id, data={"count": len(codes)})
    hashes = [_hash(person_id, one) for one in codes]
    if not rows.replace_recovery_codes(instance.catalog, person_id, hashes, change, instance.clock.now_ns()):
        raise _missing()
    return codes


def switch_off(instance: Instance, caller: SignedIn, account_id: str | None) -> None:
    """Remove the authenticator app and the recovery codes. Raises PasswordRefused, Conflict (SECOND_FACTOR_MISSING)."""
    person_id = _elevated_credentials(instance, caller).person.id
    change = Change(caller.actor, "second_factor.removed", account_id, data={"kind": "totp"})
    if not rows.remove_second_factor(instance.catalog, person_id, change, instance.clock.now_ns()):
        raise _missing()


def codes_left(instance: Instance, caller: SignedIn) -> int:
    """Return how many recovery codes of whoever is signed in are unused."""
    return rows.recovery_codes_left(instance.catalog, caller.person_id or "")


def reset_second_factor(instance: Instance, email: str, by: Actor) -> FactorsRemoved:
    """Remove the authenticator app and the passkeys of a person who is locked out, and end his sessions.

    Raises Invalid (EMAIL), NotFound (PERSON_NOT_FOUND), Conflict (SECOND_FACTOR_MISSING).
    """
    found = get_person(instance, email)
    change = Change(by, "second_factor.reset", data={"email": found.person.email})
    removed = rows.reset_factors(instance.catalog, found.person.id, change, instance.clock.now_ns())
    if removed is None:
        raise Conflict("SECOND_FACTOR_MISSING", f"{found.person.email} has no second factor; nothing was changed.")
    return FactorsRemoved(found.person.email, removed, found.hash is not None)


def fitting_code(instance: Instance, credentials: Credentials, text: str) -> UsedCode | None:
    """Return what a code of the app, or a recovery code, uses up; None for one that does not fit."""
    typed = "".join(text.split()).replace("-", "").lower()
    if credentials.factor is None or not typed.isascii():
        return None
    person_id = credentials.person.id
    if len(typed) == _RECOVERY_CHARACTERS and all(character in _ALPHABET for character in typed):
        return UsedCode(recovery_hash=_hash(person_id, typed))
    secret = instance.master_key.unwrap(credentials.factor.secret_sealed, _purpose(person_id)).decode()
    step = _step_of(secret, typed, instance.clock.now_ns(), credentials.factor.last_step)
    return None if step is None else UsedCode(step=step)


def note_wrong_code(instance: Instance, actor: Actor, account_id: str | None, at: str) -> None:
    """Enter a code that was refused. The throttle bounds how many there are."""
    change = Change(actor, "second_factor.failed", account_id, data={"at": at})
    record_change(instance.catalog, change, instance.clock.now_ns())


def _step_of(secret: str, code: str, now_ns: int, above: int = -1) -> int | None:
    """Return the newest step within the window whose code it is, and that comes after `above`."""
    typed, now = "".join(code.split()), now_ns // STEP_NS
    if len(typed) != DIGITS or not (typed.isascii() and typed.isdecimal()):
        return None
    app, found = pyotp.TOTP(secret), None
    for step in range(max(0, now - WINDOW), now + WINDOW + 1):
        if hmac.compare_digest(app.generate_otp(step), typed) and step > above:
            found = step
    return found


def _elevated_credentials(instance: Instance, caller: SignedIn) -> Credentials:
    if not is_elevated(instance, caller):
        raise PasswordRefused("Give your password again first.")
    return own_credentials(instance, caller)


def _opened(instance: Instance, caller: SignedIn, sealed: str) -> str:
    try:
        return instance.master_key.unwrap(bytes.fromhex(sealed), _form_purpose(caller)).decode()
    except (ValueError, KeyMismatch):
        raise CodeRefused("This form is of another session; begin again.") from None


def _new_codes() -> tuple[str, ...]:
    made = ("".join(secrets.choice(_ALPHABET) for _ in range(_RECOVERY_CHARACTERS)) for _ in range(RECOVERY_CODES))
    return tuple("-".join(one[at : at + 4] for at in range(0, _RECOVERY_CHARACTERS, 4)) for one in made)


def _hash(person_id: str, code: str) -> bytes:
    """Return the hash of a recovery code. It has 80 random bits, so one round is enough."""
    return hashlib.sha256(f"{person_id}\0{code.replace('-', '')}".encode()).digest()


def _purpose(person_id: str) -> str:
    return f"authenticator app:{person_id}"


def _form_purpose(caller: SignedIn) -> str:
    return f"new authenticator app:{caller.person_id}:{caller.session_id}"


def _missing() -> Conflict:
    return Conflict("SECOND_FACTOR_MISSING", "You have no authenticator app; it was switched off meanwhile.")
