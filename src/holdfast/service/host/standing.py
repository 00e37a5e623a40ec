"""The standing of the host's accounts: each the worst of its applications', and lists of those that have one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec

from holdfast.catalog.host.accounts import running_apps_of
from holdfast.catalog.host.records import HostAccount
from holdfast.catalog.records import App
from holdfast.schemas.host.accounts import AccountStanding as ShownStanding
from holdfast.service.instance.home import Instance
from holdfast.service.policy.standing import Facts, Kind, Standing, badness, standing
from holdfast.service.registry.accounts import plan_of
from holdfast.service.standing.gather import AT_ONCE, standings
from holdfast.service.standing.shown import shown_standing

EXAMINED_MAX = 20 * AT_ONCE
"""A page of one kind ends after so many things of any kind, however few are of it."""


class AccountNow(msgspec.Struct, frozen=True):
    """An account as it is now. `app`: the one that stands worst; None: it has none, and the standing is its own."""

    standing: Standing
    app: App | None
    app_count: int


def accounts_now(instance: Instance, accounts: Sequence[HostAccount]) -> dict[str, AccountNow]:
    """Return accounts as they are now, by their ids; a fixed number of queries for a thousand of their applications."""
    apps = running_apps_of(instance.catalog, [one.account.id for one in accounts])
    found = standings(instance, apps)
    of_account: dict[str, list[App]] = {}
    for app in apps:
        of_account.setdefault(app.account_id, []).append(app)
    now = {}
    for one in accounts:
        own = of_account.get(one.account.id, [])
        worst = min(own, key=lambda app: (*badness(found[app.id]), app.id), default=None)
        stands = _own_standing(instance, one) if worst is None else found[worst.id]
        now[one.account.id] = AccountNow(stands, worst, len(own))
    return now


def _own_standing(instance: Instance, one: HostAccount) -> Standing:
    """Return the standing of an account without applications."""
    account, plan = one.account, plan_of(instance, one.account)
    plan_without = "" if plan.api_backups else account.plan
    return standing(Facts(now=instance.clock.now_ns(), created_at=account.created_at, plan_without=plan_without))


def shown_account_standing(instance: Instance, one: HostAccount, now: AccountNow) -> ShownStanding | None:
    """Return the standing of an account as its host sees it; None for one that the host has ended."""
    if one.account.ended_at is not None:
        return None
    shown = shown_standing(instance, now.standing, for_operator=True)
    app = now.app
    return ShownStanding(
        **msgspec.structs.asdict(shown),
        app_id=None if app is None else app.id,
        app=None if app is None else app.external_id,
    )


class _Listed(Protocol):
    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=_Listed)


def page_of_kind(
    fetch: Callable[[str, int], Sequence[T]],
    kinds: Callable[[Sequence[T]], Mapping[str, Kind | None]],
    kind: Kind,
    after: str,
    limit: int,
) -> tuple[list[T], str | None]:
    """Return at most `limit` things of one kind with ids above `after`, and the id after which the next page begins.

    That is None when there are no more. `fetch(after, n)`: the next n things of any kind; `kinds`: those of things, by
    their ids. A page ends after EXAMINED_MAX of them, so it may be short, or empty, and have a next one.
    """
    found: list[T] = []
    examined, at_once = 0, limit
    while True:
        some = fetch(after, at_once)
        known = kinds(some)
        for one in some:
            if known[one.id] is kind:
                found.append(one)
                if len(found) == limit:  # not looked further, only to see whether any are left
                    return found, one.id
        if len(some) < at_once:
            return found, None
        after, examined = some[-1].id, examined + len(some)
        if examined >= EXAMINED_MAX:
            return found, after
        at_once = min(4 * at_once, AT_ONCE)  # where many are of the kind, few are looked at
