"""Accounts as the operator's pages show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.catalog.operator import accounts as rows
from holdfast.catalog.records import Account
from holdfast.schemas.account import Usage
from holdfast.service.instance.home import Instance
from holdfast.service.operator.apps import AppState, app_states
from holdfast.service.policy import limits
from holdfast.service.policy.standing import Standing, worst
from holdfast.service.registry.accounts import get_account


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account as it is now. `standing`: the worst of its applications'; None: it has none.

    `seen_at`: when somebody was last seen signed in; `erase_at`: when it is erased; None for never.
    """

    account: Account
    apps: Sequence[AppState]
    usage: Usage
    standing: Standing | None
    seen_at: int | None
    erase_at: int | None


def find_accounts(instance: Instance, part: str, after: str, limit: int) -> list[AccountState]:
    """Return accounts in the order of their addresses, above `after`; as many queries for all of them as for one."""
    return _states(instance, rows.find_accounts(instance.catalog, part, after, limit))


def account_state(instance: Instance, account_id: str) -> AccountState:
    """Return an account as it is now. Raises NotFound (ACCOUNT_NOT_FOUND)."""
    return _states(instance, [get_account(instance, account_id)])[0]


def accounts_by_plan(instance: Instance) -> dict[str, int]:
    """Return the number of accounts that have not ended, by plan."""
    return rows.accounts_by_plan(instance.catalog)


def _states(instance: Instance, found: Sequence[Account]) -> list[AccountState]:
    ids = [account.id for account in found]
    of_account: dict[str, list[AppState]] = {account_id: [] for account_id in ids}
    for app in app_states(instance, (), ids):
        of_account[app.row.account_id].append(app)
    usages = limits.shown_usages(instance, {account_id: len(apps) for account_id, apps in of_account.items()})
    times = rows.times_of(instance.catalog, ids)
    return [
        AccountState(
            account,
            of_account[account.id],
            usages[account.id],
            worst(app.standing for app in of_account[account.id]),
            *times.get(account.id, (None, None)),
        )
        for account in found
    ]
