"""A failed backup says whether its customer brought that about."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it, and enter it where the code of the failure says it."""
    op.add_column("backups", sa.Column("is_customers_failure", sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(
        sa.text(
            "UPDATE backups SET is_customers_failure = :yes "
            "WHERE error_code IN ('CANCELLED', 'INVALID_ARCHIVE', 'ARCHIVE_TOO_LARGE', 'SOURCE_TOO_LARGE')"
        ).bindparams(yes=True)
    )
