"""Who may what: people, members, keys, sessions, links with an end, the audit; the trash; the host's own ids; the days.

The account's API key becomes its main key.
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

BATCH = 500

_MOVED = ("api_key_hash", "api_key_sealed")
_MADE_BY = '{"kind":"system","id":"","name":"Holdfast"}'


def upgrade() -> None:
    """Add them; every key goes on."""
    _add_tables()
    _add_columns()
    _move_keys()


def _add_tables() -> None:
    op.create_table(
        "people",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("email", sa.String(320), nullable=False, unique=True),
        sa.Column("name", sa.String(191), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False),
        sa.Column("person_id", sa.String(32), sa.ForeignKey("people.id"), nullable=False, index=True),
        sa.Column("rights", sa.Text, nullable=False),
        sa.Column("app_ids", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("account_id", "person_id", name="uq_members_account_person"),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("rights", sa.Text, nullable=False),
        sa.Column("app_ids", sa.Text),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("person_id", sa.String(32), sa.ForeignKey("people.id"), nullable=False, index=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), index=True),
        sa.Column("rights", sa.Text),
        sa.Column("app_ids", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("elevated_until", sa.BigInteger),
        sa.Column("ip", sa.String(45), nullable=False),
        sa.Column("agent", sa.String(255), nullable=False),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("name", sa.String(191), nullable=False),
        sa.Column("rights", sa.Text, nullable=False),
        sa.Column("app_ids", sa.Text),
        sa.Column("return_to", sa.Text, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("name", sa.String(191), nullable=False),
        sa.Column("start", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("person_id", sa.String(32), sa.ForeignKey("people.id"), index=True),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("rights", sa.Text, nullable=False),
        sa.Column("app_ids", sa.Text),
        sa.Column("networks", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
    )
    op.create_table(
        "admin_keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("name", sa.String(191), nullable=False, unique=True),
        sa.Column("start", sa.String(16), nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("networks", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger),
        sa.Column("used_at", sa.BigInteger),
    )
    op.create_table(
        "links",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account_id", sa.String(32), sa.ForeignKey("accounts.id"), nullable=False, index=True),
        sa.Column("app_id", sa.String(32), nullable=False),
        sa.Column("backup_id", sa.String(32), sa.ForeignKey("backups.id", ondelete="CASCADE"), nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("made_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ends_at", sa.BigInteger, nullable=False),
        sa.Column("used_at", sa.BigInteger),
        sa.UniqueConstraint("backup_id", "format", "ends_at", name="uq_links_backup_format_end"),
    )
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("account_id", sa.String(32)),
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_id", sa.String(64), nullable=False),
        sa.Column("actor_name", sa.String(320), nullable=False),
        sa.Column("ip", sa.String(45)),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("app_id", sa.String(32)),
        sa.Column("backup_id", sa.String(32)),
        sa.Column("job_id", sa.String(32)),
        sa.Column("data", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "days",
        sa.Column("app_id", sa.String(32), sa.ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("good", sa.Integer, nullable=False, server_default="0"),
        sa.Column("failed", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cancelled", sa.Integer, nullable=False, server_default="0"),
        sa.Column("missed", sa.Integer, nullable=False, server_default="0"),
        sa.Column("damaged", sa.Integer, nullable=False, server_default="0"),
        sa.Column("proved", sa.Integer, nullable=False, server_default="0"),
        sa.Column("added_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("content_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("stored_bytes", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_index("ix_links_ends", "links", ["ends_at"])
    op.create_index("ix_audit_account", "audit", ["account_id", "seq"])
    op.create_index("ix_audit_app", "audit", ["app_id", "seq"])
    op.create_index("ix_audit_at", "audit", ["at"])


def _add_columns() -> None:
    add = op.add_column
    add("accounts", sa.Column("external_id", sa.String(128)))
    add("accounts", sa.Column("name", sa.String(191)))
    add("accounts", sa.Column("is_suspended", sa.Boolean, nullable=False, server_default=sa.false()))
    add("accounts", sa.Column("updated_at", sa.BigInteger, nullable=False, server_default="0"))
    add("accounts", sa.Column("ended_at", sa.BigInteger))
    add("accounts", sa.Column("erase_at", sa.BigInteger))
    add("apps", sa.Column("external_id", sa.String(128)))
    add("apps", sa.Column("updated_at", sa.BigInteger, nullable=False, server_default="0"))
    add("apps", sa.Column("ended_at", sa.BigInteger))
    add("apps", sa.Column("keep_until", sa.BigInteger))
    add("backups", sa.Column("deleted_at", sa.BigInteger))
    add("backups", sa.Column("reference", sa.String(128)))
    add("backups", sa.Column("note", sa.Text))
    add("backups", sa.Column("zip_sha256", sa.LargeBinary(32)))
    op.create_index("uq_apps_external", "apps", ["external_id"], unique=True)
    deleted, referred = sa.text("deleted_at IS NOT NULL"), sa.text("reference IS NOT NULL")
    op.create_index("ix_backups_deleted", "backups", ["deleted_at"], sqlite_where=deleted, postgresql_where=deleted)
    op.create_index(
        "uq_backups_app_reference",
        "backups",
        ["app_id", "reference"],
        unique=True,
        sqlite_where=referred,
        postgresql_where=referred,
    )


def _move_keys() -> None:
    """Make each account's key a row of `keys`; an erased account has none."""
    connection = op.get_bind()
    accounts = sa.table("accounts", *map(sa.column, ("id", "created_at", "data_key_sealed", *_MOVED)))
    keys = sa.table(
        "keys",
        *map(sa.column, ("id", "account_id", "hash", "name", "start", "sealed", "made_by", "rights", "created_at")),
    )
    query = sa.select(accounts).where(accounts.c.data_key_sealed != b"").order_by(accounts.c.id).limit(BATCH)
    page = connection.execute(query).all()
    while page:
        made = [
            {
                "id": secrets.token_hex(16),
                "account_id": row.id,
                "hash": row.api_key_hash,
                "name": "main",
                "start": "",
                "sealed": row.api_key_sealed,
                "made_by": _MADE_BY,
                "rights": "main",
                "created_at": row.created_at,
            }
            for row in page
        ]
        connection.execute(keys.insert(), made)
        page = connection.execute(query.where(accounts.c.id > page[-1].id)).all()
    if connection.dialect.name == "sqlite":
        with op.batch_alter_table("accounts") as table:  # a unique column cannot be dropped in place
            for column in _MOVED:
                table.drop_column(column)
    else:
        for column in _MOVED:
            op.drop_column("accounts", column)
    op.create_index("uq_accounts_external", "accounts", ["external_id"], unique=True)
