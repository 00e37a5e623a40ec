"""A backup says which version of the layout its zip has, and whether the operator requested it by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both: the zips that are there stay in the first version, and their backups count as the customer's."""
    op.add_column("backups", sa.Column("zip_layout", sa.Integer, nullable=False, server_default="1"))
    op.add_column("backups", sa.Column("is_operators", sa.Boolean, nullable=False, server_default=sa.false()))
