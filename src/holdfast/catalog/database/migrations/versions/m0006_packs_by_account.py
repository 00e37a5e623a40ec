"""Questions about the packs of one account are answered by an index of their own."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the index."""
    op.create_index("ix_packs_account", "packs", ["account_id", "state", "size"])
