"""Preferences of people: the language, the theme and the time zone of the pages that they are shown."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, those that an interrupted upgrade has not added yet."""
    there = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("people")}
    for name, length in (("language", 16), ("theme", 8), ("time_zone", 64)):
        if name not in there:
            op.add_column("people", sa.Column(name, sa.String(length)))
