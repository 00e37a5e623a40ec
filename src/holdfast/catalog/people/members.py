"""People and members in the catalog."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from holdfast.catalog.database.access_tables import members, people
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.people.keys import stored_texts, texts
from holdfast.catalog.people.records import Member, Person

_PERSON = tuple(people.c[name] for name in Person.__struct_fields__)
_MEMBER = (members.c.id, members.c.account_id, members.c.rights, members.c.app_ids, members.c.created_at)


def _member_of(row: Row[Any]) -> Member:
    member_id, account_id, rights, app_ids, created_at = row[: len(_MEMBER)]
    return Member(member_id, account_id, Person(*row[len(_MEMBER) :]), rights, texts(app_ids), created_at)


def members_of(catalog: Catalog, account_id: str) -> list[Member]:
    """Return the members of an account, oldest first."""
    query = (
        select(*_MEMBER, *_PERSON)
        .join(people, people.c.id == members.c.person_id)
        .where(members.c.account_id == account_id)
        .order_by(members.c.created_at, members.c.id)
    )
    with catalog.read() as connection:
        return [_member_of(row) for row in connection.execute(query).all()]


def enter_person(connection: Connection, person: Person) -> Person:
    """Return the person with this one's e-mail address, who is added if there is none, within a transaction."""
    row = connection.execute(select(*_PERSON).where(people.c.email == person.email)).first()
    if row is not None:
        return Person(*row)
    connection.execute(people.insert().values({name: getattr(person, name) for name in Person.__struct_fields__}))
    return person


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
