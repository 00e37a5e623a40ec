"""Records of people and of what lets them and their programs in. Secrets are in none of them but a main key, sealed."""

from __future__ import annotations

import msgspec

from holdfast.catalog.records import Actor


class Person(msgspec.Struct, frozen=True):
    """Someone who signs in. `email`: in lower case."""

    id: str
    email: str
    name: str
    created_at: int


class Preferences(msgspec.Struct, frozen=True):
    """The pages that a person is shown: their language, theme and time zone (IANA).

    None: as the browser asks, as the system has it, that of the instance.
    """

    language: str | None = None
    theme: str | None = None
    time_zone: str | None = None


class Operator(msgspec.Struct, frozen=True):
    """A person who may sign in to the instance itself. `seen_at`: when he was last, as far as a session tells."""

    id: str
    email: str
    created_at: int
    seen_at: int | None


class Member(msgspec.Struct, frozen=True):
    """A person with rights on an account; `app_ids` None: on all of its applications."""

    id: str
    account_id: str
    person: Person
    rights: str
    app_ids: tuple[str, ...] | None
    created_at: int


class Invitation(msgspec.Struct, frozen=True):
    """An invitation to become a member, until it is accepted or ends."""

    id: str
    account_id: str
    email: str
    rights: str
    app_ids: tuple[str, ...] | None
    made_by: Actor
    created_at: int
    ends_at: int


class SignInLink(msgspec.Struct, frozen=True):
    """A sign-in link: whom it signs in, and what it gives, until it is opened or ends.

    `rights`: empty for those of the membership.
    """

    account_id: str
    email: str
    name: str
    rights: str
    app_ids: tuple[str, ...] | None
    return_to: str
    ends_at: int


class Session(msgspec.Struct, frozen=True):
    """A person who is signed in, in a browser.

    `account_id`: the account that it is for; `rights`, `app_ids`: what a sign-in link gave; with None those of the
    membership hold. `seen_at`: to the minute. `proof`: the best that the person has proved himself by. `passkey_id`:
    the passkey that began or elevated it.
    """

    id: str
    person_id: str
    account_id: str | None
    rights: str | None
    app_ids: tuple[str, ...] | None
    created_at: int
    seen_at: int
    ends_at: int
    elevated_until: int | None
    ip: str
    agent: str
    proof: str | None = None
    passkey_id: str | None = None


class Passkey(msgspec.Struct, frozen=True):
    """A passkey of a person; see `passkeys`. `account_ids`: the accounts that it opens, None for all."""

    id: str
    person_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...] | None
    host: str
    name: str
    account_ids: tuple[str, ...] | None
    created_at: int
    used_at: int | None = None


class SecondFactor(msgspec.Struct, frozen=True):
    """An authenticator app. `is_proved`: whoever set it up had proved that the person's address is his."""

    secret_sealed: bytes
    last_step: int
    is_proved: bool
    created_at: int


class Key(msgspec.Struct, frozen=True):
    """A key of an account. `rights`: as stored; `person_id`: whose rights bound it; `networks`: None for any.

    `sealed`: the key itself, wrapped with the master key; of main keys alone.
    """

    id: str
    account_id: str
    hash: bytes
    name: str
    start: str
    sealed: bytes | None
    person_id: str | None
    made_by: Actor
    rights: str
    app_ids: tuple[str, ...] | None
    networks: tuple[str, ...] | None
    created_at: int
    ends_at: int | None
    used_at: int | None = None


class AdminKey(msgspec.Struct, frozen=True):
    """A key of the host."""

    id: str
    hash: bytes
    name: str
    start: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...] | None
    created_at: int
    ends_at: int | None
    used_at: int | None = None


class Link(msgspec.Struct, frozen=True):
    """A download link with an end."""

    id: str
    account_id: str
    app_id: str
    backup_id: str
    format: str
    made_by: Actor
    created_at: int
    ends_at: int
    used_at: int | None = None
