"""The tables of who may what: people, their sessions and rights, keys, links, the audit, and the days of applications.

Rights are stored as text: the name of a group, or names of rights with blanks between; `app_ids` is a JSON list of the
applications they are for, None for all of the account. Times are nanoseconds since 1970. Secrets are stored as their
SHA-256 only.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from holdfast.catalog.database.tables import metadata

people = Table(
    "people",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("email", String(320), nullable=False, unique=True),
    Column("name", String(191), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("is_operator", Boolean, nullable=False, server_default=false()),
    Column("language", String(16)),
    Column("theme", String(8)),
    Column("time_zone", String(64)),
)
"""`email`: in lower case; one person each. `is_operator`: may sign in to the instance itself. `language`, `theme`,
`time_zone`: of the pages that he is shown; None: as the browser, the system, the instance has it."""

members = Table(
    "members",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("person_id", ForeignKey("people.id"), nullable=False, index=True),
    Column("rights", Text, nullable=False),
    Column("app_ids", Text),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("account_id", "person_id", name="uq_members_account_person"),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("email", String(320), nullable=False),
    Column("rights", Text, nullable=False),
    Column("app_ids", Text),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("made_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
)
"""Single use: the row goes when the invitation is accepted or taken back. `made_by`: an actor, as JSON."""

sessions = Table(
    "sessions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("token_hash", LargeBinary(32), nullable=False, unique=True),
    Column("person_id", ForeignKey("people.id"), nullable=False, index=True),
    Column("account_id", ForeignKey("accounts.id"), index=True),
    Column("rights", Text),
    Column("app_ids", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("elevated_until", BigInteger),
    Column("ip", String(45), nullable=False),
    Column("agent", String(255), nullable=False),
    Column("proof", String(16)),
    Column("views_account_id", String(32)),
    Column("views_until", BigInteger),
    Column("passkey_id", String(32)),
)
"""`account_id`: the account that it is for; None for an operator's. `views_account_id`, `views_until`: the account
whose pages an operator is shown besides his own, and until when. `rights`, `app_ids`: what a sign-in link gave;
without them the membership holds, at each request. `proof`: the best that its person has proved himself by, None of one
that an older version began. `passkey_id`: the passkey that began or elevated it, with which it ends."""

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("email", String(320), nullable=False),
    Column("name", String(191), nullable=False),
    Column("rights", Text, nullable=False),
    Column("app_ids", Text),
    Column("return_to", Text, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
)
"""Single use: the row goes when the link is opened. `rights`: empty for those of the membership."""

passwords = Table(
    "passwords",
    metadata,
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", String(255), nullable=False),
    Column("account_ids", Text),
    Column("changed_at", BigInteger, nullable=False),
)
"""`hash`: of argon2id, with its parameters. `account_ids`: a JSON list of the accounts that the password opens, None
for all. Who invites somebody may open the invitation himself: a password that was set then opens that account only,
until the person proves that the address is his."""

password_links = Table(
    "password_links",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("ends_at", BigInteger, nullable=False),
)
"""As `sign_in_links`, for whoever sets a new password."""

second_factors = Table(
    "second_factors",
    metadata,
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("secret_sealed", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("is_proved", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
"""Authenticator apps. `secret_sealed`: with the master key. `last_step`: the newest half minute whose code was used; no
older one counts. `is_proved`: whoever set it up had proved that the person's address is his."""

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", LargeBinary(32), primary_key=True),
)
"""Single use: the row goes with the code. `hash`: SHA-256 of the person and the code, which has 80 random bits."""

half_sessions = Table(
    "half_sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("ends_at", BigInteger, nullable=False),
)
"""Who gave the right password and has yet to give a code; the row goes when he does."""

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("credential_id", LargeBinary(1023), nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", Text),
    Column("host", String(253), nullable=False),
    Column("name", String(100), nullable=False),
    Column("account_ids", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)
"""`credential_id`, `public_key` (COSE), `sign_count`, `transports` (a JSON list): as the authenticator tells them.
`host`: the name of the site that it was made for, which no other may ask it for. `account_ids`: see `passwords`."""

operator_links = Table(
    "operator_links",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("person_id", ForeignKey("people.id"), nullable=False, index=True),
    Column("ends_at", BigInteger, nullable=False),
)
"""As `sign_in_links`, for an operator."""

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("name", String(191), nullable=False),
    Column("start", String(16), nullable=False),
    Column("sealed", LargeBinary),
    Column("person_id", ForeignKey("people.id"), index=True),
    Column("made_by", Text, nullable=False),
    Column("rights", Text, nullable=False),
    Column("app_ids", Text),
    Column("networks", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("used_at", BigInteger),
)
"""`hash`: SHA-256 of the key. `sealed`: the key wrapped with the master key, of main keys alone; the newest of an
account's main keys is *the* main key, older ones work until `ends_at`. `person_id`: whose rights bound those of the key
at each request; None for one that the account's main key, the host or the operator made. `networks`: JSON list, None
for any. `used_at`: to the hour."""

admin_keys = Table(
    "admin_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("hash", LargeBinary(32), nullable=False, unique=True),
    Column("name", String(191), nullable=False, unique=True),
    Column("start", String(16), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("networks", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("used_at", BigInteger),
)
"""The host's keys. `scopes`: names with blanks between."""

links = Table(
    "links",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("app_id", String(32), nullable=False),
    Column("backup_id", ForeignKey("backups.id", ondelete="CASCADE"), nullable=False),
    Column("format", String(8), nullable=False),
    Column("made_by", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    UniqueConstraint("backup_id", "format", "ends_at", name="uq_links_backup_format_end"),
)
"""Download links with an end, until it."""
Index("ix_links_ends", links.c.ends_at)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("account_id", String(32)),
    Column("actor_kind", String(16), nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("actor_name", String(320), nullable=False),
    Column("ip", String(45)),
    Column("action", String(64), nullable=False),
    Column("app_id", String(32)),
    Column("backup_id", String(32)),
    Column("job_id", String(32)),
    Column("data", Text, nullable=False),
    sqlite_autoincrement=True,
)
"""Changes and who made them, entered in the transaction of the change. It outlives what it names, so it has no foreign
keys. `account_id`: None for a change of the instance itself."""
Index("ix_audit_account", audit.c.account_id, audit.c.seq)
Index("ix_audit_app", audit.c.app_id, audit.c.seq)
Index("ix_audit_at", audit.c.at)

days = Table(
    "days",
    metadata,
    Column("app_id", ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("good", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("cancelled", Integer, nullable=False, server_default="0"),
    Column("missed", Integer, nullable=False, server_default="0"),
    Column("damaged", Integer, nullable=False, server_default="0"),
    Column("proved", Integer, nullable=False, server_default="0"),
    Column("added_bytes", BigInteger, nullable=False, server_default="0"),
    Column("content_bytes", BigInteger, nullable=False, server_default="0"),
    Column("stored_bytes", BigInteger, nullable=False, server_default="0"),
)
"""Counts of an application on a day (`YYYY-MM-DD` in the instance's time zone); `records.Day` says of what."""
