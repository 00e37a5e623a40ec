"""An account knows since when it has been told that its storage is nearly full."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the time; nobody has been told yet."""
    op.add_column("accounts", sa.Column("nearly_full_at", sa.BigInteger))
