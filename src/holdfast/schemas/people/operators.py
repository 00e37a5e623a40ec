"""Operators, as commands show them."""

from __future__ import annotations

from holdfast.schemas.fields import Shown, Time


class OperatorLink(Shown, frozen=True):
    """An operator, and a link that signs him in once."""

    id: str
    email: str
    url: str
    expires_at: Time


class ShownOperator(Shown, frozen=True):
    """An operator. `last_seen_at`: null unless a session of his is known."""

    id: str
    email: str
    created_at: Time
    last_seen_at: Time | None


class RemovedOperator(Shown, frozen=True):
    """An operator who is one no more."""

    id: str
    email: str
