"""Jobs (restores, verifications), damage found in backups, and the count of commits that prune relies on."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what is there stays as it is."""
    op.add_column("accounts", sa.Column("vault_commits", sa.Integer, nullable=False, server_default="0"))
    op.add_column("backups", sa.Column("damage", sa.Text))
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("backup_id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sa.Column("progress", sa.Text),
        sa.Column("cancel_asked", sa.Boolean, nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
    )
    op.create_index("ix_jobs_account_created", "jobs", ["account_id", "created_at"])
    still_open = sa.text("state IN ('queued', 'running')")
    op.create_index("ix_jobs_open", "jobs", ["state"], sqlite_where=still_open, postgresql_where=still_open)
    restore_open = sa.text("kind = 'restore' AND state IN ('queued', 'running')")
    op.create_index(
        "uq_jobs_one_restore_per_app",
        "jobs",
        ["app_id"],
        unique=True,
        sqlite_where=restore_open,
        postgresql_where=restore_open,
    )
