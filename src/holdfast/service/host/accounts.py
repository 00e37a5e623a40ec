"""Accounts under the host's own ids: put, shown, ended. The same twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from holdfast.catalog.events.audit import Change
from holdfast.catalog.host import accounts as rows
from holdfast.catalog.host.batch import Writes
from holdfast.catalog.host.records import HostAccount
from holdfast.catalog.records import Actor
from holdfast.catalog.standing.kinds import may_stand
from holdfast.schemas.host import accounts as schemas
from holdfast.schemas.host.accounts import EXTERNAL_ID_CHARACTERS_MAX, AccountPut
from holdfast.schemas.times import iso_or_none
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.host.standing import accounts_now, page_of_kind, shown_account_standing
from holdfast.service.instance.home import Instance
from holdfast.service.policy import limits
from holdfast.service.policy.standing import Kind
from holdfast.service.registry.account_record import store_record
from holdfast.service.registry.accounts import check_email, email_taken, new_account, require_plan
from holdfast.service.registry.keys import new_main_key
from holdfast.service.retention.erasure import ERASE_DELAY_NS

NAME_CHARACTERS_MAX = 191


def check_external_id(external_id: str) -> None:
    """Raise Invalid (EXTERNAL_ID) unless a text can be one."""
    if not (1 <= len(external_id) <= EXTERNAL_ID_CHARACTERS_MAX and external_id.isprintable()):
        raise Invalid(
            "external_id", f"An external id is 1 to {EXTERNAL_ID_CHARACTERS_MAX} printable characters, percent-encoded."
        )


def account_by_external_id(instance: Instance, external_id: str) -> HostAccount:
    """Return an account of the host. Raises Invalid (EXTERNAL_ID), NotFound."""
    check_external_id(external_id)
    found = rows.account_by_external(instance.catalog, external_id)
    if found is None or not found.account.data_key_sealed:
        raise NotFound("ACCOUNT_NOT_FOUND", f"No account has the external id {external_id!r}.")
    return found


def put_account(
    instance: Instance, external_id: str, wanted: AccountPut, by: Actor
) -> tuple[schemas.HostAccount, bool]:
    """Make an account of the host, or bring it to what is wanted; return it, and True if it is new.

    One that had ended goes on; one that its people want erased stays so. Raises Invalid (EXTERNAL_ID, EMAIL, PLAN,
    NAME), Conflict (EMAIL_TAKEN, ACCOUNT_ERASED).
    """
    check_external_id(external_id)
    check_account(wanted)
    now_ns, writes = instance.clock.now_ns(), Writes()
    with instance.catalog.write() as connection:
        current = rows.accounts_by_external(connection, [external_id]).get(external_id)
        owners = rows.owners_of_emails(connection, [str(wanted.email)])
        plan_account(instance, external_id, wanted, current, owners, by, writes)
        if not writes.is_written(connection, now_ns):
            raise Conflict("EMAIL_TAKEN", "Another account was given the address or the external id meanwhile.")
    for account_id in writes.account_ids:
        store_record(instance, account_id)
    return shown_account(instance, account_by_external_id(instance, external_id)), current is None


def check_account(wanted: AccountPut) -> None:
    """Raise Invalid (EMAIL, PLAN, NAME) for a body that no account can have, whatever is there."""
    for field in ("email", "plan"):
        if getattr(wanted, field) is UNSET:
            raise Invalid(field, f"{field} must be given, as text.")
    name = wanted.name
    if isinstance(name, str) and not (1 <= len(name) <= NAME_CHARACTERS_MAX and name.isprintable()):
        raise Invalid("name", f"name must be text of 1 to {NAME_CHARACTERS_MAX} printable characters, or null.")
    check_email(str(wanted.email))


def plan_account(
    instance: Instance,
    external_id: str,
    wanted: AccountPut,
    current: HostAccount | None,
    owners: Mapping[str, str],
    by: Actor,
    writes: Writes,
) -> tuple[str, ...] | None:
    """Enter into `writes` what makes an account as it is wanted; return the fields that change, None if it is new.

    `owners`: whose an address is, by ids. Raises Invalid (PLAN), Conflict (EMAIL_TAKEN, ACCOUNT_ERASED).
    """
    owner = owners.get(str(wanted.email))
    if owner is not None and (current is None or owner != current.account.id):
        raise email_taken(str(wanted.email))
    given = {name: getattr(wanted, name) for name in AccountPut.__struct_fields__}
    given = {name: value for name, value in given.items() if value is not UNSET}
    if current is None:
        fresh = new_account(instance, given["email"], given["plan"])
        fresh = msgspec.structs.replace(fresh, external_id=external_id, **given)
        writes.accounts.append((fresh, new_main_key(instance, fresh.id, by).key))
        data: dict[str, Any] = {"external_id": external_id, **given}
        writes.changes.append(Change(by, "account.created", fresh.id, data=data))
        writes.account_ids.add(fresh.id)
        return None
    account = current.account
    if not account.data_key_sealed:
        raise Conflict("ACCOUNT_ERASED", "The account with this external id is being erased; try again later.")
    if given["plan"] != account.plan:
        require_plan(instance, given["plan"])
    before = {name: getattr(account, name) for name in given} | {
        "ended_at": account.ended_at,
        "erase_at": current.erase_at,
    }
    # Without an end, the account's own people want it erased: a host's nightly sync must not undo that.
    erase_at = current.erase_at if account.ended_at is None else None
    after = {**given, "ended_at": None, "erase_at": erase_at}
    changed = {name: value for name, value in after.items() if before[name] != value}
    if changed:
        writes.changed_accounts.append((account.id, changed))
        data = {"before": {name: before[name] for name in changed}, "after": changed}
        writes.changes.append(Change(by, "account.changed", account.id, data=data))
        writes.account_ids.add(account.id)
    return tuple(changed)


def end_account(
    instance: Instance, external_id: str, by: Actor, *, erases: bool = False, at_once: bool = False
) -> schemas.HostAccount:
    """End an account of the host; its keys open nothing any more. A PUT undoes it until it is erased.

    `erases`: all of it is erased after 72 hours; `at_once`: in the next minutes. Raises Invalid, NotFound.
    """
    found = account_by_external_id(instance, external_id)
    now_ns = instance.clock.now_ns()
    erase_at = found.erase_at
    if erases and (at_once or erase_at is None):
        erase_at = min(erase_at or now_ns, now_ns) if at_once else now_ns + ERASE_DELAY_NS
    data = {"external_id": external_id, "erase_at": iso_or_none(erase_at, instance.zone)}
    change = Change(by, "account.ended", found.account.id, data=data)
    if rows.end_account(instance.catalog, found.account.id, now_ns, erase_at, change):
        store_record(instance, found.account.id)
    return shown_account(instance, account_by_external_id(instance, external_id))


def list_accounts(
    instance: Instance, after: str, limit: int, updated_after: int | None = None, standing: Kind | None = None
) -> tuple[list[schemas.HostAccount], str | None]:
    """Return accounts with ids above `after` in the order of their ids, and the id after which the next page begins.

    That is None when there are no more. `updated_after`: only those that were changed later, nanoseconds; `standing`:
    only those that have it. Such a page may be short, or empty, and have a next one.
    """

    def fetch(after: str, limit: int) -> list[HostAccount]:
        likely = None if standing is None else may_stand(standing, instance.clock.now_ns())
        return rows.host_accounts(instance.catalog, after, limit, updated_after, likely)

    def kinds(some: Sequence[HostAccount]) -> dict[str, Kind | None]:
        now = accounts_now(instance, some)
        return {one.id: None if one.account.ended_at is not None else now[one.id].standing.kind for one in some}

    if standing is not None:
        found, next_after = page_of_kind(fetch, kinds, standing, after, limit)
    else:
        found = fetch(after, limit + 1)
        next_after = found[limit - 1].id if len(found) > limit else None
    return shown_accounts(instance, found[:limit]), next_after


def shown_account(instance: Instance, found: HostAccount) -> schemas.HostAccount:
    """Return an account as its host sees it."""
    return shown_accounts(instance, [found])[0]


def shown_accounts(instance: Instance, found: Sequence[HostAccount]) -> list[schemas.HostAccount]:
    """Return accounts as their host sees them, in their order."""
    now = accounts_now(instance, found)
    usages = limits.shown_usages(instance, {one.id: now[one.id].app_count for one in found})
    shown = []
    for one in found:
        standing = shown_account_standing(instance, one, now[one.id])
        shown.append(schemas.host_account_of(one, usages[one.id], standing, instance.zone))
    return shown
