"""Passkeys in the catalog: whose they are, which accounts they open, and the sessions that begin with them.

Each use takes up the challenge that was signed and moves the authenticator's counter on, in the transaction of what it
lets somebody do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, func, select

from holdfast.catalog.database.access_tables import passkeys, passwords, people, sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.identity_tables import identities
from holdfast.catalog.database.upsert import insert_into
from holdfast.catalog.database.used import use_once
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.keys import stored_texts, texts
from holdfast.catalog.people.passwords import Entrance, account_entrances, covers, enter_entrance, opened_by, opens
from holdfast.catalog.people.records import Passkey, Person
from holdfast.catalog.people.second_factors import BY_PASSKEY
from holdfast.catalog.people.sign_in import NewSession

_COLUMNS = tuple(passkeys.c[name] for name in Passkey.__struct_fields__)


class PasskeyTaken(Exception):
    """The credential is there already."""


class TooManyPasskeys(Exception):
    """The person has as many as there may be."""


class LastPasskey(Exception):
    """Nothing else opens the account."""


class ChallengeUsed(Exception):
    """The challenge was answered before."""


class CounterBehind(Exception):
    """The authenticator counts less than it did: there are two of it."""


class KnownPasskey(NamedTuple):
    """A passkey with its person. `opened`: the accounts that his password opens, None for all, () without one.

    `entrances`: where the passkey lets him in, as of `Credentials`.
    """

    passkey: Passkey
    person: Person
    entrances: tuple[Entrance, ...]
    opened: tuple[str, ...] | None

    @property
    def is_whole(self) -> bool:
        """True if it opens all that the password does; then it may do all that needs that."""
        return covers(self.passkey.account_ids, self.opened)


class Answered(NamedTuple):
    """An answer of an authenticator that fits. `challenge`: SHA-256 of the one that it signed; `ends_at`: its end."""

    challenge: bytes
    ends_at: int
    sign_count: int


def _passkey_of(row: Row[Any]) -> Passkey:
    values = row._asdict()
    return Passkey(**values | {name: texts(values[name]) for name in ("transports", "account_ids")})


def passkeys_of(catalog: Catalog, person_id: str) -> list[Passkey]:
    """Return all passkeys of a person, oldest first."""
    query = select(*_COLUMNS).where(passkeys.c.person_id == person_id).order_by(passkeys.c.created_at, passkeys.c.id)
    with catalog.read() as connection:
        return [_passkey_of(row) for row in connection.execute(query).all()]


def known_passkey(catalog: Catalog, credential_id: bytes) -> KnownPasskey | None:
    """Return the passkey with a credential's id."""
    return _known(catalog, passkeys.c.credential_id == credential_id)


def passkey_of_session(catalog: Catalog, session_id: str) -> KnownPasskey | None:
    """Return the passkey that began or elevated a session."""
    return _known(
        catalog, passkeys.c.id == select(sessions.c.passkey_id).where(sessions.c.id == session_id).scalar_subquery()
    )


def _known(catalog: Catalog, which: Any) -> KnownPasskey | None:
    person = (people.c.id, people.c.email, people.c.name, people.c.created_at, people.c.is_operator)
    with catalog.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(which)).first()
        if row is None:
            return None
        passkey = _passkey_of(row)
        *values, is_operator = connection.execute(select(*person).where(people.c.id == passkey.person_id)).one()
        found = account_entrances(connection, people.c.id == passkey.person_id)
        opened = _opened_by_password(connection, passkey.person_id)
    entrances = [one for one in found if opens(passkey.account_ids, one.account_id)]
    if is_operator and passkey.account_ids is None:
        entrances.insert(0, Entrance(None, values[1], ""))
    return KnownPasskey(passkey, Person(*values), tuple(entrances), opened)


def _opened_by_password(connection: Connection, person_id: str) -> tuple[str, ...] | None:
    known = connection.execute(select(passwords.c.account_ids).where(passwords.c.person_id == person_id)).first()
    return () if known is None else texts(known.account_ids)


def add_passkey(
    catalog: Catalog, new: Passkey, session_id: str, answered: Answered, most: int, change: Change, now_ns: int
) -> bool:
    """Add a passkey in a session that is open; return False when it has ended.

    Raises ChallengeUsed, PasskeyTaken, and TooManyPasskeys for whoever has `most`.
    """
    values = msgspec.structs.asdict(new)
    values |= {name: stored_texts(values[name]) for name in ("transports", "account_ids")}
    with catalog.write() as connection:
        _hold(connection, new.person_id)
        own = (sessions.c.id == session_id, sessions.c.person_id == new.person_id)
        if connection.execute(select(sessions.c.id).where(*own)).first() is None:
            return False
        count = select(func.count()).select_from(passkeys).where(passkeys.c.person_id == new.person_id)
        if connection.execute(count).scalar_one() >= most:
            raise TooManyPasskeys
        if not use_once(connection, answered.challenge, answered.ends_at, now_ns):
            raise ChallengeUsed
        added = insert_into(connection, passkeys).values(values)
        added = added.on_conflict_do_nothing(index_elements=["credential_id"])
        if connection.execute(added.returning(passkeys.c.id)).first() is None:
            raise PasskeyTaken
        enter_audit(connection, change, now_ns)
    return True


def enter_by_passkey(
    catalog: Catalog, known: KnownPasskey, entrance: Entrance, new: NewSession, answered: Answered
) -> bool:
    """Enter the session of a person whose passkey fits; return False when it was removed meanwhile.

    It is elevated if the passkey opens all that the password does. Raises ChallengeUsed, CounterBehind.
    """
    until = new.elevated_until if known.is_whole else 0
    with catalog.write() as connection:
        if not _use(connection, known.passkey, answered, new.created_at):
            return False
        begun = replace(new, passkey_id=known.passkey.id, elevated_until=until)
        enter_entrance(connection, known.person, entrance, begun, BY_PASSKEY)
    return True


def elevate_by_passkey(
    catalog: Catalog,
    known: KnownPasskey,
    session_id: str,
    token_hash: bytes,
    until: int,
    answered: Answered,
    change: Change,
    now_ns: int,
) -> bool:
    """Give a session another token and elevate it; its account is one that the passkey opens from now on.

    Return False when the session has ended, or the passkey was removed or opens less than the password meanwhile.
    Raises ChallengeUsed, CounterBehind.
    """
    passkey, account_id = known.passkey, change.account_id
    with catalog.write() as connection:
        if not _use(connection, passkey, answered, now_ns):
            return False
        if not covers(passkey.account_ids, _opened_by_password(connection, passkey.person_id)):
            connection.rollback()
            return False
        own = (sessions.c.id == session_id, sessions.c.person_id == passkey.person_id)
        values = {"token_hash": token_hash, "elevated_until": until, "proof": BY_PASSKEY, "passkey_id": passkey.id}
        if not connection.execute(sessions.update().where(*own).values(values)).rowcount:
            connection.rollback()
            return False
        if passkey.account_ids is not None and account_id is not None and account_id not in passkey.account_ids:
            more = stored_texts((*passkey.account_ids, account_id))
            connection.execute(passkeys.update().where(passkeys.c.id == passkey.id).values(account_ids=more))
        enter_audit(connection, change, now_ns)
    return True


def _use(connection: Connection, passkey: Passkey, answered: Answered, now_ns: int) -> bool:
    """Take up a challenge, and move the counter of a passkey on; return False when that was removed or changed."""
    if not use_once(connection, answered.challenge, answered.ends_at, now_ns):
        raise ChallengeUsed
    same = (passkeys.c.id == passkey.id, passkeys.c.account_ids.is_not_distinct_from(stored_texts(passkey.account_ids)))
    held = select(passkeys.c.sign_count).where(*same).with_for_update()
    counted = connection.execute(held).scalar()
    if counted is None:
        connection.rollback()
        return False
    if answered.sign_count <= counted and (answered.sign_count or counted):
        connection.rollback()
        raise CounterBehind
    values = {"sign_count": answered.sign_count, "used_at": now_ns}
    connection.execute(passkeys.update().where(passkeys.c.id == passkey.id).values(values))
    return True


def rename_passkey(catalog: Catalog, person_id: str, passkey_id: str, name: str, change: Change, now_ns: int) -> bool:
    """Give a passkey of a person another name; return False when he has no such one."""
    own = (passkeys.c.id == passkey_id, passkeys.c.person_id == person_id)
    with catalog.write() as connection:
        if not connection.execute(passkeys.update().where(*own).values(name=name)).rowcount:
            return False
        enter_audit(connection, change, now_ns)
    return True


def remove_passkey(
    catalog: Catalog, person_id: str, passkey_id: str, kept_session_id: str, change: Change, now_ns: int
) -> bool:
    """Remove a passkey that opens the change's account, and end the sessions that it began but one.

    Return False when the person lacks such a passkey. Raises LastPasskey when nothing else opens that account; of two
    who remove the last two at once, one is refused.
    """
    account_id = change.account_id
    with catalog.write() as connection:
        hold_account(connection, account_id)
        _hold(connection, person_id)
        own = (passkeys.c.id == passkey_id, passkeys.c.person_id == person_id)
        row = connection.execute(select(passkeys.c.account_ids).where(*own)).first()
        if row is None or not opens(texts(row.account_ids), account_id):
            return False
        tables = (passwords, passkeys, identities)
        if sum(opened_by(connection, table, person_id, account_id) for table in tables) == 1:
            raise LastPasskey
        connection.execute(passkeys.delete().where(*own))
        begun = (sessions.c.passkey_id == passkey_id, sessions.c.id != kept_session_id)
        connection.execute(sessions.delete().where(*begun))
        enter_audit(connection, change, now_ns)
    return True


def _hold(connection: Connection, person_id: str) -> None:
    """Let nobody else change what proves the person until the commit."""
    connection.execute(select(people.c.id).where(people.c.id == person_id).with_for_update(key_share=True))
