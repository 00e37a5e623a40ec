"""The keys of the host."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.schemas.fields import Id, Shown, Time


class AdminKey(Shown, frozen=True):
    """A key of the host, as commands list it. `networks`: null for everywhere."""

    id: Id
    name: str
    start: str
    scopes: Sequence[str]
    networks: Sequence[str] | None
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None


class NewAdminKey(AdminKey, frozen=True):
    """A key of the host that was just made, with the key itself, this once."""

    key: str


class EndedAdminKey(Shown, frozen=True):
    """A key of the host that was ended."""

    id: Id
