"""Accounts as the operator's pages list them: searched, page by page, with the last signing in of each."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import func, or_, select

from holdfast.catalog.accounts.rows import ACCOUNT_COLUMNS, account_of
from holdfast.catalog.database.access_tables import sessions
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.records import Account


def find_accounts(catalog: Catalog, part: str, after: str, limit: int) -> list[Account]:
    """Return accounts with addresses above `after`, in the order of these, at most `limit`.

    `part`: of the address or the name, whatever its case, or a whole id, the host's own too; empty for all. One that is
    being erased is none.
    """
    query = select(*ACCOUNT_COLUMNS).where(accounts.c.email > after, func.length(accounts.c.data_key_sealed) > 0)
    if part:
        texts = (accounts.c.email, accounts.c.name)
        alike = [func.lower(column).contains(part.lower(), autoescape=True) for column in texts]
        query = query.where(or_(*alike, accounts.c.id == part, accounts.c.external_id == part))
    with catalog.read() as connection:
        rows = connection.execute(query.order_by(accounts.c.email).limit(limit)).all()
    return [account_of(row) for row in rows]


class Times(NamedTuple):
    """The times of an account. `seen_at`: when somebody was last seen signed in; `erase_at`: when it is erased."""

    seen_at: int | None
    erase_at: int | None


def times_of(catalog: Catalog, account_ids: Collection[str]) -> dict[str, Times]:
    """Return the times of accounts, by their ids."""
    last = select(func.max(sessions.c.seen_at)).where(sessions.c.account_id == accounts.c.id).scalar_subquery()
    query = select(accounts.c.id, last, accounts.c.erase_at).where(accounts.c.id.in_(account_ids))
    with catalog.read() as connection:
        return {row[0]: Times(row[1], row[2]) for row in connection.execute(query)}


def accounts_by_plan(catalog: Catalog) -> dict[str, int]:
    """Return the number of accounts that have not ended, by plan."""
    query = select(accounts.c.plan, func.count()).where(accounts.c.ended_at.is_(None)).group_by(accounts.c.plan)
    with catalog.read() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query)}
