"""Sign-in links."""

from __future__ import annotations

from holdfast.schemas.fields import Shown, Time


class SignInLink(Shown, frozen=True):
    """A link that signs a person in once."""

    url: str
    expires_at: Time
