"""An account whose people want all of it erased: asked for, told to its owners, waited for, taken back.

It goes on working until its time. It must never be erased sooner than 72 hours after it was asked for, before a backup
that is locked until a time, or after somebody took it back.
"""

from __future__ import annotations

import logging

from holdfast.catalog.accounts import erasure as rows
from holdfast.catalog.events.audit import Change
from holdfast.catalog.people.members import members_of
from holdfast.catalog.records import SYSTEM, Account, Actor
from holdfast.schemas.account import Erasure
from holdfast.schemas.times import iso, iso_or_none
from holdfast.service.errors import Conflict, Invalid
from holdfast.service.instance.home import Instance
from holdfast.service.notify.erasure_mail import erasure_mail
from holdfast.service.notify.mail import has_mail, send_mail
from holdfast.service.people.rights import Right, stored_grant
from holdfast.units import HOUR_NS

ERASE_DELAY_NS = 72 * HOUR_NS
"""An account is erased this long after that was asked for."""

_log = logging.getLogger(__name__)


def name_to_type(account: Account) -> str:
    """Return what whoever has an account erased must type: its name, or its address if it has none."""
    return account.name or account.email


def ask_to_erase(instance: Instance, account: Account, typed: str, by: Actor) -> tuple[int, bool]:
    """Have an account erased in 72 hours, or when the last lock of its backups ends; return when (nanoseconds).

    And True if it is new: one that is to be erased already stays so. Raises Invalid (NAME), Conflict (ACCOUNT_ERASED).
    """
    if typed.strip().casefold() != name_to_type(account).strip().casefold():
        raise Invalid("name", "This is not the account's name; nothing is erased.")

    def asked(erase_at: int) -> Change:
        return Change(by, "account.erase_asked", account.id, data={"erase_at": iso(erase_at, instance.zone)})

    now_ns = instance.clock.now_ns()
    try:
        return rows.ask_to_erase(instance.catalog, account.id, now_ns + ERASE_DELAY_NS, asked, now_ns)
    except rows.Gone:
        raise _erased() from None


def keep_account(instance: Instance, account: Account, by: Actor) -> bool:
    """Have an account not be erased after all; return False if it was not to be. Raises Conflict (ACCOUNT_ERASED)."""
    change = Change(by, "account.erase_taken_back", account.id)
    try:
        return rows.keep_account(instance.catalog, change, instance.clock.now_ns())
    except rows.Gone:
        raise _erased() from None


def _erased() -> Conflict:
    return Conflict("ACCOUNT_ERASED", "The account is being erased, or its host has ended it; ask your host.")


def erase_at_of(instance: Instance, account: Account) -> int | None:
    """Return when an account is erased, nanoseconds; None for never."""
    return rows.erase_at_of(instance.catalog, account.id)


def erasure_of(instance: Instance, account: Account) -> Erasure:
    """Return when an account is erased, as the API shows it."""
    return Erasure(iso_or_none(erase_at_of(instance, account), instance.zone))


def not_before(instance: Instance, account: Account) -> int:
    """Return the soonest that an account could be erased if it were asked for now, nanoseconds."""
    now_ns = instance.clock.now_ns()
    return max(now_ns + ERASE_DELAY_NS, rows.latest_lock(instance.catalog, account.id, now_ns) or 0)


def postpone_erasure(instance: Instance, account_id: str) -> None:
    """Move the erasure of an account to the end of a lock that came after it was asked for, if there is one."""

    def postponed(until: int) -> Change:
        data = {"erase_at": iso(until, instance.zone), "because": "locked_until"}
        return Change(SYSTEM, "account.erase_postponed", account_id, data=data)

    try:
        rows.postpone(instance.catalog, account_id, postponed, instance.clock.now_ns())
    except rows.Gone:
        _log.info("account %s is erased already", account_id)


def notify_owners(instance: Instance, account: Account, erase_at: int | None, by: Actor) -> None:
    """Mail the owners of an account that it will be erased, or (None) that it is kept. What fails is logged."""
    if not has_mail(instance):
        _log.warning("the owners of account %s were not told of its erasure: no [mail] is configured", account.id)
        return
    title, text = erasure_mail(instance, account, erase_at, by)
    for address in owners_of(instance, account):
        error = send_mail(instance, address, title, text)
        if error is not None:
            _log.warning("%s was not told of the erasure of account %s: %s", address, account.id, error)


def owners_of(instance: Instance, account: Account) -> list[str]:
    """Return the addresses of those who may erase an account, and the account's own."""
    members = members_of(instance.catalog, account.id)
    may = [one for one in members if stored_grant(one.rights, one.app_ids).allows(Right.ACCOUNT_ERASE)]
    return list({address.lower(): address for address in (account.email, *(one.person.email for one in may))}.values())
