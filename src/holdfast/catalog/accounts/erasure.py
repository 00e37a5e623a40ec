"""The time at which an account is erased, as its own people ask for it and take it back.

The host's end of an account has such a time too (`catalog.host.accounts`); one that has not ended was asked for by its
people, who must wait for the backups that they locked until a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, backups
from holdfast.catalog.events.audit import Change, enter_audit


class NotDue(Exception):
    """An account is not to be erased now: it is kept after all, or a backup of it is locked until later."""


class Gone(Exception):
    """No such account exists, or its keys are erased already."""


def erase_at_of(catalog: Catalog, account_id: str) -> int | None:
    """Return when an account is erased, nanoseconds; None for never."""
    with catalog.read() as connection:
        query = select(accounts.c.erase_at).where(accounts.c.id == account_id)
        erase_at: int | None = connection.execute(query).scalar()
        return erase_at


def latest_lock(catalog: Catalog, account_id: str, now_ns: int) -> int | None:
    """Return until when the longest lock of an account's backups holds; None if none is ahead."""
    with catalog.read() as connection:
        return _latest_lock(connection, account_id, now_ns)


def ask_to_erase(
    catalog: Catalog, account_id: str, soonest: int, change_of: Callable[[int], Change], now_ns: int
) -> tuple[int, bool]:
    """Have an account erased at `soonest`, or when its last lock ends; return when, and True if that is new.

    One that is to be erased already stays so. `change_of`: the change for the audit, by the time. Raises Gone.
    """
    with catalog.write() as connection:
        row = _held(connection, account_id)
        if row.erase_at is not None:
            return row.erase_at, False
        erase_at = max(soonest, _latest_lock(connection, account_id, now_ns) or 0)
        _set(connection, change_of(erase_at), erase_at, now_ns)
        return erase_at, True


def keep_account(catalog: Catalog, change: Change, now_ns: int) -> bool:
    """Have the account of a change not be erased after all; return False if it was not to be.

    Raises Gone, also for one that the host has ended.
    """
    with catalog.write() as connection:
        row = _held(connection, change.account_id or "")
        if row.ended_at is not None:
            raise Gone
        if row.erase_at is None:
            return False
        _set(connection, change, None, now_ns)
        return True


def postpone(catalog: Catalog, account_id: str, change_of: Callable[[int], Change], now_ns: int) -> None:
    """Move the erasure that an account's people asked for to the end of its last lock."""
    with catalog.write() as connection:
        row, until = _held(connection, account_id), _latest_lock(connection, account_id, now_ns)
        if row.erase_at is not None and row.ended_at is None and until is not None and until > row.erase_at:
            _set(connection, change_of(until), until, now_ns)


def require_due(connection: Connection, account_id: str, now_ns: int) -> None:
    """Raise NotDue unless an account is to be erased by now. Its row is held by the caller."""
    query = select(accounts.c.erase_at, accounts.c.ended_at).where(accounts.c.id == account_id)
    row = connection.execute(query).one()
    if row.erase_at is None or row.erase_at > now_ns:
        raise NotDue
    if row.ended_at is None and _latest_lock(connection, account_id, now_ns) is not None:
        raise NotDue


def _held(connection: Connection, account_id: str) -> Row[Any, Any, Any]:
    columns = select(accounts.c.erase_at, accounts.c.ended_at, accounts.c.data_key_sealed)
    row = connection.execute(columns.where(accounts.c.id == account_id).with_for_update(key_share=True)).first()
    if row is None or not row.data_key_sealed:
        raise Gone
    return row


def _set(connection: Connection, change: Change, erase_at: int | None, now_ns: int) -> None:
    values = {"erase_at": erase_at, "updated_at": now_ns}
    connection.execute(accounts.update().where(accounts.c.id == change.account_id).values(values))
    enter_audit(connection, change, now_ns)


def _latest_lock(connection: Connection, account_id: str, now_ns: int) -> int | None:
    of_account = backups.c.account_id == account_id, backups.c.locked_until > now_ns
    until: int | None = connection.execute(select(func.max(backups.c.locked_until)).where(*of_account)).scalar()
    return until
