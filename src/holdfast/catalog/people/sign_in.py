"""Signing in: links and invitations in the catalog, and the session that whoever opens one gets.

Each is used once: its row goes in the transaction in which the session comes, so of two who open it one gets in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, exists, or_, select

from holdfast.catalog.database.access_tables import invitations, passkeys, passwords, sign_in_links
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import stored_texts, texts
from holdfast.catalog.people.members import enter_member, enter_person, is_member
from holdfast.catalog.people.records import Member, Person, Session, SignInLink
from holdfast.catalog.people.second_factors import BY_PASSKEY, BY_SECOND_FACTOR
from holdfast.catalog.people.sessions import drop_session, enter_session
from holdfast.catalog.records import Actor, ActorKind, new_id

BY_PASSWORD = "password"
"""The way that a session began, in the audit."""
PROOFS = {BY_PASSWORD, BY_SECOND_FACTOR, BY_PASSKEY}
"""The ways in which a person proves himself; a session that begins so is elevated."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """The session that is to come. `replaces`: the hash of the token that the browser had until now.

    `elevated_until`: of one that begins with a password, and of whoever has none yet. `passkey_id`: as of a `Session`.
    """

    token_hash: bytes
    created_at: int
    ends_at: int
    ip: str
    agent: str
    elevated_until: int
    replaces: bytes | None = None
    passkey_id: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """Who came in, to which account, and the path that the link leads to. `is_new_member`: he became one by it."""

    person: Person
    account_id: str
    return_to: str
    is_new_member: bool


def add_sign_in_link(catalog: Catalog, link: SignInLink, token_hash: bytes, change: Change, now_ns: int) -> None:
    """Add a sign-in link. `token_hash`: SHA-256 of the ticket in its URL."""
    values = msgspec.structs.asdict(link)
    values["app_ids"] = stored_texts(link.app_ids)
    with catalog.write() as connection:
        hold_account(connection, link.account_id)
        connection.execute(sign_in_links.insert().values(token_hash=token_hash, **values))
        enter_audit(connection, change, now_ns)


def open_sign_in_link(catalog: Catalog, token_hash: bytes, new: NewSession, owner: str) -> Opened | None:
    """Use a sign-in link up and enter the session that it gives; return None when there is none that still opens.

    One without rights of its own is for a member. Who has the account's address and is none becomes one, with the
    rights `owner`; for anybody else it does not open any more.
    """
    with catalog.write() as connection:
        link = _taken(connection, sign_in_links, token_hash, new.created_at)
        if link is None:
            return None
        person = enter_person(connection, Person(new_id(new.created_at), link["email"], link["name"], new.created_at))
        is_new = not link["rights"] and not is_member(connection, link["account_id"], person.id)
        if is_new:
            address = select(accounts.c.email).where(accounts.c.id == link["account_id"])
            if connection.execute(address).scalar_one().lower() != person.email:
                return None
            member_id = new_id(new.created_at)
            enter_member(connection, Member(member_id, link["account_id"], person, owner, None, new.created_at))
            _enter_joined(connection, link["account_id"], person, member_id, owner, None, new)
        opened = Opened(person, link["account_id"], link["return_to"], is_new)
        enter_account_session(connection, opened, link["rights"] or None, texts(link["app_ids"]), new, "link")
    return opened


def accept_invitation(catalog: Catalog, token_hash: bytes, new: NewSession) -> Opened | None:
    """Use an invitation up: whoever accepts becomes a member with its rights, unless he is one, and is signed in.

    Return None when there is none that is still open.
    """
    with catalog.write() as connection:
        return accept_within(connection, token_hash, new)


def accept_within(connection: Connection, token_hash: bytes, new: NewSession) -> Opened | None:
    """Do the same, within a transaction."""
    found = _taken(connection, invitations, token_hash, new.created_at)
    if found is None:
        return None
    account_id, app_ids = found["account_id"], texts(found["app_ids"])
    person = enter_person(connection, Person(new_id(new.created_at), found["email"], "", new.created_at))
    is_new = not is_member(connection, account_id, person.id)
    if is_new:
        # The member keeps the invitation's id, under which whoever invited him knows him.
        enter_member(connection, Member(found["id"], account_id, person, found["rights"], app_ids, new.created_at))
        _enter_joined(connection, account_id, person, found["id"], found["rights"], app_ids, new)
    opened = Opened(person, account_id, "", is_new)
    enter_account_session(connection, opened, None, None, new, "invitation")
    return opened


def _taken(connection: Connection, table: Table, token_hash: bytes, now_ns: int) -> dict[str, Any] | None:
    """Delete the row of a token and return it; None when there is none that is open, or its account has ended."""
    of_token = (table.c.token_hash == token_hash, table.c.ends_at > now_ns)
    account_id = connection.execute(select(table.c.account_id).where(*of_token)).scalar()
    # The account's row first, as whoever erases it holds that and then deletes these.
    hold_account(connection, account_id)
    row = connection.execute(table.delete().where(*of_token).returning(*table.c)).mappings().first()
    is_open = select(accounts.c.id).where(accounts.c.id == account_id, accounts.c.ended_at.is_(None))
    if row is None or connection.execute(is_open).first() is None:
        return None
    return dict(row)


def _enter_joined(
    connection: Connection,
    account_id: str,
    person: Person,
    member_id: str,
    rights: str,
    app_ids: tuple[str, ...] | None,
    new: NewSession,
) -> None:
    after = {"email": person.email, "rights": rights, "app_ids": app_ids}
    data = {"member_id": member_id, "after": after}
    enter_audit(connection, Change(_actor(person, new), "member.joined", account_id, data=data), new.created_at)


def enter_account_session(
    connection: Connection,
    opened: Opened,
    rights: str | None,
    app_ids: tuple[str, ...] | None,
    new: NewSession,
    by_way_of: str,
) -> None:
    """Enter a session on an account, in place of the one that the browser had.

    One that begins without the password, or a passkey, of a person who has one is not elevated.
    """
    if new.replaces is not None:
        drop_session(connection, new.replaces)
    session = Session(
        id=new_id(new.created_at),
        person_id=opened.person.id,
        account_id=opened.account_id,
        rights=rights,
        app_ids=app_ids,
        created_at=new.created_at,
        seen_at=new.created_at,
        ends_at=new.ends_at,
        elevated_until=None
        if by_way_of not in PROOFS and has_proof(connection, opened.person.id)
        else new.elevated_until,
        ip=new.ip,
        agent=new.agent,
        proof=by_way_of,
        passkey_id=new.passkey_id,
    )
    enter_session(connection, session, new.token_hash)
    data = {"session_id": session.id, "by": by_way_of, "rights": rights, "app_ids": app_ids}
    change = Change(_actor(opened.person, new), "session.created", opened.account_id, data=data)
    enter_audit(connection, change, new.created_at)


def _actor(person: Person, new: NewSession) -> Actor:
    return Actor(ActorKind.PERSON, person.id, person.email, new.ip)


def has_proof(connection: Connection, person_id: str) -> bool:
    """Return True if a person has a password or a passkey."""
    known = (exists().where(table.c.person_id == person_id) for table in (passwords, passkeys))
    return bool(connection.execute(select(or_(*known))).scalar())
