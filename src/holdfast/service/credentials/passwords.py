"""Passwords: which ones are good enough, their hashes, and setting one.

A hash takes 64 MiB and about 0.1 s, whether the address is known or not. It must never tell by its time or its words
which addresses are known.
"""

from __future__ import annotations

import unicodedata
from typing import Protocol

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from holdfast.catalog.events.audit import Change, record_change
from holdfast.catalog.people import passwords as rows
from holdfast.catalog.people.passwords import Credentials
from holdfast.catalog.records import Actor
from holdfast.service.errors import AccessDenied, Invalid, PasswordRefused
from holdfast.service.instance.home import Instance
from holdfast.service.people.operators import OperatorCaller

CHARACTERS_MIN = 12
CHARACTERS_MAX = 500
_DISTINCT_MIN = 5
"""Different characters: fewer are `aaaaaaaaaaaa` and `121212121212`."""

_COMMON = (
    "password", "passwort", "passw0rd", "letmein", "welcome", "qwertyuiop", "asdfghjkl", "1qaz2wsx3edc", "iloveyou",
    "changeme", "administrator", "admin", "trustno1", "football", "baseball", "princess", "sunshine", "superman",
    "correcthorsebatterystaple", "holdfast", "backup", "secret", "senha", "contrasena", "motdepasse", "qwertz",
    "qwerty", "azerty", "abc", "hello", "login", "master", "dragon", "monkey", "starwars", "whatever", "minecraft",
    "discord", "squarecloud",
)  # fmt: skip
"""The words that the lists of leaked passwords are full of; with digits and marks around, repeated or in a row."""

_SEQUENCES = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")

_hasher = PasswordHasher(time_cost=2, memory_cost=64 * 1024, parallelism=1)
_HASH_OF_NOBODY = "$argon2id$v=19$m=65536,t=2,p=1$NpKu5QVVXauuUcg5HedDgQ$Tha7nc/IKCkN+YJwFeYVXaVlHN7EonssQU8EA9SS1IU"
"""Of random bytes that nobody has, with the same parameters, to spend the time on for whoever has no password."""


class SignedIn(Protocol):
    """Whoever is signed in, to an account or as an operator."""

    @property
    def actor(self) -> Actor:
        """Who it is, as the audit names him."""

    @property
    def person_id(self) -> str | None:
        """The person."""

    @property
    def session_id(self) -> str | None:
        """The session."""

    @property
    def elevated_until(self) -> int | None:
        """The end of what an elevated session may do (nanoseconds)."""


def is_elevated(instance: Instance, caller: SignedIn) -> bool:
    """True while a session may do what its person must have proved himself for."""
    return caller.elevated_until is not None and instance.clock.now_ns() < caller.elevated_until


def checked_password(password: str, email: str) -> str:
    """Return a password as it is hashed. Raises Invalid (PASSWORD)."""
    text = unicodedata.normalize("NFC", password)
    if len(text) < CHARACTERS_MIN:
        raise Invalid("password", f"Take a password of at least {CHARACTERS_MIN} characters; several words are fine.")
    if len(text) > CHARACTERS_MAX:
        raise Invalid("password", f"Take a password of at most {CHARACTERS_MAX} characters.")
    if _is_common(text.casefold(), email):
        raise Invalid("password", "This password is among the first that are tried; take one of several rare words.")
    return text


def _is_common(text: str, email: str) -> bool:
    if len(set(text)) < _DISTINCT_MIN:
        return True
    rest = text
    for word in (email.casefold(), email.partition("@")[0].casefold(), *_COMMON):
        if len(word) > 2:
            rest = rest.replace(word, "")
    rest = "".join(c for c in rest if c.isalpha())
    runs = any(text in row or text in row[::-1] for row in _SEQUENCES)
    return runs or (len(rest) < _DISTINCT_MIN and len(rest) < len([c for c in text if c.isalpha()]))


def hashed_password(password: str) -> str:
    """Return the hash of a checked password, with its parameters."""
    return _hasher.hash(password)


def password_matches(credentials: Credentials | None, password: str) -> bool:
    """Return True if a password is that of a person. It takes as long for nobody."""
    known = None if credentials is None else credentials.hash
    try:
        _hasher.verify(known or _HASH_OF_NOBODY, unicodedata.normalize("NFC", password[: 2 * CHARACTERS_MAX]))
    except (VerificationError, InvalidHashError):
        return False
    return known is not None


def renewed_hash(password_hash: str, password: str) -> str | None:
    """Return the hash of a password that was right, with today's parameters; None when it has them."""
    is_old = _hasher.check_needs_rehash(password_hash)
    return _hasher.hash(unicodedata.normalize("NFC", password)) if is_old else None


def own_credentials(instance: Instance, caller: SignedIn) -> Credentials:
    """Return those of whoever is signed in. Raises AccessDenied when he is gone."""
    found = rows.credentials_of(instance.catalog, caller.person_id or "")
    if found is None:
        raise AccessDenied
    return found


def set_own_password(
    instance: Instance, caller: SignedIn, account_id: str | None, new: str, old: str | None = None
) -> None:
    """Set the password of whoever is signed in, to an account or as an operator (None); his other sessions end.

    Without the old password the session must be elevated. Raises Invalid (PASSWORD), PasswordRefused.
    """
    credentials = own_credentials(instance, caller)
    text = checked_password(new, credentials.person.email)
    if not is_elevated(instance, caller) and not (old and password_matches(credentials, old)):
        if old:
            failed = Change(caller.actor, "password_change.failed", account_id, data={"session_id": caller.session_id})
            record_change(instance.catalog, failed, instance.clock.now_ns())
        raise PasswordRefused(
            "The present password is not the right one."
            if credentials.hash is not None
            else "You came in more than 15 minutes ago; open another link, and set your password then."
        )
    opens = credentials.account_ids if credentials.hash is not None or account_id is None else (account_id,)
    if isinstance(caller, OperatorCaller):
        opens = None  # whoever runs commands on the home let him in
    data = {"was_set": credentials.hash is not None}
    change = Change(caller.actor, "password.set", account_id, data=data)
    now_ns, hashed = instance.clock.now_ns(), _hasher.hash(text)
    if not rows.set_password(instance.catalog, credentials, hashed, opens, caller.session_id, change, now_ns):
        raise PasswordRefused("Your password was changed just now; sign in with the new one.")
