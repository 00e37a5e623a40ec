"""An account, its usage, and the plans with their limits."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, ClassVar

import msgspec

from holdfast.catalog import records
from holdfast.schemas.fields import Body, Bytes, Count, Shown, Time
from holdfast.schemas.times import iso, iso_or_none

Limit = Annotated[int, msgspec.Meta(ge=1)] | None


PerDay = Annotated[Limit, msgspec.Meta(description="Taken by hand in any 24 hours. Null: no limit.")]
AppCooldown = Annotated[Limit, msgspec.Meta(description="Between two backups of an application. Null: none.")]
AccountCooldown = Annotated[Limit, msgspec.Meta(description="Between two backups of the account. Null: none.")]
KeepDays = Annotated[
    Limit, msgspec.Meta(description="How long a backup is kept at most, the newest excepted. Null: no end.")
]
ScheduleMinutes = Annotated[
    Limit, msgspec.Meta(description="The shortest time between two scheduled backups. Null: none.")
]


class Limits(Shown, frozen=True):
    """The limits of a plan; null where there is none."""

    backups_per_app: Limit
    backups_per_day: PerDay
    storage: Limit
    cooldown_seconds: AppCooldown
    account_cooldown_seconds: AccountCooldown
    keep_days_max: KeepDays
    schedule_minutes_min: ScheduleMinutes


class Usage(Shown, frozen=True):
    """The usage of an account."""

    apps: Count
    backups: Count
    storage: Annotated[Bytes, msgspec.Meta(description="Bytes in the store, without those that only the trash needs.")]
    backups_today: Annotated[Count, msgspec.Meta(description="Taken by hand in the last 24 hours; failed ones not.")]
    trash_backups: Annotated[Count, msgspec.Meta(description="Deleted ones that can still be brought back.")]
    trash_storage: Annotated[Bytes, msgspec.Meta(description="Bytes that only they need; no limit counts them.")]


ErasedAt = Annotated[
    Time | None, msgspec.Meta(description="When all of it is erased, as its people asked for. Null: it is not.")
]


class Account(Shown, frozen=True):
    """An account."""

    id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+$")]
    email: str
    plan: str
    created_at: Time
    usage: Usage
    limits: Limits
    erase_at: ErasedAt


class Erasure(Shown, frozen=True):
    """The time at which an account is erased."""

    erase_at: ErasedAt


class EraseAsked(Body):
    """Body of POST /v3/account/erase."""

    EXAMPLE: ClassVar = {"name": "ana@example.com"}

    name: Annotated[str, msgspec.Meta(description="The account's name, or its address if it has none.")] = ""


class PricePlan(Shown, frozen=True):
    """A plan with its limits."""

    name: str
    rank: Count
    api_backups: Annotated[bool, msgspec.Meta(description="Whether the API's backups are included.")]
    backups_per_app: Limit
    backups_per_day: PerDay
    storage: Limit
    cooldown_seconds: AppCooldown
    account_cooldown_seconds: AccountCooldown
    keep_days_max: KeepDays
    schedule_minutes_min: ScheduleMinutes


class Health(Shown, frozen=True):
    """The state of an instance."""

    ok: Annotated[bool, msgspec.Meta(extra_json_schema={"const": True})] = True


def account_of(record: records.Account, usage: Usage, limits: Limits, erase_at: int | None, zone: tzinfo) -> Account:
    """An account as it is shown. `erase_at`: when it is erased, nanoseconds."""
    since, end = iso(record.created_at, zone), iso_or_none(erase_at, zone)
    return Account(record.id, record.email, record.plan, since, usage, limits, end)


def plan_of(name: str, rank: int, api_backups: bool, limits: Limits) -> PricePlan:
    """A plan as it is shown."""
    return PricePlan(name, rank, api_backups, *msgspec.structs.astuple(limits))
