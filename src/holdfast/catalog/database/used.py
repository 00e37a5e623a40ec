"""Things that count once: tokens of hosts, challenges of passkeys. Of two who use the same one gets in."""

from __future__ import annotations

from sqlalchemy import Connection

from holdfast.catalog.database.identity_tables import used_tokens
from holdfast.catalog.database.upsert import insert_into


def use_once(connection: Connection, key: bytes, ends_at: int, now_ns: int) -> bool:
    """Note within a transaction that something is used; return False when it was used before.

    `key`: its SHA-256; `ends_at`: it is refused from then on.
    """
    connection.execute(used_tokens.delete().where(used_tokens.c.ends_at <= now_ns))
    noted = insert_into(connection, used_tokens).values(hash=key, ends_at=ends_at)
    # Not the count of rows, which PostgreSQL's driver does not tell of such an insert.
    added = noted.on_conflict_do_nothing(index_elements=["hash"]).returning(used_tokens.c.hash)
    return connection.execute(added).first() is not None
