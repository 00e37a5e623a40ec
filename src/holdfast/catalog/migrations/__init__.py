"""Migrations of the catalog, run by the program itself when it opens an older one."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

_LOCK = 0x686F6C64  # "hold": one upgrade at a time on PostgreSQL


def upgrade(engine: Engine) -> None:
    """Bring a catalog up to the newest schema, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
