"""Sessions in the catalog: who is signed in, in which browser, until when."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from holdfast.catalog.database.access_tables import sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import stored_texts, texts
from holdfast.catalog.people.records import Session

_COLUMNS = tuple(sessions.c[name] for name in Session.__struct_fields__)


def _session_of(row: Row[Any]) -> Session:
    values = row._asdict()
    values["app_ids"] = texts(values["app_ids"])
    return Session(**values)


def enter_session(connection: Connection, session: Session, token_hash: bytes) -> None:
    """Add a session, within a transaction. `token_hash`: SHA-256 of what its cookie holds."""
    values = msgspec.structs.asdict(session)
    values["app_ids"] = stored_texts(session.app_ids)
    connection.execute(sessions.insert().values(token_hash=token_hash, **values))


def drop_session(connection: Connection, token_hash: bytes) -> None:
    """Delete the session with this token, if there is one, within a transaction."""
    connection.execute(sessions.delete().where(sessions.c.token_hash == token_hash))


def sessions_of(catalog: Catalog, person_id: str, account_id: str | None, now_ns: int) -> list[Session]:
    """Return a person's open sessions of an account, the one last seen first."""
    query = (
        select(*_COLUMNS)
        .where(sessions.c.person_id == person_id, sessions.c.account_id == account_id, sessions.c.ends_at > now_ns)
        .order_by(sessions.c.seen_at.desc(), sessions.c.id)
    )
    with catalog.read() as connection:
        return [_session_of(row) for row in connection.execute(query).all()]


def delete_session(catalog: Catalog, person_id: str, session_id: str, change: Change, now_ns: int) -> bool:
    """End a session of a person; return False when he has no such session of the change's account."""
    own = (sessions.c.person_id == person_id, sessions.c.account_id == change.account_id)
    with catalog.write() as connection:
        ended = connection.execute(sessions.delete().where(sessions.c.id == session_id, *own)).rowcount > 0
        if ended:
            enter_audit(connection, change, now_ns)
    return ended


def delete_other_sessions(catalog: Catalog, person_id: str, kept_id: str, change: Change, now_ns: int) -> None:
    """End all sessions of a person, of the change's account, but one."""
    own = (sessions.c.person_id == person_id, sessions.c.account_id == change.account_id, sessions.c.id != kept_id)
    with catalog.write() as connection:
        if connection.execute(sessions.delete().where(*own)).rowcount:
            enter_audit(connection, change, now_ns)


def note_session_seen(catalog: Catalog, session_id: str, now_ns: int, ends_at: int) -> None:
    """Record when a session was last seen, and its end by that; it may be lost in a power cut."""
    with catalog.write(durable=False) as connection:
        connection.execute(
            sessions.update()
            .where(sessions.c.id == session_id, sessions.c.seen_at < now_ns)
            .values(seen_at=now_ns, ends_at=ends_at)
        )
