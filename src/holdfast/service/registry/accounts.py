"""Accounts: add, list, change the plan, replace the API key, find the account of a key."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import string
import zlib
from dataclasses import dataclass

from holdfast.catalog.accounts import rows
from holdfast.catalog.records import Account
from holdfast.service.errors import AccessDenied, Conflict, Invalid, NotFound, UpgradeRequired
from holdfast.service.instance.home import Instance
from holdfast.service.instance.plans import PricePlan
from holdfast.service.registry.account_record import store_record
from holdfast.vault.pack.keys import new_data_key

KEY_PREFIX = "hf_"
_KEY_SECRET_BYTES = 32
_KEY_CHECK_DIGITS = 8
_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,255}")
_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class NewKey:
    """An account and its API key, which is shown now and in the account's settings."""

    account: Account
    api_key: str


def new_api_key() -> str:
    """`hf_`, 64 hex digits of secret, 8 of checksum (so that a mistyped key is told from a wrong one)."""
    secret = secrets.token_hex(_KEY_SECRET_BYTES)
    return KEY_PREFIX + secret + _check_digits(secret)


def is_well_formed(api_key: str) -> bool:
    """True if a key has the right form and checksum."""
    body = api_key.removeprefix(KEY_PREFIX)
    secret, check = body[:-_KEY_CHECK_DIGITS], body[-_KEY_CHECK_DIGITS:]
    return (
        api_key.startswith(KEY_PREFIX)
        and len(secret) == 2 * _KEY_SECRET_BYTES
        and secret.isascii()
        and check == _check_digits(secret)
    )


def _check_digits(secret: str) -> str:
    return f"{zlib.crc32(secret.encode()):08x}"


def _key_hash(api_key: str) -> bytes:
    return hashlib.sha256(api_key.encode()).digest()


def _sealed_key(instance: Instance, account_id: str, api_key: str) -> bytes:
    return instance.master_key.wrap(api_key.encode(), f"API key:{account_id}")


def add_account(instance: Instance, email: str, plan: str) -> NewKey:
    """Make an account with a vault of its own. Raises Invalid (EMAIL, PLAN), Conflict (EMAIL_TAKEN)."""
    _check_email(email)
    require_plan(instance, plan)
    account_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_CHARACTERS))
    api_key = new_api_key()
    wrap = instance.master_key.wrap
    account = Account(
        id=account_id,
        email=email,
        plan=plan,
        created_at=instance.clock.now_ns(),
        data_key_sealed=wrap(new_data_key(), f"data key:{account_id}"),
        link_secret_sealed=wrap(os.urandom(32), f"link secret:{account_id}"),
        api_key_sealed=_sealed_key(instance, account_id, api_key),
        vault_epoch=0,
    )
    try:
        rows.insert_account(instance.catalog, account, _key_hash(api_key))
    except rows.EmailTaken:
        raise _email_taken(email) from None
    store_record(instance, account_id)
    return NewKey(account, api_key)


def _check_email(email: str) -> None:
    if not (_EMAIL.fullmatch(email) and email.isprintable()):
        raise Invalid("email", f"{email!r} is not an e-mail address.")


def _email_taken(email: str) -> Conflict:
    return Conflict("EMAIL_TAKEN", f"There is an account for {email} already.")


def list_accounts(instance: Instance) -> list[Account]:
    """All accounts, oldest first."""
    return rows.all_accounts(instance.catalog)


def get_account(instance: Instance, account_id: str) -> Account:
    """One account. Raises NotFound."""
    account = rows.account_by_id(instance.catalog, account_id)
    if account is None:
        raise NotFound("ACCOUNT_NOT_FOUND", f"No account {account_id} exists; `holdfast account list` shows them.")
    return account


def set_plan(instance: Instance, account_id: str, plan: str) -> Account:
    """Give an account another plan. Raises NotFound, Invalid."""
    get_account(instance, account_id)
    require_plan(instance, plan)
    rows.set_plan(instance.catalog, account_id, plan)
    store_record(instance, account_id)
    return get_account(instance, account_id)


def set_email(instance: Instance, account_id: str, email: str) -> Account:
    """Give an account another e-mail address. Raises NotFound, Invalid (EMAIL), Conflict (EMAIL_TAKEN)."""
    get_account(instance, account_id)
    _check_email(email)
    try:
        rows.set_email(instance.catalog, account_id, email)
    except rows.EmailTaken:
        raise _email_taken(email) from None
    store_record(instance, account_id)
    return get_account(instance, account_id)


def rotate_key(instance: Instance, account_id: str) -> NewKey:
    """Replace the API key; the old one ends at once. Raises NotFound."""
    get_account(instance, account_id)
    api_key = new_api_key()
    rows.set_api_key(instance.catalog, account_id, _key_hash(api_key), _sealed_key(instance, account_id, api_key))
    store_record(instance, account_id)
    return NewKey(get_account(instance, account_id), api_key)


def reveal_key(instance: Instance, account: Account) -> str:
    """The API key, for the account's own settings page and the demo. Raises KeyMismatch."""
    return instance.master_key.unwrap(account.api_key_sealed, f"API key:{account.id}").decode()


def authenticate(instance: Instance, api_key: str) -> Account:
    """Whose key it is. Raises AccessDenied."""
    if is_well_formed(api_key):
        account = instance.prepared.account_by_key(_key_hash(api_key))
        if account is not None:
            return account
    raise AccessDenied


def plan_of(instance: Instance, account: Account) -> PricePlan:
    """The account's plan; one that the configuration no longer has includes nothing."""
    return instance.config.plans.get(account.plan, PricePlan(rank=0, api_backups=False))


def require_api_backups(instance: Instance, account: Account) -> None:
    """Raises UpgradeRequired when the plan does not include backups in the API."""
    if not plan_of(instance, account).api_backups:
        raise UpgradeRequired(account.plan)


def require_plan(instance: Instance, plan: str) -> None:
    """Raise Invalid unless there is such a plan."""
    if plan not in instance.config.plans:
        known = ", ".join(instance.config.plans)
        raise Invalid("plan", f"No plan {plan!r} exists; the plans are {known}.")


def usage(instance: Instance, account: Account) -> tuple[int, int]:
    """(finished backups, bytes in the store) of an account."""
    return rows.usage(instance.catalog, account.id)
