"""Migrations of the catalog, run by the program itself when it opens an older one (`catalog.database.engine`)."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection, version: str = "head", *, zone: tzinfo = UTC) -> None:
    """Bring a catalog up to a version of the schema, inside the transaction that the connection is in.

    `zone`: the instance's time zone.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["zone"] = zone
    command.upgrade(config, version)
