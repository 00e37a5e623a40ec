"""The plan's limits on backups that an account takes by hand: how often, how many, how many bytes.

They bind the API and the dashboard, not the operator's commands, schedules, or the safety backup of a restore; nor do
these use up anything of them, but for the bytes that they store. They are counted in the transaction that inserts the
backup, so of two simultaneous requests only one gets the last place. A failed or cancelled backup does not count; one
that was deleted since does, for how often. One that comes back from the trash needs room again.

A day is the 24 hours before the request, so that not everybody starts at the same hour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from holdfast.catalog.backups.limits import Counts, account_times, counts_of, held_by
from holdfast.catalog.records import Account, App, Backup
from holdfast.schemas.account import Limits, Usage
from holdfast.schemas.times import iso
from holdfast.service.errors import LimitReached
from holdfast.service.instance.home import Instance
from holdfast.service.instance.plans import PricePlan
from holdfast.service.policy.retention import Terms, room_for_another
from holdfast.units import DAY_NS, SECOND_NS

BACKUPS_RETRY_SECONDS = 3600
"""Somebody must delete or unlock a backup first; when, cannot be known."""

STORAGE_RETRY_SECONDS = 900
"""About the time that retention and the prune after it need."""


def permit(instance: Instance, now_ns: int) -> Callable[[Counts], None]:
    """Return a check of an account's counts that raises LimitReached when its plan does not allow another backup."""

    def permitted(counts: Counts) -> None:
        plan = instance.config.plans.get(counts.plan)
        if plan is not None:
            _check(instance, counts, plan, now_ns)

    return permitted


def permit_back(instance: Instance, backup: Backup, size: int) -> Callable[[Counts], None]:
    """Return a check of an account's counts that raises LimitReached when its plan has no room for a deleted backup.

    `size`: the bytes of the store that no limit counts while it is in the trash. It was taken already, so it needs a
    place and its bytes, and no time after the last one.
    """
    now_ns = instance.clock.now_ns()

    def permitted(counts: Counts) -> None:
        plan = instance.config.plans.get(counts.plan)
        if plan is None or backup.is_operators:
            return
        others = tuple(one for one in counts.backups if one.id != backup.id)
        room = replace(counts, account_times=(), backups=others, live_bytes=counts.live_bytes + size)
        reached = limit_reached(room, plan, instance.config.safety_days, now_ns)
        if reached is not None:
            raise _refusal(instance, reached, room, plan, now_ns)

    return permitted


def check(instance: Instance, app: App) -> None:
    """Check before a long operation begins; the insert checks again. Raises LimitReached."""
    now_ns = instance.clock.now_ns()
    permit(instance, now_ns)(counts_of(instance.catalog, app.account_id, app.id, now_ns - DAY_NS))


def shown_usage(instance: Instance, account: Account, app_count: int) -> Usage:
    """Return an account's usage as it is shown, with the number of applications that the caller counts."""
    return shown_usages(instance, {account.id: app_count})[account.id]


def shown_usages(instance: Instance, app_counts: Mapping[str, int]) -> dict[str, Usage]:
    """Return the usage of accounts, by their ids: as many queries for all of them as for one."""
    ids = list(app_counts)
    held = held_by(instance.catalog, ids)
    times = account_times(instance.catalog, ids, instance.clock.now_ns() - DAY_NS)
    return {
        account_id: Usage(
            apps=app_count,
            backups=held[account_id].backups,
            storage=held[account_id].counted_bytes,
            backups_today=len(times.get(account_id, ())),
            trash_backups=held[account_id].trash_backups,
            trash_storage=held[account_id].trash_bytes,
        )
        for account_id, app_count in app_counts.items()
    }


def shown_limits(plan: PricePlan) -> Limits:
    """A plan's limits as they are shown; null where there is none."""
    return Limits(
        backups_per_app=plan.backups_per_app or None,
        backups_per_day=plan.backups_per_day or None,
        storage=plan.storage_bytes or None,
        cooldown_seconds=plan.cooldown_seconds or None,
        account_cooldown_seconds=plan.account_cooldown_seconds or None,
        keep_days_max=plan.keep_days_max or None,
        schedule_minutes_min=plan.schedule_minutes_min or None,
    )


class Reached(NamedTuple):
    """A limit that allows no backup by hand. `ends_at`: nanoseconds; None: when somebody deletes or unlocks one."""

    code: str
    ends_at: int | None


def limit_reached(counts: Counts, plan: PricePlan, safety_days: int, now_ns: int) -> Reached | None:
    """Return the limit that is reached, of several the one that takes longest to pass; pauses between two are none."""
    if plan.storage_bytes and counts.live_bytes >= plan.storage_bytes:
        return Reached("STORAGE_LIMIT_REACHED", None)
    terms = Terms(backups_max=plan.backups_per_app, safety_days=safety_days)
    if not room_for_another(counts.backups, terms, now_ns):
        return Reached("BACKUPS_LIMIT_REACHED", None)
    times = counts.account_times
    if plan.backups_per_day and len(times) >= plan.backups_per_day:
        return Reached("DAILY_BACKUPS_LIMIT_REACHED", times[-plan.backups_per_day] + DAY_NS)
    return None


def _check(instance: Instance, counts: Counts, plan: PricePlan, now_ns: int) -> None:
    """Raise for the limit that takes longest to pass first."""
    reached = limit_reached(counts, plan, instance.config.safety_days, now_ns)
    if reached is not None:
        raise _refusal(instance, reached, counts, plan, now_ns)
    for last, cooldown, whose in (
        (counts.app_times, plan.cooldown_seconds, "this application"),
        (counts.account_times, plan.account_cooldown_seconds, "the account"),
    ):
        left = min(last[-1] - now_ns, 0) + cooldown * SECOND_NS if last else 0
        if cooldown and left > 0:
            raise LimitReached(
                "KEEP_CALM",
                f"The last backup of {whose} was started less than {cooldown} s ago; wait {_seconds(left)} s.",
                _seconds(left),
            )


def _refusal(instance: Instance, reached: Reached, counts: Counts, plan: PricePlan, now_ns: int) -> LimitReached:
    if reached.code == "STORAGE_LIMIT_REACHED":
        return LimitReached(
            "STORAGE_LIMIT_REACHED",
            f"The account's backups take {counts.live_bytes:,} bytes, and the plan {counts.plan} allows "
            f"{plan.storage_bytes:,}; delete some of them, or ask for a larger plan.",
            STORAGE_RETRY_SECONDS,
        )
    if reached.ends_at is None:
        return LimitReached(
            "BACKUPS_LIMIT_REACHED",
            f"The application has as many backups as the plan {counts.plan} allows ({plan.backups_per_app}), and none "
            "of them may go by itself; delete or unlock one.",
            BACKUPS_RETRY_SECONDS,
        )
    return LimitReached(
        "DAILY_BACKUPS_LIMIT_REACHED",
        f"The plan {counts.plan} allows {plan.backups_per_day} backups in 24 hours; the next one can be taken "
        f"after {iso(reached.ends_at, instance.zone)}.",
        _seconds(reached.ends_at - now_ns),
    )


def _seconds(ns: int) -> int:
    return max(1, math.ceil(ns / SECOND_NS))
