"""Operators: people who sign in to the instance itself, and the links that let them in."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark, which nobody has yet, and the table."""
    op.add_column("people", sa.Column("is_operator", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_table(
        "operator_links",
        sa.Column("token_hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("person_id", sa.String(32), sa.ForeignKey("people.id"), nullable=False, index=True),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
    )
