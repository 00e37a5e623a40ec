"""Download links with an end."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, ClassVar

import msgspec

from holdfast.catalog.people import records
from holdfast.schemas.fields import Body, Count, Id, Shown, Time
from holdfast.schemas.rights import MadeBy, made_by_of
from holdfast.schemas.times import iso, iso_or_none

LINK_SECONDS_MIN = 60
LINK_SECONDS_MAX = 2_592_000
"""30 days."""

LinkFormat = Annotated[str, msgspec.Meta(extra_json_schema={"enum": ["zip", "tar.gz"]})]


class NewLink(Body):
    """Body of POST .../links."""

    EXAMPLE: ClassVar = {"expires_in": 3600, "format": "tar.gz"}

    expires_in: Annotated[
        int,
        msgspec.Meta(
            description="Seconds until it ends.",
            extra_json_schema={"minimum": LINK_SECONDS_MIN, "maximum": LINK_SECONDS_MAX},
        ),
    ] = 0
    format: LinkFormat = "zip"


class NewLinkShown(Shown, frozen=True):
    """A new link, ready to use."""

    url: str
    expires_at: Time


class Link(Shown, frozen=True):
    """An open link, without what opens the backup."""

    id: Id
    app_id: Id
    backup_id: Id
    format: LinkFormat
    created_at: Time
    expires_at: Time
    last_used_at: Annotated[Time | None, msgspec.Meta(description="To the minute.")]
    made_by: MadeBy


class DeletedLink(Shown, frozen=True):
    """A link that has ended."""

    id: Id


class RevokedLinks(Shown, frozen=True):
    """All download links of an account have ended; `links_with_end`: how many of those had an end of their own."""

    links_with_end: Count


def link_of(record: records.Link, zone: tzinfo) -> Link:
    """A link as it is shown."""
    return Link(
        id=record.id,
        app_id=record.app_id,
        backup_id=record.backup_id,
        format=record.format,
        created_at=iso(record.created_at, zone),
        expires_at=iso(record.ends_at, zone),
        last_used_at=iso_or_none(record.used_at, zone),
        made_by=made_by_of(record.made_by),
    )
