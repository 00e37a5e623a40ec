"""Second factors in the catalog: authenticator apps, recovery codes, and log-ins that wait for a code.

A code is used up by the statement that finds it unused, so of two who send the same one gets in.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from holdfast.catalog.database.access_tables import (
    half_sessions,
    passkeys,
    people,
    recovery_codes,
    second_factors,
    sessions,
)
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.people.records import SecondFactor

BY_SECOND_FACTOR = "second_factor"
"""The proof of a session whose person gave a code, or has just set an authenticator app up."""
BY_PASSKEY = "passkey"
"""The proof of a session that a passkey began or elevated."""
STRONG = (BY_SECOND_FACTOR, BY_PASSKEY)
"""The proofs that are more than a password."""


class UsedCode(NamedTuple):
    """A code that fits: the half minute of an authenticator app's, or the hash of a recovery code."""

    step: int | None = None
    recovery_hash: bytes | None = None


class Step(Enum):
    """The result of a second step."""

    DONE = auto()
    REFUSED = auto()
    """The code was used before."""
    ENDED = auto()
    """The log-in that it belongs to has ended, or the password was changed."""


def add_second_factor(
    catalog: Catalog,
    person_id: str,
    session_id: str,
    factor: SecondFactor,
    codes: Sequence[bytes],
    change: Change,
    now_ns: int,
) -> bool:
    """Add a person's authenticator app and the hashes of his recovery codes; return False when he has one.

    His sessions but the one in which he does this end: they may have been opened by a password alone.
    """
    values = {"person_id": person_id, "secret_sealed": factor.secret_sealed, "last_step": factor.last_step}
    values |= {"is_proved": factor.is_proved, "created_at": factor.created_at}
    with catalog.write() as connection:
        _hold(connection, person_id)
        if connection.execute(select(second_factors.c.person_id).where(_own(person_id))).first() is not None:
            return False
        connection.execute(second_factors.insert().values(values))
        _replace_codes(connection, person_id, codes)
        others = (sessions.c.person_id == person_id, sessions.c.id != session_id)
        connection.execute(sessions.delete().where(*others))
        connection.execute(sessions.update().where(sessions.c.id == session_id).values(proof=BY_SECOND_FACTOR))
        enter_audit(connection, change, now_ns)
    return True


def remove_second_factor(catalog: Catalog, person_id: str, change: Change, now_ns: int) -> bool:
    """Remove an authenticator app with its recovery codes; return False when there is none."""
    with catalog.write() as connection:
        if not connection.execute(second_factors.delete().where(_own(person_id))).rowcount:
            return False
        connection.execute(recovery_codes.delete().where(recovery_codes.c.person_id == person_id))
        connection.execute(half_sessions.delete().where(half_sessions.c.person_id == person_id))
        enter_audit(connection, change, now_ns)
    return True


def replace_recovery_codes(
    catalog: Catalog, person_id: str, codes: Sequence[bytes], change: Change, now_ns: int
) -> bool:
    """Replace all recovery codes; return False when the person has no authenticator app."""
    with catalog.write() as connection:
        _hold(connection, person_id)
        if connection.execute(select(second_factors.c.person_id).where(_own(person_id))).first() is None:
            return False
        _replace_codes(connection, person_id, codes)
        enter_audit(connection, change, now_ns)
    return True


def reset_factors(catalog: Catalog, person_id: str, change: Change, now_ns: int) -> int | None:
    """Remove all second factors of a person, and end his sessions and the log-ins that wait for a code.

    Return how many passkeys were among them; None when he has no second factor, and nothing was changed.
    """
    with catalog.write() as connection:
        removed = connection.execute(passkeys.delete().where(passkeys.c.person_id == person_id)).rowcount
        had_app = connection.execute(second_factors.delete().where(_own(person_id))).rowcount
        if not removed and not had_app:
            return None
        for table in (recovery_codes, half_sessions, sessions):
            connection.execute(table.delete().where(table.c.person_id == person_id))
        enter_audit(connection, msgspec.structs.replace(change, data={**change.data, "passkeys": removed}), now_ns)
    return removed


def drop_unproved(connection: Connection, person_id: str) -> None:
    """Remove what may have been set up by somebody else, now that the address is proved, within a transaction.

    Whoever invites somebody may open the invitation himself, and set up an authenticator app or a passkey.
    """
    connection.execute(passkeys.delete().where(passkeys.c.person_id == person_id, passkeys.c.account_ids.is_not(None)))
    unproved = (_own(person_id), ~second_factors.c.is_proved)
    if connection.execute(second_factors.delete().where(*unproved)).rowcount:
        connection.execute(recovery_codes.delete().where(recovery_codes.c.person_id == person_id))


def recovery_codes_left(catalog: Catalog, person_id: str) -> int:
    """Return how many recovery codes of a person are unused."""
    with catalog.read() as connection:
        return _left(connection, person_id)


def add_half_session(
    catalog: Catalog, person_id: str, token_hash: bytes, ends_at: int, change: Change, now_ns: int
) -> None:
    """Add a log-in that waits for a code. `token_hash`: SHA-256 of what its cookie holds."""
    values = {"token_hash": token_hash, "person_id": person_id, "ends_at": ends_at}
    with catalog.write() as connection:
        connection.execute(half_sessions.insert().values(values))
        enter_audit(connection, change, now_ns)


def person_of_half_session(catalog: Catalog, token_hash: bytes, now_ns: int) -> str | None:
    """Return the id of the person whose log-in waits for a code; None when it has ended."""
    of_token = (half_sessions.c.token_hash == token_hash, half_sessions.c.ends_at > now_ns)
    with catalog.read() as connection:
        found: str | None = connection.execute(select(half_sessions.c.person_id).where(*of_token)).scalar()
    return found


def end_half_session(connection: Connection, person_id: str, token_hash: bytes, now_ns: int) -> bool:
    """Use up a log-in that waits for a code, within a transaction; return False when it has ended."""
    own = (half_sessions.c.token_hash == token_hash, half_sessions.c.person_id == person_id)
    return connection.execute(half_sessions.delete().where(*own, half_sessions.c.ends_at > now_ns)).rowcount > 0


def end_half_sessions(connection: Connection, person_id: str) -> None:
    """End all log-ins of a person that wait for a code, within a transaction."""
    connection.execute(half_sessions.delete().where(half_sessions.c.person_id == person_id))


def use_code(connection: Connection, person_id: str, code: UsedCode, change: Change, now_ns: int) -> bool:
    """Use a code up, within a transaction; return False when it was used before. A recovery code is entered."""
    if code.step is not None:
        unused = (_own(person_id), second_factors.c.last_step < code.step)
        return connection.execute(second_factors.update().where(*unused).values(last_step=code.step)).rowcount > 0
    own = (recovery_codes.c.person_id == person_id, recovery_codes.c.hash == code.recovery_hash)
    if not connection.execute(recovery_codes.delete().where(*own)).rowcount:
        return False
    data = {"left": _left(connection, person_id)}
    enter_audit(connection, Change(change.by, "recovery_code.used", change.account_id, data=data), now_ns)
    return True


def has_factor(connection: Connection, person_id: str) -> bool:
    """Return True if a person has an authenticator app."""
    return connection.execute(select(second_factors.c.person_id).where(_own(person_id))).first() is not None


def _left(connection: Connection, person_id: str) -> int:
    own = select(func.count()).select_from(recovery_codes).where(recovery_codes.c.person_id == person_id)
    return connection.execute(own).scalar_one()


def _replace_codes(connection: Connection, person_id: str, codes: Sequence[bytes]) -> None:
    connection.execute(recovery_codes.delete().where(recovery_codes.c.person_id == person_id))
    connection.execute(recovery_codes.insert(), [{"person_id": person_id, "hash": one} for one in codes])


def _hold(connection: Connection, person_id: str) -> None:
    """Let nobody else change the person's factors until the commit."""
    connection.execute(select(people.c.id).where(people.c.id == person_id).with_for_update(key_share=True))


def _own(person_id: str) -> ColumnElement[bool]:
    return second_factors.c.person_id == person_id
