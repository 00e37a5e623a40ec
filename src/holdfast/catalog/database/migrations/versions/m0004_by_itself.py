"""Automatic work: due times, events, endpoints and deliveries of notices, requests to cancel a backup."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them; what is there stays as it is."""
    op.add_column("accounts", sa.Column("prune_wanted_at", sa.BigInteger))
    for name in ("next_run_at", "overdue_at", "overdue_since", "prove_at"):
        op.add_column("apps", sa.Column(name, sa.BigInteger))
    op.create_index("ix_apps_next_run", "apps", ["node", "next_run_at"])
    op.create_index("ix_apps_overdue", "apps", ["overdue_at"])
    op.create_index("ix_apps_prove", "apps", ["node", "prove_at"])
    op.add_column("backups", sa.Column("cancel_asked", sa.Boolean, nullable=False, server_default=sa.false()))
    damaged = sa.text("damage IS NOT NULL")
    op.create_index("ix_backups_damaged", "backups", ["account_id"], sqlite_where=damaged, postgresql_where=damaged)
    op.add_column("packs", sa.Column("read_at", sa.BigInteger))
    op.create_index("ix_packs_read", "packs", ["state", "read_at"])
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("app_id", sa.String(32)),
        sa.Column("backup_id", sa.String(32)),
        sa.Column("job_id", sa.String(32)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_account", "events", ["account_id", "seq"])
    op.create_index("ix_events_at", "events", ["at"])
    op.create_index("ix_events_backup", "events", ["backup_id"])
    op.create_table(
        "endpoints",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), index=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("label", sa.String(191), nullable=False),
        sa.Column("url_sealed", sa.LargeBinary, nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("endpoint_id", sa.String(32), sa.ForeignKey("endpoints.id"), nullable=False),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id")),
        sa.Column("event_seq", sa.BigInteger),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
    )
    pending = sa.text("state = 'pending'")
    op.create_index("ix_deliveries_due", "deliveries", ["next_at"], sqlite_where=pending, postgresql_where=pending)
    op.create_index("ix_deliveries_endpoint", "deliveries", ["endpoint_id", "created_at"])
