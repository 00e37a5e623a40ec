"""Accounts: add, list, change the plan and the address."""

from __future__ import annotations

import os
import re
import secrets
import string
from dataclasses import dataclass

from holdfast.catalog.accounts import rows
from holdfast.catalog.records import Account, Actor
from holdfast.service.errors import Conflict, Invalid, NotFound, UpgradeRequired
from holdfast.service.instance.home import Instance
from holdfast.service.instance.plans import PricePlan
from holdfast.service.registry.account_record import store_record, store_record_or_later
from holdfast.service.registry.keys import new_main_key
from holdfast.vault.pack.keys import new_data_key

_PART = r'[^@\s\x00-\x1f,;:<>()\[\]"\\]'
_EMAIL = re.compile(rf"{_PART}{{1,64}}@{_PART}{{1,255}}")
_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account and its main key, which is shown now and in the account's settings."""

    account: Account
    api_key: str


def add_account(instance: Instance, email: str, plan: str, by: Actor) -> NewAccount:
    """Make an account with a vault of its own. Raises Invalid (EMAIL, PLAN), Conflict (EMAIL_TAKEN), StoreError; then
    there is none."""
    account = new_account(instance, email, plan)
    instance.confirm_store()
    made = new_main_key(instance, account.id, by)
    try:
        rows.insert_account(instance.catalog, account, made.key, by)
    except rows.EmailTaken:
        raise email_taken(email) from None
    store_record_or_later(instance, account.id)
    return NewAccount(account, made.api_key)


def new_account(instance: Instance, email: str, plan: str) -> Account:
    """Return a new account with keys of its own, which is nowhere yet. Raises Invalid (EMAIL, PLAN)."""
    check_email(email)
    require_plan(instance, plan)
    account_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_CHARACTERS))
    wrap = instance.master_key.wrap
    return Account(
        id=account_id,
        email=email,
        plan=plan,
        created_at=instance.clock.now_ns(),
        data_key_sealed=wrap(new_data_key(), f"data key:{account_id}"),
        link_secret_sealed=wrap(os.urandom(32), f"link secret:{account_id}"),
        vault_epoch=0,
    )


def check_email(email: str) -> None:
    """Raise Invalid (EMAIL) unless it is an e-mail address, of one person as mail programs read it."""
    if not (_EMAIL.fullmatch(email) and email.isprintable()):
        raise Invalid("email", f"{email!r} is not an e-mail address.")


def email_taken(email: str) -> Conflict:
    """The error for an address that another account has."""
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


def set_plan(instance: Instance, account_id: str, plan: str, by: Actor) -> Account:
    """Give an account another plan. Raises NotFound, Invalid."""
    get_account(instance, account_id)
    require_plan(instance, plan)
    rows.set_plan(instance.catalog, account_id, plan, instance.clock.now_ns(), by)
    store_record(instance, account_id)
    return get_account(instance, account_id)


def set_suspended(instance: Instance, account_id: str, by: Actor, *, is_suspended: bool) -> Account:
    """Suspend an account, so that its keys and people change nothing, or end that. Raises NotFound."""
    get_account(instance, account_id)
    rows.set_suspended(instance.catalog, account_id, instance.clock.now_ns(), by, is_suspended=is_suspended)
    store_record(instance, account_id)
    return get_account(instance, account_id)


def set_email(instance: Instance, account_id: str, email: str, by: Actor) -> Account:
    """Give an account another e-mail address. Raises NotFound, Invalid (EMAIL), Conflict (EMAIL_TAKEN)."""
    get_account(instance, account_id)
    check_email(email)
    try:
        rows.set_email(instance.catalog, account_id, email, instance.clock.now_ns(), by)
    except rows.EmailTaken:
        raise email_taken(email) from None
    store_record(instance, account_id)
    return get_account(instance, account_id)


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


def list_with_usage(instance: Instance) -> list[tuple[Account, int, int]]:
    """All accounts, oldest first, each with what `usage` says of it: as many queries for thousands as for one."""
    found = rows.usages(instance.catalog)
    return [(account, *found.get(account.id, (0, 0))) for account in list_accounts(instance)]
