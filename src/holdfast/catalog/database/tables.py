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
    false,
    text,
)

SCHEMA_VERSION = "0029"
"""The newest migration; what `alembic_version` says in a catalog that this program wrote."""

metadata = MetaData()
# The condition of a partial index stands in its `info`, and is given to the dialect when the tables are made: as
# `postgresql_where` it would have SQLAlchemy load all of that dialect at each start of a command, for 0.05 s.

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
    Column("vault_epoch", Integer, nullable=False),
    Column("commit_seq", Integer, nullable=False),
    Column("vault_commits", Integer, nullable=False, server_default="0"),
    Column("prune_wanted_at", BigInteger),
    Column("nearly_full_at", BigInteger),
    Column("external_id", String(128)),
    Column("name", String(191)),
    Column("is_suspended", Boolean, nullable=False, server_default=false()),
    Column("updated_at", BigInteger, nullable=False, server_default="0"),
    Column("ended_at", BigInteger),
    Column("erase_at", BigInteger),
    Column("trash_bytes", BigInteger, server_default="0"),
)
"""`prune_wanted_at`: when a backup was deleted that no prune has seen yet; None: there is nothing to gain;
`nearly_full_at`: when the account was told that its storage is nearly full; None: it is not; `external_id`: the host's
own id of it; `ended_at`: since when the host has ended it; `erase_at`: when it is to be erased then; `trash_bytes`: of
the store, needed by backups in the trash alone, as last measured; None: to be measured."""
Index("uq_accounts_external", accounts.c.external_id, unique=True)
_is_to_erase = text("erase_at IS NOT NULL")
Index("ix_accounts_erase_at", accounts.c.erase_at, info={"where": _is_to_erase})

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
    Column("next_run_at", BigInteger),
    Column("overdue_at", BigInteger),
    Column("overdue_since", BigInteger),
    Column("prove_at", BigInteger),
    Column("external_id", String(128)),
    Column("updated_at", BigInteger, nullable=False, server_default="0"),
    Column("ended_at", BigInteger),
    Column("keep_until", BigInteger),
    UniqueConstraint("account_id", "name", name="uq_apps_account_name"),
)
"""`next_run_at`: when the schedule's next backup is due; `overdue_at`: when the application becomes overdue unless a
good backup comes before; `overdue_since`: since when it is, as reported; `prove_at`: when its next test restore is
due; `external_id`: the host's own id of it; `ended_at`: since when the host has ended it; `keep_until`: its backups
stay until then."""
Index("uq_apps_external", apps.c.external_id, unique=True)
Index("ix_apps_next_run", apps.c.node, apps.c.next_run_at)
Index("ix_apps_overdue", apps.c.overdue_at)
Index("ix_apps_prove", apps.c.node, apps.c.prove_at)
_has_end = text("keep_until IS NOT NULL")
Index("ix_apps_keep_until", apps.c.keep_until, info={"where": _has_end})

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
    Column("cancel_asked", Boolean, nullable=False, server_default=false()),
    Column("is_customers_failure", Boolean, nullable=False, server_default=false()),
    Column("zip_layout", Integer, nullable=False, server_default="1"),
    Column("is_operators", Boolean, nullable=False, server_default=false()),
    Column("deleted_at", BigInteger),
    Column("reference", String(128)),
    Column("note", Text),
    Column("zip_sha256", LargeBinary(32)),
    Column("error_detail", Text),
    UniqueConstraint("app_id", "name", name="uq_backups_app_name"),
)
"""`is_customers_failure`: its customer brought the failure about, who alone is told of it; `zip_layout`: the version of
the layout of its zip; `is_operators`: the operator requested it by hand, so it is not counted as the customer's;
`deleted_at`: when it was put into the trash; `reference`: the caller's own id of it; `zip_sha256`: None until all of it
was read back once; `error_message`, `error_detail`: why it failed, for the customer and for the operator."""
Index("ix_backups_app_created", backups.c.app_id, backups.c.created_at, backups.c.id)
Index("ix_backups_account_created", backups.c.account_id, backups.c.created_at, backups.c.id)
Index("ix_backups_account_name", backups.c.account_id, backups.c.name)
Index("ix_backups_stored", backups.c.app_id, backups.c.stored_bytes, backups.c.deleted_at)
unfinished_backups = text("state IN ('queued', 'running')")
"""As `open_backups`, of the index by application: one of each at a time."""
Index(
    "uq_backups_one_per_app",
    backups.c.app_id,
    unique=True,
    info={"where": unfinished_backups},
)
Index("ix_backups_idempotency", backups.c.app_id, backups.c.idempotency_key)
open_backups = text("state IN ('queued', 'running', 'deleting')")
"""A query with just this condition, word for word, is answered by the index of the few backups that are open."""
Index("ix_backups_open", backups.c.state, info={"where": open_backups})
_deleted = text("deleted_at IS NOT NULL")
Index("ix_backups_deleted", backups.c.deleted_at, info={"where": _deleted})
_referred = text("reference IS NOT NULL")
Index(
    "uq_backups_app_reference",
    backups.c.app_id,
    backups.c.reference,
    unique=True,
    info={"where": _referred},
)
_damaged = text("damage IS NOT NULL")
Index("ix_backups_damaged", backups.c.account_id, info={"where": _damaged})
_proved = text("restore_proved_at IS NOT NULL")
Index(
    "ix_backups_proved",
    *(backups.c.account_id, backups.c.app_id, backups.c.state, backups.c.restore_proved_at),
    info={"where": _proved},
)
kept_backups = text("state IN ('successful', 'trashed')")
"""As `open_backups`, of the index that counts what accounts keep: it is written when a backup ends, and no sooner."""
Index("ix_backups_kept", backups.c.account_id, backups.c.state, backups.c.deleted_at, info={"where": kept_backups})

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
    Column("read_at", BigInteger),
    UniqueConstraint("account_id", "pack_id", name="uq_packs_account_pack"),
)
"""`read_at`: when the pack was last read back whole and found good; None: not since it was written."""
Index("ix_packs_read", packs.c.state, packs.c.read_at)
Index("ix_packs_account", packs.c.account_id, packs.c.state, packs.c.size)

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
    Column("error_detail", Text),
    Column("is_hidden", Boolean, nullable=False, server_default=false()),
)
"""`error_message`, `error_detail`: as in `backups`. `is_hidden`: the operator's own doing, which the account is not
shown."""
Index("ix_jobs_account_created", jobs.c.account_id, jobs.c.created_at)
open_jobs = text("state IN ('queued', 'running')")
"""As `open_backups`."""
Index("ix_jobs_open", jobs.c.state, info={"where": open_jobs})
_restore_open = text("kind = 'restore' AND state IN ('queued', 'running')")
Index(
    "uq_jobs_one_restore_per_app",
    jobs.c.app_id,
    unique=True,
    info={"where": _restore_open},
)

events = Table(
    "events",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("app_id", String(32)),
    Column("backup_id", String(32)),
    Column("job_id", String(32)),
    Column("kind", String(32), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("data", Text, nullable=False),
    Column("is_hidden", Boolean, nullable=False, server_default=false()),
    sqlite_autoincrement=True,
)
"""The events, in the order of their commits (per account). `seq` is never used twice; old rows are deleted.
`is_hidden`: of a job that is the operator's own doing."""
Index("ix_events_account", events.c.account_id, events.c.seq)
Index("ix_events_at", events.c.at)
Index("ix_events_backup", events.c.backup_id)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), index=True),
    Column("kind", String(16), nullable=False),
    Column("label", String(191), nullable=False),
    Column("url_sealed", LargeBinary, nullable=False),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("events", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)
"""The endpoints that notify an account of events; without `account_id` the operator, of those of all accounts.

`kind`: `webhook` or `apprise`; `label`: what may be shown of its URL; `events`: the kinds that are wanted, as JSON."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("endpoint_id", ForeignKey("endpoints.id"), nullable=False),
    Column("account_id", ForeignKey("accounts.id")),
    Column("event_seq", BigInteger),
    Column("kind", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("status", Integer),
    Column("error", Text),
)
"""One event on its way to one endpoint; without `event_seq` a test. `state`: `pending`, `delivered`, `failed`; `body`:
empty until the first attempt, then what every attempt sends; `status`: the last HTTP status."""
_pending = text("state = 'pending'")
Index("ix_deliveries_due", deliveries.c.next_at, info={"where": _pending})
Index("ix_deliveries_endpoint", deliveries.c.endpoint_id, deliveries.c.created_at)
