"""Links that let a person set a new password; each works once."""

from __future__ import annotations

from sqlalchemy import select

from holdfast.catalog.database.access_tables import password_links, passwords, sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.second_factors import drop_unproved, end_half_sessions


def add_password_link(
    catalog: Catalog, person_id: str, token_hash: bytes, ends_at: int, change: Change, now_ns: int
) -> None:
    """Add a link. `token_hash`: SHA-256 of the token in its URL."""
    with catalog.write() as connection:
        values = {"token_hash": token_hash, "person_id": person_id, "ends_at": ends_at}
        connection.execute(password_links.insert().values(values))
        enter_audit(connection, change, now_ns)


def person_of_link(catalog: Catalog, token_hash: bytes, now_ns: int) -> str | None:
    """Return the id of the person whose link has this token; None when it has ended."""
    of_token = (password_links.c.token_hash == token_hash, password_links.c.ends_at > now_ns)
    with catalog.read() as connection:
        found: str | None = connection.execute(select(password_links.c.person_id).where(*of_token)).scalar()
    return found


def use_password_link(catalog: Catalog, token_hash: bytes, password_hash: str, change: Change, now_ns: int) -> bool:
    """Use a link up: set the password of its person, for all accounts, and end his sessions and other links.

    A second factor that he set up before his address was proved goes too; one that was set up since stays.
    Return False when it opens nothing any more.
    """
    of_token = (password_links.c.token_hash == token_hash, password_links.c.ends_at > now_ns)
    with catalog.write() as connection:
        taken = password_links.delete().where(*of_token).returning(password_links.c.person_id)
        person_id = connection.execute(taken).scalar()
        if person_id is None:
            return False
        for table in (password_links, sessions, passwords):
            connection.execute(table.delete().where(table.c.person_id == person_id))
        end_half_sessions(connection, person_id)
        drop_unproved(connection, person_id)
        values = {"person_id": person_id, "hash": password_hash, "account_ids": None, "changed_at": now_ns}
        connection.execute(passwords.insert().values(values))
        enter_audit(connection, change, now_ns)
    return True
