"""The keys of downloads are computed when they are needed, and no longer stored."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop them, so that nothing of them is left in a page of the table."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("PRAGMA secure_delete=ON")
    else:
        # Dropping alone leaves the values in the rows; another type has PostgreSQL write the table anew.
        op.execute("ALTER TABLE backups ALTER COLUMN link_key TYPE text USING ''")
    op.drop_column("backups", "link_key")
