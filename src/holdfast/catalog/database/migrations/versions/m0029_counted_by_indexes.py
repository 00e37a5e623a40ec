"""Indexes of the few rows that the operator's lists count of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes: of proved backups, and of those that are good or in the trash."""
    proved, kept = sa.text("restore_proved_at IS NOT NULL"), sa.text("state IN ('successful', 'trashed')")
    columns = ["account_id", "app_id", "state", "restore_proved_at"]
    op.create_index("ix_backups_proved", "backups", columns, sqlite_where=proved, postgresql_where=proved)
    columns = ["account_id", "state", "deleted_at"]
    op.create_index("ix_backups_kept", "backups", columns, sqlite_where=kept, postgresql_where=kept)
