"""The account whose pages an operator is shown: a part of his session, so that no browser can make it up."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, select

from holdfast.catalog.database.access_tables import sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.events.audit import Change, enter_audit


def begin_view(catalog: Catalog, session_id: str, until: int, change: Change, now_ns: int) -> bool:
    """Have an operator's session show the account of a change until then; return False if either is gone."""
    with catalog.write() as connection:
        hold_account(connection, change.account_id)
        is_there = accounts.c.id == change.account_id, accounts.c.data_key_sealed != b"", accounts.c.ended_at.is_(None)
        if connection.execute(select(accounts.c.id).where(*is_there)).first() is None:
            return False
        values = {"views_account_id": change.account_id, "views_until": until}
        own = sessions.c.id == session_id, sessions.c.account_id.is_(None)
        if not connection.execute(sessions.update().where(*own).values(values)).rowcount:
            return False
        enter_audit(connection, change, now_ns)
        return True


def end_view(catalog: Catalog, session_id: str, change: Change, now_ns: int) -> bool:
    """Have an operator's session show the account of a change no more; return False if it did not."""
    with catalog.write() as connection:
        hold_account(connection, change.account_id)
        shown = sessions.c.id == session_id, sessions.c.views_account_id == change.account_id
        if not end_views(connection, *shown):
            return False
        enter_audit(connection, change, now_ns)
        return True


def end_views(connection: Connection, *which: ColumnElement[bool]) -> int:
    """Have sessions show no account any more, within a transaction; return their number."""
    values = {"views_account_id": None, "views_until": None}
    return connection.execute(sessions.update().where(*which).values(values)).rowcount
