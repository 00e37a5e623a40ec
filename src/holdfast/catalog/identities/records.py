"""Records of identities and rounds. Secrets are in none of them but a round's nonce and verifier, which end with it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from holdfast.catalog.people.passwords import Entrance
from holdfast.catalog.people.records import Person


class IdentityTaken(Exception):
    """The identity is another person's."""


class OtherWayIn(Exception):
    """The person has another way in, by which he has to come before he links an identity."""


class LastWayIn(Exception):
    """Nothing else opens the account."""


class Identity(msgspec.Struct, frozen=True):
    """A person as another site knows him. `account_ids`: the accounts that it opens, None for all."""

    id: str
    person_id: str
    issuer: str
    subject: str
    label: str
    account_ids: tuple[str, ...] | None
    created_at: int
    used_at: int | None


class KnownIdentity(msgspec.Struct, frozen=True):
    """An identity with its person, and where it lets him in. `entrances`: as of `Credentials`."""

    identity: Identity
    person: Person
    entrances: tuple[Entrance, ...]


class Purpose(StrEnum):
    """The reason that a browser is sent to another site, and the end of its way back."""

    SIGN_IN = "sign_in"
    ACCEPT = "accept"
    LINK = "link"
    ELEVATE = "elevate"
    CHOOSE = "choose"


class Round(msgspec.Struct, frozen=True):
    """A browser that was sent to another site; see `sign_in_rounds`."""

    provider: str
    purpose: Purpose
    nonce: str
    verifier: str
    session_id: str | None
    invitation_hash: bytes | None
    identity_id: str | None
    return_to: str
    started_at: int
    ends_at: int
