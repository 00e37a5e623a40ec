"""An application that has shrunk: found and recorded in the transaction that finishes its backup."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from holdfast.catalog.accounts.apps import settings_text
from holdfast.catalog.database.tables import apps, backups
from holdfast.catalog.records import IMPORTED, App, Shrunk, State


class Size(NamedTuple):
    """The size of a backup's content."""

    files: int
    bytes: int


IsShrunk = Callable[[Size, Size], bool]
"""Return True if a backup of the second size, after one of the first, means that its application has shrunk."""


def enter_shrunk(
    connection: Connection, app: App, backup_id: str, at: int, order: int, now: Size, is_shrunk: IsShrunk
) -> Shrunk | None:
    """Record that an application has shrunk with a backup that was just finished; return None when it has not.

    One that was recorded before and not accepted since stays as it is: what came before it is what has to be kept. The
    caller holds the application's row.
    """
    if app.settings.shrunk is not None:
        return None
    query = (
        select(backups.c.files, backups.c.content_bytes)
        .where(
            backups.c.app_id == app.id,
            backups.c.id != backup_id,
            backups.c.state == State.SUCCESSFUL,
            backups.c.origin != IMPORTED,
        )
        .order_by(backups.c.created_at.desc(), backups.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None or not is_shrunk(Size(*row), now):
        return None
    shrunk = Shrunk(backup_id, at, order, *now, *row)
    settings = msgspec.structs.replace(app.settings, shrunk=shrunk)
    connection.execute(apps.update().where(apps.c.id == app.id).values(settings=settings_text(settings)))
    return shrunk
