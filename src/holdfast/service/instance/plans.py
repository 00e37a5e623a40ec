"""Price plans: how many backups and bytes an account may have."""

from __future__ import annotations

from typing import Annotated

import msgspec

from holdfast.units import GIB

Count = Annotated[int, msgspec.Meta(ge=0)]


class PricePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of an account; 0 stands for no limit."""

    rank: Count
    api_backups: bool = True
    backups_per_app: Count = 0
    backups_per_day: Count = 0
    storage_bytes: Count = 0
    cooldown_seconds: Count = 0
    """Between two backups of an application."""
    account_cooldown_seconds: Count = 0
    """Between two backups of any of the account's applications."""
    keep_days_max: Count = 0
    """Backups that are older go, as far as retention lets them."""
    schedule_minutes_min: Count = 0
    """The shortest time between two backups of a customer's schedule."""
    lock_days_max: Count = 365
    """The farthest end of a time lock that a customer sets; with 0 a hundred years."""


DEFAULT_PLANS: dict[str, PricePlan] = {
    name: PricePlan(
        rank=rank,
        api_backups=rank > 1,
        backups_per_app=per_app,
        backups_per_day=per_day,
        storage_bytes=gib * GIB,
        cooldown_seconds=cooldown,
        account_cooldown_seconds=account_cooldown,
    )
    for rank, (name, per_app, per_day, gib, cooldown, account_cooldown) in enumerate(
        (
            ("Bronze", 3, 2, 5, 60, 20),
            ("Silver", 30, 12, 50, 60, 10),
            ("Titanium", 100, 48, 250, 30, 5),
            ("Essential", 365, 96, 1000, 10, 2),
        ),
        1,
    )
}
