"""The account with its applications, as the neighbouring API shows them.

What a host knows and a backup product does not (memory, languages, clusters, domains) is left out, not made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Annotated

import msgspec

from holdfast.catalog import records
from holdfast.schemas.fields import Id, Shown, Time
from holdfast.schemas.times import iso


class UserPlan(Shown, frozen=True):
    """The plan of a user."""

    name: str
    duration: Annotated[None, msgspec.Meta(description="When it ends; only the host's billing knows.")] = None


class User(Shown, frozen=True):
    """The account as a user."""

    id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+$")]
    name: Annotated[str, msgspec.Meta(description="The account's name; its address, if it has none.")]
    email: str
    plan: UserPlan
    created_at: Time


class UserApp(Shown, frozen=True):
    """An application of the user."""

    id: Id
    name: str
    created_at: Time


class Me(Shown, frozen=True):
    """The user, with the applications that the key sees."""

    user: User
    applications: Sequence[UserApp]
    databases: Annotated[
        Sequence[UserApp],
        msgspec.Meta(max_length=0, description="None: a database is backed up with its application."),
    ] = ()


def me_of(account: records.Account, apps: Sequence[records.App], zone: tzinfo) -> Me:
    """An account as a user, with some of its applications."""
    plan = UserPlan(account.plan)
    user = User(account.id, account.name or account.email, account.email, plan, iso(account.created_at, zone))
    return Me(user, [UserApp(app.id, app.name, iso(app.created_at, zone)) for app in apps])
