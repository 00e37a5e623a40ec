"""Operators in the catalog: people who may sign in to the instance itself, their links and sessions.

A session of an operator has no account. A link is used once, as in `sign_in`.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from holdfast.catalog.database.access_tables import operator_links, people, sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.members import enter_person, forget_strangers
from holdfast.catalog.people.records import Operator, Person, Session
from holdfast.catalog.people.sessions import drop_session, enter_session
from holdfast.catalog.people.sign_in import NewSession
from holdfast.catalog.records import Actor, ActorKind, new_id

_SEEN = (
    select(func.max(sessions.c.seen_at))
    .where(sessions.c.person_id == people.c.id, sessions.c.account_id.is_(None))
    .scalar_subquery()
)
_ALL = select(people.c.id, people.c.email, people.c.created_at, _SEEN).where(people.c.is_operator)


def operators(catalog: Catalog) -> list[Operator]:
    """Return all operators, by e-mail address."""
    with catalog.read() as connection:
        return [Operator(*row) for row in connection.execute(_ALL.order_by(people.c.email)).all()]


def find_operator(catalog: Catalog, email: str) -> Operator | None:
    """Return the operator with an e-mail address (in lower case)."""
    with catalog.read() as connection:
        row = connection.execute(_ALL.where(people.c.email == email)).first()
    return None if row is None else Operator(*row)


def add_operator(catalog: Catalog, email: str, change: Change, now_ns: int) -> Operator | None:
    """Make whoever has an e-mail address an operator; return None when he is one."""
    with catalog.write() as connection:
        person = enter_person(connection, Person(new_id(now_ns), email, "", now_ns))
        is_new = people.c.id == person.id, ~people.c.is_operator
        if not connection.execute(people.update().where(*is_new).values(is_operator=True)).rowcount:
            return None
        enter_audit(connection, change, now_ns)
    return Operator(person.id, person.email, person.created_at, None)


def remove_operator(catalog: Catalog, person_id: str, change: Change, now_ns: int) -> bool:
    """Take the role from an operator, with his links and sessions; return False when he does not have it."""
    with catalog.write() as connection:
        was_one = people.c.id == person_id, people.c.is_operator
        if not connection.execute(people.update().where(*was_one).values(is_operator=False)).rowcount:
            return False
        connection.execute(operator_links.delete().where(operator_links.c.person_id == person_id))
        own = sessions.c.person_id == person_id, sessions.c.account_id.is_(None)
        connection.execute(sessions.delete().where(*own))
        forget_strangers(connection)
        enter_audit(connection, change, now_ns)
    return True


def add_operator_link(
    catalog: Catalog, person_id: str, token_hash: bytes, ends_at: int, change: Change, now_ns: int
) -> None:
    """Add a sign-in link of an operator. `token_hash`: SHA-256 of the ticket in its URL."""
    with catalog.write() as connection:
        values = {"token_hash": token_hash, "person_id": person_id, "ends_at": ends_at}
        connection.execute(operator_links.insert().values(values))
        enter_audit(connection, change, now_ns)


def open_operator_link(catalog: Catalog, token_hash: bytes, new: NewSession) -> bool:
    """Use an operator's link up and enter the session that it gives; return False when none still opens."""
    with catalog.write() as connection:
        of_token = operator_links.c.token_hash == token_hash, operator_links.c.ends_at > new.created_at
        taken = operator_links.delete().where(*of_token).returning(operator_links.c.person_id)
        person_id = connection.execute(taken).scalar()
        found = select(people.c.email).where(people.c.id == person_id, people.c.is_operator)
        email = connection.execute(found).scalar()
        if person_id is None or email is None:
            return False
        enter_operator_session(connection, person_id, email, new, "link")
    return True


def enter_operator_session(connection: Connection, person_id: str, email: str, new: NewSession, by_way_of: str) -> str:
    """Enter a session of an operator, in place of the one that the browser had; return its id."""
    if new.replaces is not None:
        drop_session(connection, new.replaces)
    session = Session(
        id=new_id(new.created_at),
        person_id=person_id,
        account_id=None,
        rights=None,
        app_ids=None,
        created_at=new.created_at,
        seen_at=new.created_at,
        ends_at=new.ends_at,
        elevated_until=new.elevated_until,  # whoever runs commands on the home may do all that he elevates for
        ip=new.ip,
        agent=new.agent,
        proof=by_way_of,
        passkey_id=new.passkey_id,
    )
    enter_session(connection, session, new.token_hash)
    actor = Actor(ActorKind.OPERATOR, person_id, email, new.ip)
    data = {"session_id": session.id, "by": by_way_of}
    enter_audit(connection, Change(actor, "session.created", data=data), new.created_at)
    return session.id


def end_operator_session(catalog: Catalog, person_id: str, session_id: str, change: Change, now_ns: int) -> bool:
    """End a session that an operator has as one; return False when it does not exist."""
    own = sessions.c.id == session_id, sessions.c.person_id == person_id, sessions.c.account_id.is_(None)
    with catalog.write() as connection:
        ended = connection.execute(sessions.delete().where(*own)).rowcount > 0
        if ended:
            enter_audit(connection, change, now_ns)
    return ended
