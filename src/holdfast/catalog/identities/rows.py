"""Identities in the catalog: whose they are, which accounts they open, and the sessions that begin with them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, exists, select

from holdfast.catalog.database.access_tables import passkeys, passwords, people, sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.identity_tables import identities
from holdfast.catalog.database.upsert import insert_into
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.identities.records import Identity, IdentityTaken, KnownIdentity, LastWayIn, OtherWayIn
from holdfast.catalog.people.keys import stored_texts, texts
from holdfast.catalog.people.passwords import account_entrances, opened_by
from holdfast.catalog.people.passwords import covers as covers
from holdfast.catalog.people.passwords import opens as opens
from holdfast.catalog.people.records import Person
from holdfast.catalog.people.sign_in import NewSession, Opened, accept_within, enter_account_session
from holdfast.catalog.records import Actor, ActorKind, new_id

_COLUMNS = tuple(identities.c[name] for name in Identity.__struct_fields__)


def _identity_of(row: Row[Any]) -> Identity:
    values = row._asdict()
    values["account_ids"] = texts(values["account_ids"])
    return Identity(**values)


def known_identity(catalog: Catalog, issuer: str, subject: str) -> KnownIdentity | None:
    """Return the identity that an issuer has under an id."""
    return _known(catalog, (identities.c.issuer == issuer) & (identities.c.subject == subject))


def identity_by_id(catalog: Catalog, identity_id: str) -> KnownIdentity | None:
    """Return an identity by our own id."""
    return _known(catalog, identities.c.id == identity_id)


def _known(catalog: Catalog, which: ColumnElement[bool]) -> KnownIdentity | None:
    with catalog.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(which)).first()
        if row is None:
            return None
        identity = _identity_of(row)
        person = select(people.c.id, people.c.email, people.c.name, people.c.created_at)
        known = connection.execute(person.where(people.c.id == identity.person_id)).one()
        found = account_entrances(connection, people.c.id == identity.person_id)
    # Accounts alone: an operator proves more than that another site knows him.
    entrances = tuple(one for one in found if opens(identity.account_ids, one.account_id))
    return KnownIdentity(identity, Person(*known), entrances)


def identities_of(catalog: Catalog, person_id: str) -> list[Identity]:
    """Return all identities of a person, oldest first."""
    query = select(*_COLUMNS).where(identities.c.person_id == person_id)
    with catalog.read() as connection:
        return [_identity_of(row) for row in connection.execute(query.order_by(identities.c.id)).all()]


def link_identity(
    catalog: Catalog, new: Identity, session_id: str, account_id: str | None, change: Change, now_ns: int
) -> Identity | None:
    """Link an identity in a session that is open; return it as it is then, None when the session has ended.

    `account_id`: the session's, which the identity opens from now on; None: an operator's. One that a person had before
    opens an account more. It opens all accounts where the person's password does, as the session was elevated by that.
    Raises IdentityTaken.
    """
    with catalog.write() as connection:
        hold_account(connection, account_id)
        own = select(sessions.c.id).where(sessions.c.id == session_id, sessions.c.person_id == new.person_id)
        if connection.execute(own).first() is None:
            return None
        opens_all = account_id is None or _password_opens_all(connection, new.person_id)
        return _enter_identity(connection, new, None if opens_all else account_id, change, now_ns)


def accept_by_identity(
    catalog: Catalog, invitation_hash: bytes, proved: Identity, by: NewSession, change: Change
) -> Opened | None:
    """Use an invitation up for whoever came back from another site, and link that identity, in one transaction.

    `proved`: without a person; `change`: of the link, without who makes it. Return None when the invitation is not open
    any more. Raises IdentityTaken, and OtherWayIn for a person who has another way in: he links after signing in by it.
    """
    with catalog.write() as connection:
        opened = accept_within(connection, invitation_hash, by)
        if opened is None:
            return None
        new = msgspec.structs.replace(proved, person_id=opened.person.id)
        same = (identities.c.issuer == new.issuer, identities.c.subject == new.subject)
        is_known = connection.execute(select(identities.c.id).where(*same)).first() is not None
        if not is_known and _has_way_in(connection, opened.person.id):
            raise OtherWayIn
        by_person = Actor(ActorKind.PERSON, opened.person.id, opened.person.email, by.ip)
        change = msgspec.structs.replace(change, by=by_person, account_id=opened.account_id)
        _enter_identity(connection, new, opened.account_id, change, by.created_at)
    return opened


def _enter_identity(
    connection: Connection, new: Identity, account_id: str | None, change: Change, now_ns: int
) -> Identity:
    """Add an identity that opens an account (None: all), or have a known one open that too. Raises IdentityTaken."""
    first = msgspec.structs.replace(new, account_ids=None if account_id is None else (account_id,))
    values = msgspec.structs.asdict(first) | {"account_ids": stored_texts(first.account_ids)}
    # Two browsers may link the same identity at once.
    added = (
        insert_into(connection, identities).values(values).on_conflict_do_nothing(index_elements=["issuer", "subject"])
    )
    linked = first
    # Not the count of rows, which PostgreSQL's driver does not tell of such an insert.
    if connection.execute(added.returning(identities.c.id)).first() is None:
        same = (identities.c.issuer == new.issuer, identities.c.subject == new.subject)
        known = _identity_of(connection.execute(select(*_COLUMNS).where(*same)).one())
        if known.person_id != new.person_id:
            raise IdentityTaken
        more = None if account_id is None or known.account_ids is None else (*known.account_ids, account_id)
        account_ids = None if more is None else tuple(dict.fromkeys(more))
        linked = msgspec.structs.replace(known, label=new.label, account_ids=account_ids)
        values = {"label": linked.label, "account_ids": stored_texts(account_ids)}
        connection.execute(identities.update().where(identities.c.id == known.id).values(values))
    data = {**change.data, "identity_id": linked.id, "label": linked.label, "account_ids": linked.account_ids}
    enter_audit(connection, msgspec.structs.replace(change, data=data), now_ns)
    return linked


def _password_opens_all(connection: Connection, person_id: str) -> bool:
    every = select(passwords.c.person_id).where(passwords.c.person_id == person_id, passwords.c.account_ids.is_(None))
    return connection.execute(every).first() is not None


def _has_way_in(connection: Connection, person_id: str) -> bool:
    """Return True if a person has a password, a passkey or an identity."""
    known = (exists().where(table.c.person_id == person_id) for table in (passwords, passkeys, identities))
    return any(connection.execute(select(one)).scalar() for one in known)


def unlink_identity(
    catalog: Catalog, person_id: str, identity_id: str, account_id: str | None, change: Change, now_ns: int
) -> bool:
    """Unlink an identity of a person that opens an account (None: the instance itself); return False without it.

    Raises LastWayIn when nothing else opens that; of two who unlink the last two at once, one is refused.
    """
    with catalog.write() as connection:
        hold_account(connection, account_id)
        connection.execute(select(people.c.id).where(people.c.id == person_id).with_for_update())
        rows = connection.execute(select(*_COLUMNS).where(identities.c.person_id == person_id)).all()
        opening = [one for one in map(_identity_of, rows) if opens(one.account_ids, account_id)]
        if all(one.id != identity_id for one in opening):
            return False
        others = (passwords, passkeys)
        if len(opening) == 1 and not any(opened_by(connection, one, person_id, account_id) for one in others):
            raise LastWayIn
        connection.execute(identities.delete().where(identities.c.id == identity_id))
        enter_audit(connection, change, now_ns)
    return True


def enter_by_identity(catalog: Catalog, known: KnownIdentity, account_id: str, new: NewSession, by_way_of: str) -> bool:
    """Enter the session of a person whom another site has signed in; return False when it was unlinked meanwhile.

    It is not elevated: the site may have known him since long ago.
    """
    new = replace(new, elevated_until=0)
    with catalog.write() as connection:
        same = (identities.c.id == known.identity.id, identities.c.person_id == known.person.id)
        values = {"used_at": new.created_at, "label": known.identity.label}
        if not connection.execute(identities.update().where(*same).values(values)).rowcount:
            return False
        opened = Opened(known.person, account_id, "", is_new_member=False)
        enter_account_session(connection, opened, None, None, new, by_way_of)
    return True


def elevate_by_identity(
    catalog: Catalog, identity: Identity, session_id: str, token_hash: bytes, until: int, change: Change, now_ns: int
) -> bool:
    """Give a session another token and elevate it, in whose account an identity has just proved its person.

    Return False when the session has ended, the identity does not open its account, or opens less than the person's
    password does: whoever is elevated may change that.
    """
    account_id = change.account_id
    with catalog.write() as connection:
        row = connection.execute(select(*_COLUMNS).where(identities.c.id == identity.id)).first()
        if row is None or row.person_id != identity.person_id or not opens(texts(row.account_ids), account_id):
            return False
        known = connection.execute(
            select(passwords.c.account_ids).where(passwords.c.person_id == identity.person_id)
        ).first()
        if known is not None and not covers(texts(row.account_ids), texts(known.account_ids)):
            return False
        own = (sessions.c.id == session_id, sessions.c.person_id == identity.person_id)
        elsewhere = sessions.c.account_id.is_(None) if account_id is None else sessions.c.account_id == account_id
        values = {"token_hash": token_hash, "elevated_until": until}
        if not connection.execute(sessions.update().where(*own, elsewhere).values(values)).rowcount:
            return False
        connection.execute(identities.update().where(identities.c.id == identity.id).values(used_at=now_ns))
        enter_audit(connection, change, now_ns)
    return True


def new_identity(person_id: str, issuer: str, subject: str, label: str, now_ns: int) -> Identity:
    """Return an identity that is not linked yet."""
    return Identity(new_id(now_ns), person_id, issuer, subject, label, None, now_ns, None)
