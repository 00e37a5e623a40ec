"""The packs of all accounts, summed for the operator's page of the store."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, case, func, literal, select

from holdfast.catalog.database.access_tables import audit
from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import packs
from holdfast.catalog.packs.ledger import LIVE


class PackSums(msgspec.Struct, frozen=True):
    """All packs. `live`, `condemned`: of these the count and the bytes; `unread`: live bytes that were never read back;
    `fresh`: live bytes that were read back since a time; `oldest_read_at`: of all that was read, nanoseconds."""

    live: int
    live_bytes: int
    condemned: int
    condemned_bytes: int
    unread_bytes: int
    fresh_bytes: int
    oldest_read_at: int | None


def pack_sums(catalog: Catalog, since_ns: int) -> PackSums:
    """Return the sums over all packs, in one query."""
    p = packs.c
    is_live, none = p.state == LIVE, literal(0)
    query = select(
        _summed(case((is_live, literal(1)), else_=none)),
        _summed(case((is_live, p.size), else_=none)),
        _summed(case((is_live, none), else_=literal(1))),
        _summed(case((is_live, none), else_=p.size)),
        _summed(case((is_live & p.read_at.is_(None), p.size), else_=none)),
        _summed(case((is_live & (p.read_at >= since_ns), p.size), else_=none)),
        func.min(case((is_live, p.read_at))),
    )
    with catalog.read() as connection:
        row = connection.execute(query).one()
    live, live_bytes, dead, dead_bytes, unread, fresh = (int(value) for value in row[:6])
    return PackSums(live, live_bytes, dead, dead_bytes, unread, fresh, row[6])


def _summed(value: ColumnElement[int]) -> ColumnElement[int]:
    return func.coalesce(func.sum(value), 0)


def last_of(catalog: Catalog, actions: tuple[str, ...], since_ns: int) -> dict[str, int]:
    """Return when each of these actions was last entered in the audit since a time; of those that were."""
    query = (
        select(audit.c.action, func.max(audit.c.at))
        .where(audit.c.at >= since_ns, audit.c.action.in_(actions))
        .group_by(audit.c.action)
    )
    with catalog.read() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query)}
