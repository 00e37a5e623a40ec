"""Delete the rows of links, invitations, sessions, sign-in links and keys that have ended, and people without any."""

from __future__ import annotations

from holdfast.catalog.database.access_tables import (
    half_sessions,
    invitations,
    keys,
    links,
    operator_links,
    password_links,
    sessions,
    sign_in_links,
)
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.people.members import forget_strangers

_TABLES = (
    *(links, invitations, sessions, sign_in_links, operator_links, password_links, keys),
    half_sessions,
)


def delete_ended(catalog: Catalog, before: int) -> int:
    """Delete the rows of what ended before a time (nanoseconds); return how many."""
    with catalog.write() as connection:
        ended = sum(connection.execute(table.delete().where(table.c.ends_at < before)).rowcount for table in _TABLES)
        forget_strangers(connection)
        return ended
