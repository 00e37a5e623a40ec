"""The tables of identities: whom other sites know people as, rounds of signing in there, and tokens that were used."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, String, Table, Text, UniqueConstraint

from holdfast.catalog.database.tables import metadata

identities = Table(
    "identities",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("person_id", ForeignKey("people.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("issuer", String(500), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("label", String(191), nullable=False),
    Column("account_ids", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    UniqueConstraint("issuer", "subject", name="uq_identities_issuer_subject"),
)
"""`label`: the name that the site shows for its person. `account_ids`: the accounts that it opens, see `passwords`."""

sign_in_rounds = Table(
    "sign_in_rounds",
    metadata,
    Column("state_hash", LargeBinary(32), primary_key=True),
    Column("browser_hash", LargeBinary(32), nullable=False),
    Column("provider", String(32), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("nonce", String(64), nullable=False),
    Column("verifier", String(64), nullable=False),
    Column("session_id", String(32)),
    Column("invitation_hash", LargeBinary(32)),
    Column("identity_id", String(32)),
    Column("return_to", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
)
"""Single use: the row goes when the browser comes back. `browser_hash`: of the token in its cookie. `session_id`: of
who links or elevates. `identity_id`: of who has come back, and has yet to choose an account."""

used_tokens = Table(
    "used_tokens",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("ends_at", BigInteger, nullable=False, index=True),
)
"""Whatever counts once and was used, until its end: SHA-256 of a host's token (issuer and id), or of the challenge of a
passkey."""
