"""Links for a new password, as commands show them."""

from __future__ import annotations

from holdfast.schemas.fields import Shown, Time


class PasswordLink(Shown, frozen=True):
    """A person, and a link by which he sets a new password once."""

    email: str
    url: str
    expires_at: Time


class MailSent(Shown, frozen=True):
    """A mail that the mail server took. `to`: whom it goes to."""

    to: str


class SecondFactorReset(Shown, frozen=True):
    """A person without a second factor any more. `passkeys`: how many were removed."""

    email: str
    passkeys: int
