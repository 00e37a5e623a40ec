"""The keys of an account: as they are made, changed and shown."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo
from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from holdfast.catalog.people import records
from holdfast.schemas.fields import Body, Id, Shown, Time
from holdfast.schemas.rights import AppIds, Group, MadeBy, RightNames, made_by_of
from holdfast.schemas.times import iso, iso_or_none

EXPIRES_SECONDS_MIN = 60
EXPIRES_SECONDS_MAX = 315_360_000
"""Ten years."""
OVERLAP_SECONDS_MAX = 86_400

Networks = Annotated[
    list[str] | None,
    msgspec.Meta(
        description="It works from these networks only, as `192.0.2.0/24`; null: from everywhere.",
        extra_json_schema={"items": {"type": "string"}},
    ),
]
KeyEnd = Annotated[
    int | None,
    msgspec.Meta(
        description="Seconds until it ends; null: it does not end by itself.",
        extra_json_schema={"minimum": EXPIRES_SECONDS_MIN, "maximum": EXPIRES_SECONDS_MAX},
    ),
]


class Key(Shown, frozen=True):
    """A key of an account, without what opens anything."""

    id: Id
    name: str
    start: Annotated[str, msgspec.Meta(description="Its first characters; empty for a key of an earlier version.")]
    is_main: Annotated[bool, msgspec.Meta(description="It is the account's main key.")]
    group: Annotated[str | None, msgspec.Meta(description="The group that it was given; null for a list of rights.")]
    rights: list[str]
    app_ids: AppIds
    networks: Networks
    created_at: Time
    expires_at: Time | None
    last_used_at: Annotated[Time | None, msgspec.Meta(description="To the hour.")]
    made_by: MadeBy


class NewKeyShown(Key, frozen=True):
    """A new key with what it opens the account with: the only object that has it."""

    key: Annotated[str, msgspec.Meta(description="`hf_...`; shown this once.")]


class DeletedKey(Shown, frozen=True):
    """A key that has ended."""

    id: Id


class NewKey(Body):
    """Body of POST /v3/keys."""

    EXAMPLE: ClassVar = {"name": "ci", "rights": ["backups.create", "backups.read"], "expires_in": 2592000}

    name: Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 100})] = ""
    group: Group | UnsetType = UNSET
    rights: RightNames | UnsetType = UNSET
    app_ids: AppIds | UnsetType = UNSET
    networks: Networks | UnsetType = UNSET
    expires_in: KeyEnd | UnsetType = UNSET


class KeyChange(Body):
    """Body of PATCH /v3/keys/{id}; what is not there stays."""

    EXAMPLE: ClassVar = {"networks": ["192.0.2.0/24"]}

    name: Annotated[str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 100})] | UnsetType = UNSET
    group: Group | UnsetType = UNSET
    rights: RightNames | UnsetType = UNSET
    app_ids: AppIds | UnsetType = UNSET
    networks: Networks | UnsetType = UNSET
    expires_in: KeyEnd | UnsetType = UNSET


class NewMainKey(Body):
    """Body of POST /v3/account/key."""

    EXAMPLE: ClassVar = {"overlap_seconds": 3600}

    overlap_seconds: Annotated[
        int,
        msgspec.Meta(
            description="How long the old one still works.",
            extra_json_schema={"minimum": 0, "maximum": OVERLAP_SECONDS_MAX},
        ),
    ] = 0


def key_of(record: records.Key, group: str | None, rights: Iterable[str], zone: tzinfo, *, is_main: bool) -> Key:
    """A key as it is shown."""
    return Key(
        id=record.id,
        name=record.name,
        start=record.start,
        is_main=is_main,
        group=group,
        rights=list(rights),
        app_ids=None if record.app_ids is None else list(record.app_ids),
        networks=None if record.networks is None else list(record.networks),
        created_at=iso(record.created_at, zone),
        expires_at=iso_or_none(record.ends_at, zone),
        last_used_at=iso_or_none(record.used_at, zone),
        made_by=made_by_of(record.made_by),
    )


def with_key(shown: Key, api_key: str) -> NewKeyShown:
    """A key with what opens the account."""
    return NewKeyShown(**msgspec.structs.asdict(shown), key=api_key)
