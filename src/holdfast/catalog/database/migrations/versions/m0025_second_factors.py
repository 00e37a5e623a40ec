"""Authenticator apps, their recovery codes, log-ins that wait for a code, and what a session was proved by."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and the column."""
    op.create_table(
        "second_factors",
        _person(primary_key=True),
        sa.Column("secret_sealed", sa.LargeBinary, nullable=False),
        sa.Column("last_step", sa.BigInteger, nullable=False),
        sa.Column("is_proved", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "recovery_codes",
        _person(primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
    )
    op.create_table(
        "half_sessions",
        sa.Column("token_hash", sa.LargeBinary(32), primary_key=True),
        _person(index=True),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
    )
    op.add_column("sessions", sa.Column("proof", sa.String(16)))


def _person(*, primary_key: bool = False, index: bool = False) -> "sa.Column[str]":
    return sa.Column(
        "person_id",
        sa.String(32),
        sa.ForeignKey("people.id", ondelete="CASCADE"),
        nullable=False,
        primary_key=primary_key,
        index=index,
    )
