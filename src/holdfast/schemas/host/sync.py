"""The lines of a sync, and those of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.schemas.fields import Count, Shown
from holdfast.schemas.host.accounts import AccountPut, ExternalId
from holdfast.schemas.host.apps import AppPut

ACCOUNT, APP = "account", "app"


class AccountLine(AccountPut, tag_field="type", tag=ACCOUNT):
    """A line of a sync: an account, with the fields of its PUT."""

    EXAMPLE: ClassVar = {"type": ACCOUNT, "external_id": "cust-7", "email": "cy@example.com", "plan": "Silver"}

    external_id: ExternalId | UnsetType = UNSET


class AppLine(AppPut, tag_field="type", tag=APP):
    """A line of a sync: an application, with the fields of its PUT."""

    EXAMPLE: ClassVar = {
        "type": APP,
        "external_id": "srv-7",
        "account": "cust-7",
        "path": "/srv/apps/srv-7",
        "name": "Bot",
    }

    external_id: ExternalId | UnsetType = UNSET


class SyncAnswer(Shown, frozen=True, kw_only=True):
    """A line of the answer. `line`: the number of the line that it answers; null for what is not in the sync."""

    line: Annotated[Count | None, msgspec.Meta(description="From 1; null: it is not in the sync.")]
    type: Annotated[Literal["account", "app"] | None, msgspec.Meta(description="Null: the line could not be read.")]
    external_id: str | None
    result: Literal["created", "changed", "same", "ended", "refused"]
    changed: Annotated[Sequence[str] | UnsetType, msgspec.Meta(description="The fields that have changed.")] = UNSET
    code: Annotated[str | UnsetType, msgspec.Meta(description="Why it was refused.")] = UNSET
    message: str | UnsetType = UNSET
