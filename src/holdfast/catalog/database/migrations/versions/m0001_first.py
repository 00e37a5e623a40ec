"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "facts", sa.Column("name", sa.String(64), primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("email", sa.String(320), nullable=False, unique=True),
        sa.Column("plan", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("data_key_sealed", sa.LargeBinary, nullable=False),
        sa.Column("link_secret_sealed", sa.LargeBinary, nullable=False),
        sa.Column("api_key_hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("api_key_sealed", sa.LargeBinary, nullable=False),
        sa.Column("vault_epoch", sa.Integer, nullable=False),
        sa.Column("commit_seq", sa.Integer, nullable=False),
    )
    op.create_table(
        "apps",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("name", sa.String(191), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account_id", "name", name="uq_apps_account_name"),
    )
    op.create_table(
        "backups",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("app_id", sa.String(32), sa.ForeignKey("apps.id"), nullable=False),
        sa.Column("name", sa.String(191), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("zip_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("tar_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("digest", sa.LargeBinary(32)),
        sa.Column("link_key", sa.String(40), nullable=False, server_default=""),
        sa.Column("files", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("content_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("is_locked", sa.Boolean, nullable=False),
        sa.Column("locked_until", sa.BigInteger),
        sa.Column("error_code", sa.String(64)),
        sa.Column("error_message", sa.Text),
        sa.Column("warnings", sa.Text, nullable=False, server_default="[]"),
        sa.Column("progress", sa.Text),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("verified_at", sa.BigInteger),
        sa.Column("restore_proved_at", sa.BigInteger),
        sa.Column("idempotency_key", sa.String(255)),
        sa.Column("request_hash", sa.String(64)),
        sa.Column("commit_seq", sa.Integer),
        sa.UniqueConstraint("app_id", "name", name="uq_backups_app_name"),
    )
    op.create_index("ix_backups_app_created", "backups", ["app_id", "created_at", "id"])
    op.create_index("ix_backups_account_created", "backups", ["account_id", "created_at", "id"])
    op.create_index("ix_backups_account_name", "backups", ["account_id", "name"])
    op.create_index("ix_backups_idempotency", "backups", ["app_id", "idempotency_key"])
    unfinished = sa.text("state IN ('queued', 'running')")
    op.create_index(
        "uq_backups_one_per_app",
        "backups",
        ["app_id"],
        unique=True,
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
    still_open = sa.text("state IN ('queued', 'running', 'deleting')")
    op.create_index("ix_backups_open", "backups", ["state"], sqlite_where=still_open, postgresql_where=still_open)
    op.create_table(
        "packs",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("pack_id", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.Column("records", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("condemned_at", sa.BigInteger),
        sa.Column("pack_table", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("account_id", "pack_id", name="uq_packs_account_pack"),
    )
