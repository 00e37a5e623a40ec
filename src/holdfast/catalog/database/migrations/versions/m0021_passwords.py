"""Passwords of people."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; nobody has a password yet."""
    op.create_table(
        "passwords",
        sa.Column("person_id", sa.String(32), sa.ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("hash", sa.String(255), nullable=False),
        sa.Column("account_ids", sa.Text),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
