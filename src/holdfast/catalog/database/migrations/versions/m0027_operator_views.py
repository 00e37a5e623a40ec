"""The account whose pages an operator is shown, as a part of his session."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("sessions", sa.Column("views_account_id", sa.String(32)))
    op.add_column("sessions", sa.Column("views_until", sa.BigInteger))
