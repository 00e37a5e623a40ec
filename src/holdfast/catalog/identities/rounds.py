"""Rounds in the catalog, and tokens of hosts: each is used once, also by two at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.identity_tables import sign_in_rounds
from holdfast.catalog.database.used import use_once
from holdfast.catalog.identities.records import Purpose, Round

_COLUMNS = tuple(sign_in_rounds.c[name] for name in Round.__struct_fields__)


def _round_of(row: Row[Any]) -> Round:
    values = row._asdict()
    return Round(**{**values, "purpose": Purpose(values["purpose"])})


def add_round(catalog: Catalog, begun: Round, state_hash: bytes, browser_hash: bytes) -> None:
    """Add a round; those that have ended go. `state_hash`, `browser_hash`: SHA-256 of what the browser carries."""
    values = msgspec.structs.asdict(begun)
    with catalog.write(durable=False) as connection:
        connection.execute(sign_in_rounds.delete().where(sign_in_rounds.c.ends_at <= begun.started_at))
        connection.execute(sign_in_rounds.insert().values(state_hash=state_hash, browser_hash=browser_hash, **values))


def take_round(
    catalog: Catalog, provider: str, purposes: Sequence[Purpose], state_hash: bytes, browser_hash: bytes, now_ns: int
) -> Round | None:
    """Use a round up and return it; None when this browser has no such round that is open."""
    with catalog.write() as connection:
        one = (
            sign_in_rounds.c.state_hash == state_hash,
            sign_in_rounds.c.browser_hash == browser_hash,
            sign_in_rounds.c.provider == provider,
            sign_in_rounds.c.purpose.in_(purposes),
            sign_in_rounds.c.ends_at > now_ns,
        )
        row = connection.execute(sign_in_rounds.delete().where(*one).returning(*_COLUMNS)).first()
    return None if row is None else _round_of(row)


def open_choice(catalog: Catalog, provider: str, browser_hash: bytes, now_ns: int) -> Round | None:
    """Return the round of who has yet to choose an account, which stays open; its state is the browser's own token."""
    one = (
        sign_in_rounds.c.state_hash == browser_hash,
        sign_in_rounds.c.provider == provider,
        sign_in_rounds.c.purpose == Purpose.CHOOSE,
        sign_in_rounds.c.ends_at > now_ns,
    )
    with catalog.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(*one)).first()
    return None if row is None else _round_of(row)


def use_token(catalog: Catalog, token_hash: bytes, ends_at: int, now_ns: int) -> bool:
    """Note that a host's token is used; return False when it was used before. `ends_at`: it is refused from then on."""
    with catalog.write() as connection:
        return use_once(connection, token_hash, ends_at, now_ns)
