"""Sums of stored bytes are answered by an index alone, and ends whose time has come are found by indexes."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes; those of ends hold only the few rows that have one."""
    op.create_index("ix_backups_stored", "backups", ["app_id", "stored_bytes", "deleted_at"])
    for table, column in (("apps", "keep_until"), ("accounts", "erase_at")):
        has_one = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=has_one, postgresql_where=has_one)
