"""The bytes that the trash of an account holds of its store, which no limit counts."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column: every trash is empty so far."""
    op.add_column("accounts", sa.Column("trash_bytes", sa.BigInteger, server_default="0"))
