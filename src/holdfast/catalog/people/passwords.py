"""Passwords in the catalog: whose they are, which accounts they open, and what changes with them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, select

from holdfast.catalog.database.access_tables import members, passkeys, passwords, people, second_factors, sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.database.upsert import insert_into
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import stored_texts, texts
from holdfast.catalog.people.operators import enter_operator_session
from holdfast.catalog.people.records import Person, SecondFactor
from holdfast.catalog.people.second_factors import (
    BY_SECOND_FACTOR,
    STRONG,
    Step,
    UsedCode,
    drop_unproved,
    end_half_session,
    end_half_sessions,
    use_code,
)
from holdfast.catalog.people.sign_in import BY_PASSWORD, NewSession, Opened, enter_account_session

_FACTOR = tuple(second_factors.c[name].label(f"factor_{name}") for name in SecondFactor.__struct_fields__)
"""Columns of a person's authenticator app."""


class Entrance(NamedTuple):
    """An account that a person may sign in to; `account_id` None: the instance itself, as its operator."""

    account_id: str | None
    email: str
    name: str


class Credentials(NamedTuple):
    """A person, with what proves that somebody is this person.

    `hash`: None without a password. `account_ids`: those that it opens, None for all. `factor`: what is asked for
    besides the password.
    """

    person: Person
    is_operator: bool
    hash: str | None
    account_ids: tuple[str, ...] | None
    entrances: tuple[Entrance, ...]
    factor: SecondFactor | None = None


def credentials_by_email(catalog: Catalog, email: str) -> Credentials | None:
    """Return those of the person with an e-mail address (in lower case)."""
    return _found(catalog, people.c.email == email)


def credentials_of(catalog: Catalog, person_id: str) -> Credentials | None:
    """Return those of a person."""
    return _found(catalog, people.c.id == person_id)


def _found(catalog: Catalog, which: ColumnElement[bool]) -> Credentials | None:
    person = select(
        people.c.id, people.c.email, people.c.name, people.c.created_at, people.c.is_operator, passwords.c.hash,
        passwords.c.account_ids, *_FACTOR,
    ).outerjoin(passwords, passwords.c.person_id == people.c.id).outerjoin(
        second_factors, second_factors.c.person_id == people.c.id
    )  # fmt: skip
    with catalog.read() as connection:
        row = connection.execute(person.where(which)).first()
        accounts_of = account_entrances(connection, which)  # an unknown address takes as long as a known one
    if row is None:
        return None
    opened = texts(row.account_ids)
    entrances = [one for one in accounts_of if opened is None or one.account_id in opened]
    if row.is_operator and opened is None:
        entrances.insert(0, Entrance(None, row.email, ""))
    factor = None if row.factor_secret_sealed is None else SecondFactor(*row[-len(_FACTOR) :])
    return Credentials(Person(*row[:4]), row.is_operator, row.hash, opened, tuple(entrances), factor)


def account_entrances(connection: Connection, which: ColumnElement[bool]) -> list[Entrance]:
    """Return the accounts, but ended ones, of which a person is a member. `which`: a condition on `people`."""
    query = (
        select(accounts.c.id, accounts.c.email, accounts.c.name)
        .join(members, members.c.account_id == accounts.c.id)
        .join(people, people.c.id == members.c.person_id)
        .where(which, accounts.c.ended_at.is_(None))
        .order_by(accounts.c.email)
    )
    return [Entrance(one.id, one.email, one.name or "") for one in connection.execute(query)]


def set_password(
    catalog: Catalog,
    credentials: Credentials,
    password_hash: str,
    account_ids: tuple[str, ...] | None,
    kept_session_id: str | None,
    change: Change,
    now_ns: int,
) -> bool:
    """Set a person's password and end his other sessions; return False when it was changed meanwhile."""
    person_id = credentials.person.id
    with catalog.write() as connection:
        if not _is_still(connection, credentials, is_elevated=True):
            return False
        values = {"hash": password_hash, "account_ids": stored_texts(account_ids), "changed_at": now_ns}
        connection.execute(
            insert_into(connection, passwords)
            .values(person_id=person_id, **values)
            .on_conflict_do_update(index_elements=["person_id"], set_=values)
        )
        others = (sessions.c.person_id == person_id, sessions.c.id != (kept_session_id or ""))
        connection.execute(sessions.delete().where(*others))
        end_half_sessions(connection, person_id)
        if account_ids is None and credentials.account_ids is not None:
            drop_unproved(connection, person_id)
        enter_audit(connection, change, now_ns)
    return True


def replace_hash(catalog: Catalog, person_id: str, before: str, after: str) -> None:
    """Store the hash of the same password with other parameters, unless the password was changed meanwhile."""
    with catalog.write() as connection:
        same = (passwords.c.person_id == person_id, passwords.c.hash == before)
        connection.execute(passwords.update().where(*same).values(hash=after))


def enter_by_password(
    catalog: Catalog, credentials: Credentials, entrance: Entrance, new: NewSession, session_id: str | None = None
) -> bool:
    """Enter the session of a person whose password was right; return False when it was changed meanwhile.

    `session_id`: of the elevated session in which he goes to another account; what proved it, proves the new one.
    """
    with catalog.write() as connection:
        proof = BY_PASSWORD
        if session_id is not None:
            proof, passkey_id = _proof_of(connection, session_id)
            new = replace(new, passkey_id=passkey_id)
        if not _is_still(connection, credentials, is_elevated=session_id is not None):
            return False
        enter_entrance(connection, credentials.person, entrance, new, proof)
    return True


def enter_by_code(
    catalog: Catalog,
    credentials: Credentials,
    entrance: Entrance,
    new: NewSession,
    half_hash: bytes,
    code: UsedCode,
    change: Change,
) -> Step:
    """Enter the session of a person whose log-in waited for a code, which is used up with that log-in."""
    with catalog.write() as connection:
        if not _is_still(connection, credentials):
            return Step.ENDED
        if not use_code(connection, credentials.person.id, code, change, new.created_at):
            return Step.REFUSED
        if not end_half_session(connection, credentials.person.id, half_hash, new.created_at):
            connection.rollback()  # the code stays unused
            return Step.ENDED
        enter_entrance(connection, credentials.person, entrance, new, BY_SECOND_FACTOR)
    return Step.DONE


def enter_entrance(connection: Connection, person: Person, entrance: Entrance, new: NewSession, by_way_of: str) -> None:
    """Enter a session of a person where he goes in, within a transaction."""
    if entrance.account_id is None:
        enter_operator_session(connection, person.id, person.email, new, by_way_of)
    else:
        opened = Opened(person, entrance.account_id, "", is_new_member=False)
        enter_account_session(connection, opened, None, None, new, by_way_of)


def _proof_of(connection: Connection, session_id: str) -> tuple[str, str | None]:
    """Return what proves a session that is begun from another one, never more than its person gave there.

    With it the id of the passkey, if one was used there.
    """
    found = select(sessions.c.proof, sessions.c.passkey_id).where(sessions.c.id == session_id)
    row = connection.execute(found).first()
    if row is None:
        return BY_PASSWORD, None
    return row.proof if row.proof in STRONG else BY_PASSWORD, row.passkey_id


def elevate_session(
    catalog: Catalog,
    credentials: Credentials,
    session_id: str,
    token_hash: bytes,
    until: int,
    change: Change,
    now_ns: int,
    code: UsedCode | None = None,
) -> Step:
    """Give a session another token and elevate it; its account is one that the password opens from now on.

    `code`: of the person's second factor, if he has one.
    """
    person_id, account_ids = credentials.person.id, credentials.account_ids
    with catalog.write() as connection:
        own = (sessions.c.id == session_id, sessions.c.person_id == person_id)
        values: dict[str, object] = {"token_hash": token_hash, "elevated_until": until}
        if not _is_still(connection, credentials):
            return Step.ENDED
        if code is not None:
            if not use_code(connection, person_id, code, change, now_ns):
                return Step.REFUSED
            values["proof"] = BY_SECOND_FACTOR
        if not connection.execute(sessions.update().where(*own).values(values)).rowcount:
            connection.rollback()  # the code stays unused
            return Step.ENDED
        if account_ids is not None and change.account_id is not None and change.account_id not in account_ids:
            more = stored_texts((*account_ids, change.account_id))
            connection.execute(passwords.update().where(passwords.c.person_id == person_id).values(account_ids=more))
            _widen_passkeys(connection, person_id, account_ids, change.account_id)
        enter_audit(connection, change, now_ns)
    return Step.DONE


def _widen_passkeys(connection: Connection, person_id: str, known: tuple[str, ...], account_id: str) -> None:
    """Let the passkeys that opened all that the password did open what it opens from now on.

    Who has one of them could set the password, so this gives nobody more.
    """
    query = select(passkeys.c.id, passkeys.c.account_ids).where(passkeys.c.person_id == person_id)
    for row in connection.execute(query).all():
        before = texts(row.account_ids)
        if before is not None and covers(before, known) and account_id not in before:
            more = stored_texts((*before, account_id))
            connection.execute(passkeys.update().where(passkeys.c.id == row.id).values(account_ids=more))


def opens(account_ids: tuple[str, ...] | None, account_id: str | None) -> bool:
    """Return True if what opens some accounts (None: all) opens one (None: the instance itself)."""
    return account_ids is None or account_id in account_ids


def covers(account_ids: tuple[str, ...] | None, others: tuple[str, ...] | None) -> bool:
    """Return True if what opens some accounts (None: all) opens all that something else opens."""
    return account_ids is None or (others is not None and set(others) <= set(account_ids))


def opened_by(connection: Connection, table: Table, person_id: str, account_id: str | None) -> int:
    """Return how many rows a person has in a table of ways in that open an account (None: the instance itself)."""
    rows = connection.execute(select(table.c.account_ids).where(table.c.person_id == person_id)).scalars()
    return sum(opens(texts(one), account_id) for one in rows)


def _is_still(connection: Connection, credentials: Credentials, *, is_elevated: bool = False) -> bool:
    """Return True if a person's password is the one that was looked at, and his second factor too.

    `is_elevated`: he proved himself before, by whatever he had then.
    """
    own = select(passwords.c.hash, second_factors.c.created_at).select_from(
        passwords.outerjoin(second_factors, second_factors.c.person_id == passwords.c.person_id)
    )
    found = connection.execute(own.where(passwords.c.person_id == credentials.person.id)).first()
    known = None if credentials.factor is None else credentials.factor.created_at
    if found is None:
        return credentials.hash is None
    return found.hash == credentials.hash and (is_elevated or found.created_at == known)
