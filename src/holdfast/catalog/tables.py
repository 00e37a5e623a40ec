"""The tables. Every change here comes with a migration (`migrations/`); a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA_VERSION = "0003"
"""The newest migration; what `alembic_version` says in a catalog that this program wrote."""

metadata = MetaData()

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("plan", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("data_key_sealed", LargeBinary, nullable=False),
    Column("link_secret_sealed", LargeBinary, nullable=False),
    Column("api_key_hash", LargeBinary(32), nullable=False, unique=True),
    Column("api_key_sealed", LargeBinary, nullable=False),
    Column("vault_epoch", Integer, nullable=False),
    Column("commit_seq", Integer, nullable=False),
    Column("vault_commits", Integer, nullable=False, server_default="0"),
)

apps = Table(
    "apps",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("name", String(191), nullable=False),
    Column("path", Text, nullable=False),
    Column("node", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("settings", Text, nullable=False, server_default="{}"),
    UniqueConstraint("account_id", "name", name="uq_apps_account_name"),
)

backups = Table(
    "backups",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("app_id", ForeignKey("apps.id"), nullable=False),
    Column("name", String(191), nullable=False),
    Column("state", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("zip_bytes", BigInteger, nullable=False, server_default="0"),
    Column("tar_bytes", BigInteger, nullable=False, server_default="0"),
    Column("digest", LargeBinary(32)),
    Column("link_key", String(40), nullable=False, server_default=""),
    Column("files", BigInteger, nullable=False, server_default="0"),
    Column("content_bytes", BigInteger, nullable=False, server_default="0"),
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
    Column("is_locked", Boolean, nullable=False),
    Column("locked_until", BigInteger),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("warnings", Text, nullable=False, server_default="[]"),
    Column("progress", Text),
    Column("node", String(64), nullable=False),
    Column("verified_at", BigInteger),
    Column("restore_proved_at", BigInteger),
    Column("idempotency_key", String(255)),
    Column("request_hash", String(64)),
    Column("commit_seq", Integer),
    Column("damage", Text),
    Column("log", Text),
    UniqueConstraint("app_id", "name", name="uq_backups_app_name"),
)
Index("ix_backups_app_created", backups.c.app_id, backups.c.created_at, backups.c.id)
Index("ix_backups_account_created", backups.c.account_id, backups.c.created_at, backups.c.id)
Index("ix_backups_account_name", backups.c.account_id, backups.c.name)
_unfinished = text("state IN ('queued', 'running')")
Index(
    "uq_backups_one_per_app",
    backups.c.app_id,
    unique=True,
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)
Index("ix_backups_idempotency", backups.c.app_id, backups.c.idempotency_key)
_open_states = text("state IN ('queued', 'running', 'deleting')")
Index("ix_backups_open", backups.c.state, sqlite_where=_open_states, postgresql_where=_open_states)

packs = Table(
    "packs",
    metadata,
    Column("seq", Integer, primary_key=True, autoincrement=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("pack_id", LargeBinary(32), nullable=False),
    Column("kind", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("salt", LargeBinary(16), nullable=False),
    Column("records", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("condemned_at", BigInteger),
    Column("pack_table", LargeBinary, nullable=False),
    UniqueConstraint("account_id", "pack_id", name="uq_packs_account_pack"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("app_id", String(32), nullable=False),
    Column("backup_id", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("request", Text, nullable=False),
    Column("result", Text),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("progress", Text),
    Column("cancel_asked", Boolean, nullable=False),
    Column("node", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
)
Index("ix_jobs_account_created", jobs.c.account_id, jobs.c.created_at)
_job_open = text("state IN ('queued', 'running')")
Index("ix_jobs_open", jobs.c.state, sqlite_where=_job_open, postgresql_where=_job_open)
_restore_open = text("kind = 'restore' AND state IN ('queued', 'running')")
Index(
    "uq_jobs_one_restore_per_app",
    jobs.c.app_id,
    unique=True,
    sqlite_where=_restore_open,
    postgresql_where=_restore_open,
)
