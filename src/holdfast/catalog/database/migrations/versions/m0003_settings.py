"""Settings of an application (ignore patterns, databases, hooks) and the log of a backup."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what is there has the defaults."""
    op.add_column("apps", sa.Column("settings", sa.Text, nullable=False, server_default="{}"))
    op.add_column("backups", sa.Column("log", sa.Text))
