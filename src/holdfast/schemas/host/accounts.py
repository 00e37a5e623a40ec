"""Accounts under the host's own ids."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, ClassVar

import msgspec

from holdfast.catalog.host import records
from holdfast.schemas.account import Usage
from holdfast.schemas.apps import Standing
from holdfast.schemas.fields import Body, Id, Shown, Time
from holdfast.schemas.times import iso, iso_or_none

EXTERNAL_ID_CHARACTERS_MAX = 128

ExternalId = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=EXTERNAL_ID_CHARACTERS_MAX,
        description="The host's own id; case-sensitive, percent-encoded in a path.",
    ),
]


class AccountStanding(Standing, frozen=True):
    """The standing of an account: the worst of its applications', or its own as long as it has none."""

    app_id: Annotated[Id | None, msgspec.Meta(description="Of the application that stands so; null: it has none.")]
    app: Annotated[ExternalId | None, msgspec.Meta(description="The host's own id of that application.")]


class HostAccount(Shown, frozen=True):
    """An account as its host sees it."""

    external_id: ExternalId | None
    id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+$")]
    email: str
    name: str | None
    plan: str
    is_suspended: Annotated[
        bool, msgspec.Meta(description="True: its keys and people may list and download, and its schedules rest.")
    ]
    created_at: Time
    updated_at: Time
    ended_at: Annotated[Time | None, msgspec.Meta(description="Since when the host has ended it.")]
    erase_at: Annotated[Time | None, msgspec.Meta(description="When all of it is erased.")]
    usage: Usage
    standing: Annotated[
        AccountStanding | None, msgspec.Meta(description="The worst of its applications'; null: it has ended.")
    ]


class AccountPut(Body):
    """Body of PUT /v3/admin/accounts/{external_id}; of an account that is there, what is left out stays."""

    EXAMPLE: ClassVar = {"email": "bo@example.com", "plan": "Silver", "name": "Bo"}

    email: str | msgspec.UnsetType = msgspec.UNSET
    plan: str | msgspec.UnsetType = msgspec.UNSET
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    is_suspended: bool | msgspec.UnsetType = msgspec.UNSET


def host_account_of(
    record: records.HostAccount, usage: Usage, standing: AccountStanding | None, zone: tzinfo
) -> HostAccount:
    """An account as its host sees it."""
    account = record.account
    return HostAccount(
        external_id=account.external_id,
        id=account.id,
        email=account.email,
        name=account.name,
        plan=account.plan,
        is_suspended=account.is_suspended,
        created_at=iso(account.created_at, zone),
        updated_at=iso(record.updated_at, zone),
        ended_at=iso_or_none(account.ended_at, zone),
        erase_at=iso_or_none(record.erase_at, zone),
        usage=usage,
        standing=standing,
    )
