"""Events in the catalog, recorded in the transaction of the change itself, so none is lost or invented.

Events of one account get their numbers in the order in which they are committed: whoever has read up to a number never
misses an earlier one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, or_, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import accounts, events
from holdfast.catalog.events.deliveries import fan_out
from holdfast.catalog.records import Event, EventKind

_COLUMNS = tuple(events.c[name] for name in Event.__struct_fields__)


def enter_event(
    connection: Connection,
    kind: EventKind,
    account_id: str,
    at: int,
    *,
    app_id: str | None = None,
    backup_id: str | None = None,
    job_id: str | None = None,
    is_customers: bool = False,
    is_hidden: bool = False,
    **data: Any,
) -> int:
    """Enter an event with its transaction; returns its number. `at`: nanoseconds; `data`: what JSON can hold.

    What endpoints are to be told of it is entered with it. `is_customers`: the operator is not told; `is_hidden`:
    the account is not told.
    """
    # The account's row is held until the commit, so that numbers are committed in their order.
    connection.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update(key_share=True))
    values = {"account_id": account_id, "app_id": app_id, "backup_id": backup_id, "job_id": job_id, "kind": kind}
    text = msgspec.json.encode(data).decode()
    entered = connection.execute(events.insert().values(**values, at=at, data=text, is_hidden=is_hidden))
    assert entered.inserted_primary_key is not None
    seq = int(entered.inserted_primary_key[0])
    fan_out(connection, seq, kind, account_id, at, app_id, data, is_customers=is_customers, is_hidden=is_hidden)
    return seq


def events_after(
    catalog: Catalog, seq: int, limit: int, *, account_id: str | None = None, app_id: str | None = None
) -> list[Event]:
    """Events with numbers above `seq`, in order, at most `limit`; of one account or application, or of all.

    Those of an account are the ones that it is told of.
    """
    query = select(*_COLUMNS).where(events.c.seq > seq).order_by(events.c.seq).limit(limit)
    if account_id is not None:
        query = query.where(events.c.account_id == account_id, events.c.is_hidden.is_(False))
    if app_id is not None:
        query = query.where(events.c.app_id == app_id)
    with catalog.read() as connection:
        return [_event_of(row) for row in connection.execute(query).all()]


def event_by_seq(catalog: Catalog, seq: int) -> Event | None:
    """Return one event; None when it was forgotten."""
    with catalog.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(events.c.seq == seq)).first()
    return _event_of(row) if row else None


def last_event_seq(catalog: Catalog, account_id: str | None = None) -> int:
    """Return the number of the newest event, of one account or of all; 0 when there is none."""
    query = select(func.max(events.c.seq))
    if account_id is not None:
        query = query.where(events.c.account_id == account_id)
    with catalog.read() as connection:
        return int(connection.execute(query).scalar() or 0)


def first_event_seq(catalog: Catalog) -> int:
    """Return the number of the oldest event that is kept, of all accounts; 0 when there is none."""
    with catalog.read() as connection:
        return int(connection.execute(select(func.min(events.c.seq))).scalar() or 0)


def newer_events(catalog: Catalog, seen: Mapping[str, int]) -> dict[str, int]:
    """Of accounts with the number up to which their events are seen: those that have newer ones, with the newest."""
    if not seen:
        return {}
    newer = or_(*(and_(events.c.account_id == account, events.c.seq > seq) for account, seq in seen.items()))
    query = select(events.c.account_id, func.max(events.c.seq)).where(newer).group_by(events.c.account_id)
    with catalog.read() as connection:
        return {account: int(seq) for account, seq in connection.execute(query).all()}


def work_events(catalog: Catalog, backup_id: str, job_id: str | None, limit: int) -> list[Event]:
    """Return the first events of a job on a backup, or (`job_id` None) of a backup itself, in order."""
    query = select(*_COLUMNS).where(events.c.backup_id == backup_id, events.c.job_id == job_id)
    with catalog.read() as connection:
        return [_event_of(row) for row in connection.execute(query.order_by(events.c.seq).limit(limit)).all()]


def events_since(catalog: Catalog, since: int, app_id: str | None, limit: int) -> list[Event]:
    """The newest events from a time on (nanoseconds), of one application or of all, oldest first; at most `limit`."""
    query = select(*_COLUMNS).where(events.c.at >= since).order_by(events.c.seq.desc()).limit(limit)
    if app_id is not None:
        query = query.where(events.c.app_id == app_id)
    with catalog.read() as connection:
        return [_event_of(row) for row in connection.execute(query).all()][::-1]


def deleted_before(catalog: Catalog, backup_ids: Sequence[str], account_id: str, before: int) -> set[str]:
    """Return those of an account's given backups that are known to have been deleted before a time."""
    query = select(events.c.backup_id).where(
        events.c.account_id == account_id, events.c.kind == EventKind.BACKUP_DELETED, events.c.at < before
    )
    with catalog.read() as connection:
        return {row[0] for row in connection.execute(query)} & set(backup_ids)


def forget_events(catalog: Catalog, before: int) -> int:
    """Remove events from before a time (nanoseconds); return their number."""
    with catalog.write() as connection:
        return connection.execute(events.delete().where(events.c.at < before)).rowcount


def _event_of(row: Row[Any]) -> Event:
    values = row._asdict()
    values["kind"] = EventKind(values["kind"])
    values["data"] = msgspec.json.decode(values["data"])
    return Event(**values)
