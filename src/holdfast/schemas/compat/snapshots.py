"""Snapshots: successful backups, as the neighbouring API shows them."""

from __future__ import annotations

from datetime import tzinfo
from typing import Annotated, ClassVar, Literal

import msgspec

from holdfast.schemas.fields import ID_PATTERN, Body, Bytes, Id, Shown, Time
from holdfast.schemas.times import iso

Scope = Literal["applications", "databases"]
SnapshotOrigin = Literal["automatic", "manual"]

_Key = Annotated[
    str,
    msgspec.Meta(
        pattern="^([0-9a-f]{40})?$", description="Opens the download; empty without the right `backups.download`."
    ),
]
_Url = Annotated[
    str | None, msgspec.Meta(description="The download, ready to use; null without the right `backups.download`.")
]

_BY_ITSELF = frozenset(("scheduled", "safety"))
"""The origins of backups that nobody asked for by hand."""


class Snapshot(Shown, frozen=True):
    """A successful backup. `name` and `version_id` together restore it."""

    name: str
    size: Annotated[Bytes, msgspec.Meta(description="Bytes of the zip as it is downloaded.")]
    modified: Annotated[Time, msgspec.Meta(description="When it was finished.")]
    key: _Key
    version_id: Annotated[Id, msgspec.Meta(description="The backup's `id`.")]
    url: _Url
    origin: Annotated[
        SnapshotOrigin,
        msgspec.Meta(description="`automatic`: scheduled, or taken before a restore; `manual`: by hand, or imported."),
    ]


class NewSnapshot(Shown, frozen=True):
    """The download of a snapshot that was just made."""

    url: _Url
    key: _Key


class RestoredSnapshot(Body, rename="camel"):
    """Body of POST .../snapshots/restore."""

    EXAMPLE: ClassVar = {
        "snapshotId": "Backup at 2024-12-07 22:07:11",
        "versionId": "0193a2f5b1c07d3e8a4b5c6d7e8f9012",
    }

    snapshot_id: Annotated[
        str, msgspec.Meta(description="The snapshot's `name`.", extra_json_schema={"minLength": 1})
    ] = ""
    version_id: Annotated[
        str, msgspec.Meta(description="Its `version_id`.", extra_json_schema={"pattern": ID_PATTERN})
    ] = ""


def snapshot_of(
    backup_id: str, name: str, zip_bytes: int, finished_at: int, origin: str, key: str, url: str | None, zone: tzinfo
) -> Snapshot:
    """A successful backup as a snapshot. `finished_at`: nanoseconds; `key`, `url`: of its download."""
    by: SnapshotOrigin = "automatic" if origin in _BY_ITSELF else "manual"
    return Snapshot(name, zip_bytes, iso(finished_at, zone), key, backup_id, url, by)
