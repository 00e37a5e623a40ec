"""Successful backups, with no more of each than its download needs: what lists of thousands are made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Select, select

from holdfast.catalog.backups.found import beyond
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import backups
from holdfast.catalog.records import State


class Downloadable(msgspec.Struct, frozen=True):
    """A successful backup. Times in nanoseconds."""

    id: str
    account_id: str
    name: str
    zip_bytes: int
    created_at: int
    finished_at: int | None
    digest: bytes | None
    origin: str


_SUCCESSFUL = select(*(backups.c[name] for name in Downloadable.__struct_fields__)).where(
    backups.c.state == State.SUCCESSFUL
)


def downloadable_of_app(catalog: Catalog, app_id: str) -> list[Downloadable]:
    """Return all successful backups of an application, oldest first."""
    query = _SUCCESSFUL.where(backups.c.app_id == app_id).order_by(backups.c.created_at, backups.c.id)
    return _found(catalog, query)


def downloadable_of_account(
    catalog: Catalog, account_id: str, limit: int, after: str | None, app_ids: Collection[str] | None
) -> list[Downloadable]:
    """Return the successful backups of an account, newest first; of some of its applications, if those are given.

    At most `limit`, those behind the backup with the id `after`.
    """
    same_owner = backups.c.account_id == account_id
    query = _SUCCESSFUL.where(same_owner).order_by(backups.c.created_at.desc(), backups.c.id.desc())
    if app_ids is not None:
        query = query.where(backups.c.app_id.in_(app_ids))
    if after is not None:
        query = query.where(beyond(same_owner, after, newest_first=True))
    return _found(catalog, query.limit(limit))


def _found(catalog: Catalog, query: Select[Any]) -> list[Downloadable]:
    with catalog.read() as connection:
        return [Downloadable(*row) for row in connection.execute(query).all()]
