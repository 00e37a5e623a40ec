"""Applications under the host's own ids."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Annotated, ClassVar

import msgspec

from holdfast.catalog import records
from holdfast.catalog.host.records import HostApp as HostAppRecord
from holdfast.schemas.apps import Cron, Rules, Standing, rules_of
from holdfast.schemas.fields import Body, Bytes, Id, Shown, Time
from holdfast.schemas.host.accounts import ExternalId
from holdfast.schemas.times import iso, iso_or_none


class HostApp(Shown, frozen=True):
    """An application as its host sees it. `account`: the external id of its account."""

    external_id: ExternalId | None
    id: Id
    account: ExternalId | None
    account_id: Annotated[str, msgspec.Meta(pattern="^[a-z0-9]+$")]
    name: str
    path: Annotated[str, msgspec.Meta(description="Its folder, without symbolic links.")]
    node: str
    schedule: Cron
    retention: Rules
    ignore: Annotated[Sequence[str], msgspec.Meta(description="In gitignore syntax.")]
    databases: Annotated[Sequence[str], msgspec.Meta(description="Names in the operator's configuration.")]
    hooks: Annotated[str | None, msgspec.Meta(description="A name in the operator's configuration.")]
    created_at: Time
    updated_at: Time
    ended_at: Annotated[Time | None, msgspec.Meta(description="Since when the host has ended it.")]
    keep_until: Annotated[Time | None, msgspec.Meta(description="Until when the backups of an ended one stay.")]
    last_good_backup_at: Time | None
    next_backup_at: Time | None
    storage: Annotated[Bytes, msgspec.Meta(description="Bytes that its backups added to the store.")]
    standing: Standing


class AppPut(Body):
    """Body of PUT /v3/admin/apps/{external_id}; of an application that is there, optional fields left out stay."""

    EXAMPLE: ClassVar = {
        "account": "customer-1",
        "path": "/srv/apps/bot",
        "name": "Bot",
        "schedule": "0 3 * * *",
        "retention": {"keep_daily": 7, "keep_weekly": 4},
        "ignore": ["node_modules/"],
    }

    account: Annotated[ExternalId | msgspec.UnsetType, msgspec.Meta(description="The external id of its account.")] = (
        msgspec.UNSET
    )
    path: Annotated[
        str | msgspec.UnsetType,
        msgspec.Meta(description="Its folder, below one of the operator's app_roots; another one is a move."),
    ] = msgspec.UNSET
    name: str | msgspec.UnsetType = msgspec.UNSET
    node: Annotated[
        str | msgspec.UnsetType,
        msgspec.Meta(description="The machine that has the folder. Left out: the one that is asked, or it stays."),
    ] = msgspec.UNSET
    schedule: Cron | msgspec.UnsetType = msgspec.UNSET
    retention: records.Retention | msgspec.UnsetType = msgspec.UNSET
    ignore: Annotated[list[str] | msgspec.UnsetType, msgspec.Meta(description="In gitignore syntax.")] = msgspec.UNSET
    databases: Annotated[
        list[str] | msgspec.UnsetType, msgspec.Meta(description="Names in the operator's configuration.")
    ] = msgspec.UNSET
    hooks: Annotated[
        str | msgspec.UnsetType | None, msgspec.Meta(description="A name in the operator's configuration.")
    ] = msgspec.UNSET


def host_app_of(record: HostAppRecord, stored_bytes: int, standing: Standing, zone: tzinfo) -> HostApp:
    """An application as its host sees it."""
    app, settings = record.app, record.app.settings
    return HostApp(
        external_id=app.external_id,
        id=app.id,
        account=record.account,
        account_id=app.account_id,
        name=app.name,
        path=app.path,
        node=app.node,
        schedule=settings.cron or None,
        retention=rules_of(settings.retention),
        ignore=settings.ignore,
        databases=settings.named_databases,
        hooks=settings.hooks or None,
        created_at=iso(app.created_at, zone),
        updated_at=iso(record.updated_at, zone),
        ended_at=iso_or_none(app.ended_at, zone),
        keep_until=iso_or_none(app.keep_until, zone),
        last_good_backup_at=standing.facts.last_good_backup_at,
        next_backup_at=standing.facts.next_backup_at,
        storage=stored_bytes,
        standing=standing,
    )
