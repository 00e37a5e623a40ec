"""The text of API keys, and the main key of an account: made with it, shown in its settings, replaced."""

from __future__ import annotations

import hashlib
import secrets
import zlib
from dataclasses import dataclass

from holdfast.catalog.events.audit import Change
from holdfast.catalog.people import keys as rows
from holdfast.catalog.people.records import Key
from holdfast.catalog.records import Account, Actor
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.account_record import store_record_or_later
from holdfast.units import SECOND_NS

KEY_PREFIX = "hf_"
ADMIN_KEY_PREFIX = "hfa_"
START_CHARACTERS = 8
"""At most this many characters of a key are shown again."""

_SECRET_BYTES = 32
_CHECK_DIGITS = 8


def new_api_key(prefix: str = KEY_PREFIX) -> str:
    """A prefix, 64 hex digits of secret, 8 of checksum (so that a mistyped key is told from a wrong one)."""
    secret = secrets.token_hex(_SECRET_BYTES)
    return prefix + secret + _check_digits(secret)


def is_well_formed(api_key: str, prefix: str = KEY_PREFIX) -> bool:
    """True if a key has the right form and checksum."""
    body = api_key.removeprefix(prefix)
    secret, check = body[:-_CHECK_DIGITS], body[-_CHECK_DIGITS:]
    return (
        api_key.startswith(prefix)
        and len(secret) == 2 * _SECRET_BYTES
        and secret.isascii()
        and check == _check_digits(secret)
    )


def _check_digits(secret: str) -> str:
    return f"{zlib.crc32(secret.encode()):08x}"


def key_hash(api_key: str) -> bytes:
    """Return the hash under which a key is found. Its secret is random, so one round of SHA-256 is enough."""
    return hashlib.sha256(api_key.encode()).digest()


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key, and what opens the account with it, which is shown this once."""

    key: Key
    api_key: str


def new_main_key(instance: Instance, account_id: str, by: Actor) -> MadeKey:
    """Return a new main key for an account, which nobody has entered yet."""
    api_key = new_api_key()
    sealed = instance.master_key.wrap(api_key.encode(), _label(account_id))
    start, now_ns = api_key[:START_CHARACTERS], instance.clock.now_ns()
    return MadeKey(rows.main_key_row(account_id, key_hash(api_key), start, sealed, by, now_ns), api_key)


def rotate_key(instance: Instance, account: Account, by: Actor, overlap_seconds: int = 0) -> MadeKey:
    """Replace the main key; the old one works on for the overlap. Raises StoreError, with nothing replaced."""
    instance.confirm_store()
    made = new_main_key(instance, account.id, by)
    data = {"key_id": made.key.id, "overlap_seconds": overlap_seconds}
    change = Change(by, "account.key_replaced", account.id, data=data)
    rows.replace_main_key(instance.catalog, made.key, made.key.created_at + overlap_seconds * SECOND_NS, change)
    store_record_or_later(instance, account.id)
    return made


def reveal_key(instance: Instance, account_id: str) -> str:
    """The main key, for the account's own settings page and the demo. Raises KeyMismatch, NotFound."""
    key = rows.main_key(instance.catalog, account_id)
    if key is None or key.sealed is None:
        raise NotFound("KEY_NOT_FOUND", "The account has no main key; make a new one.")
    return instance.master_key.unwrap(key.sealed, _label(account_id)).decode()


def _label(account_id: str) -> str:
    return f"API key:{account_id}"
