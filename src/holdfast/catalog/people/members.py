"""People and members in the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, select

from holdfast.catalog.database.access_tables import invitations, keys, members, people, sessions, sign_in_links
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.upsert import insert_into
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import actor_of, stored_texts, texts
from holdfast.catalog.people.records import Member, Person
from holdfast.catalog.records import ActorKind

_PERSON = tuple(people.c[name] for name in Person.__struct_fields__)
_MEMBER = (members.c.id, members.c.account_id, members.c.rights, members.c.app_ids, members.c.created_at)
_ALL = select(*_MEMBER, *_PERSON).join(people, people.c.id == members.c.person_id)

Decide = Callable[[Member, list[Member]], tuple[Member | None, Change]]
"""Called with a member and all others of the account, while nobody else changes them.

It returns the member as he is to be, or None to end him, and what the audit is told; it raises to change nothing.
"""


def _member_of(row: Row[Any]) -> Member:
    member_id, account_id, rights, app_ids, created_at = row[: len(_MEMBER)]
    return Member(member_id, account_id, Person(*row[len(_MEMBER) :]), rights, texts(app_ids), created_at)


def members_of(catalog: Catalog, account_id: str) -> list[Member]:
    """Return the members of an account, oldest first."""
    with catalog.read() as connection:
        return members_within(connection, account_id)


def members_within(connection: Connection, account_id: str) -> list[Member]:
    """Return the same, within a transaction."""
    query = _ALL.where(members.c.account_id == account_id).order_by(members.c.created_at, members.c.id)
    return [_member_of(row) for row in connection.execute(query).all()]


def is_member(connection: Connection, account_id: str, person_id: str) -> bool:
    """Return True if a person is a member of an account."""
    query = select(members.c.id).where(members.c.account_id == account_id, members.c.person_id == person_id)
    return connection.execute(query).first() is not None


def enter_person(connection: Connection, person: Person) -> Person:
    """Return the person with this one's e-mail address, who is added if there is none, within a transaction."""
    values = {name: getattr(person, name) for name in Person.__struct_fields__}
    # Two accounts may meet the same person for the first time at once.
    connection.execute(insert_into(connection, people).values(values).on_conflict_do_nothing(index_elements=["email"]))
    return Person(*connection.execute(select(*_PERSON).where(people.c.email == person.email)).one())


def enter_member(connection: Connection, member: Member) -> None:
    """Add a member, or give one other rights, within a transaction. Their person must be there."""
    values = {"rights": member.rights, "app_ids": stored_texts(member.app_ids)}
    same = (members.c.account_id == member.account_id, members.c.person_id == member.person.id)
    if not connection.execute(members.update().where(*same).values(values)).rowcount:
        connection.execute(
            members.insert().values(
                id=member.id,
                account_id=member.account_id,
                person_id=member.person.id,
                created_at=member.created_at,
                **values,
            )
        )


def change_member(catalog: Catalog, account_id: str, member_id: str, decide: Decide, now_ns: int) -> Member | None:
    """Change or end a member as `decide` has it; return him as he was, None when the account lacks him.

    The keys and sessions of one who ends, and the invitations that he made, end in the same transaction.
    """
    with catalog.write() as connection:
        hold_account(connection, account_id)
        found = members_within(connection, account_id)
        before = next((member for member in found if member.id == member_id), None)
        if before is None:
            return None
        after, change = decide(before, [member for member in found if member.id != member_id])
        if after is None:
            _end(connection, before)
        else:
            enter_member(connection, after)
        enter_audit(connection, change, now_ns)
    return before


def _end(connection: Connection, member: Member) -> None:
    of_account, his = members.c.account_id == member.account_id, member.person.id
    own_keys = (keys.c.account_id == member.account_id, keys.c.person_id == his)
    makers = {(ActorKind.PERSON, his)}
    makers |= {(ActorKind.KEY, key_id) for key_id in connection.execute(select(keys.c.id).where(*own_keys)).scalars()}
    invited = select(invitations.c.id, invitations.c.made_by).where(invitations.c.account_id == member.account_id)
    actors = {row.id: actor_of(row.made_by) for row in connection.execute(invited)}
    made = [invitation_id for invitation_id, actor in actors.items() if (actor.kind, actor.id) in makers]
    connection.execute(invitations.delete().where(invitations.c.id.in_(made)))
    for table, of_person in (
        (keys, keys.c.person_id == his),
        (sessions, sessions.c.person_id == his),
        (invitations, invitations.c.email == member.person.email),
        (sign_in_links, sign_in_links.c.email == member.person.email),
    ):
        connection.execute(table.delete().where(table.c.account_id == member.account_id, of_person))
    connection.execute(members.delete().where(of_account, members.c.id == member.id))


def forget_strangers(connection: Connection) -> None:
    """Delete people without a membership, a session or a key who are not operators, within a transaction."""
    left = (select(table.c.id).where(table.c.person_id == people.c.id).exists() for table in (members, sessions, keys))
    connection.execute(people.delete().where(~people.c.is_operator, *(~one for one in left)))
