"""Deliveries in the catalog: the events that endpoints have yet to receive (a transactional outbox).

A delivery is recorded with its event, in the same transaction, so none is lost and none is invented. A sender first
claims it by moving its next attempt ahead: when the sender dies, the delivery becomes due again. So the same
delivery may arrive twice, with the same id, but is never lost.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, or_, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import deliveries, endpoints, events
from holdfast.catalog.events.audit import Change, enter_audit
from holdfast.catalog.events.endpoints import ENDPOINT_COLUMNS, endpoint_of
from holdfast.catalog.events.records import MESSAGE_KINDS, Delivery, DeliveryState, Endpoint
from holdfast.catalog.records import Actor, EventKind, new_id
from holdfast.units import HOUR_NS

PENDING_MAX = 1000
"""At most this many may wait for one endpoint; beyond that the oldest is given up for the newest."""

FOR_PEOPLE = "apprise"
"""Kind of the endpoints whose messages people read."""

NOTIFIED_AGAIN_NS = 20 * HOUR_NS
"""At most once in this time are people told of a repeated failure: a daily backup that fails is reported daily."""

CROWDED_OUT = f"More than {PENDING_MAX} notices waited for this endpoint; the oldest are given up."

_FIELDS = Delivery.__struct_fields__
_COLUMNS = tuple(deliveries.c[name] for name in _FIELDS)
_STATE = _FIELDS.index("state")
_is_pending = deliveries.c.state == DeliveryState.PENDING


def _delivery_of(row: Row[Any] | tuple[Any, ...]) -> Delivery:
    values = list(row)
    values[_STATE] = DeliveryState(values[_STATE])
    return Delivery(*values)


def fan_out(
    connection: Connection,
    seq: int,
    kind: EventKind,
    account_id: str,
    at: int,
    app_id: str | None = None,
    data: Mapping[str, Any] | None = None,
    *,
    is_customers: bool = False,
    is_hidden: bool = False,
) -> None:
    """Enter the deliveries of an event, with its transaction. `at`: nanoseconds; `data`: the event's.

    The operator is not told of what the customer brought about (`is_customers`), nor the account of the operator's own
    doing (`is_hidden`). People (apprise) are not notified
    again of a scheduled backup that failed like the previous one.
    """
    if kind not in MESSAGE_KINDS:
        return
    facts = data or {}
    may_repeat = kind is EventKind.BACKUP_FAILED and app_id is not None and facts.get("origin") == "scheduled"
    of_account, of_operator = endpoints.c.account_id == account_id, endpoints.c.account_id.is_(None)
    theirs = of_operator if is_hidden else of_account if is_customers else or_(of_account, of_operator)
    # Shared with other events; kept from being deleted meanwhile.
    query = select(endpoints.c.id, endpoints.c.kind, endpoints.c.events)
    query = query.where(theirs, endpoints.c.disabled_at.is_(None)).with_for_update(read=True, key_share=True)
    for endpoint_id, way, wanted in connection.execute(query).all():
        if kind not in msgspec.json.decode(wanted):
            continue
        if may_repeat and way == FOR_PEOPLE and _was_notified(connection, endpoint_id, app_id, facts.get("code"), at):
            continue
        _make_room(connection, endpoint_id, at)
        connection.execute(
            deliveries.insert().values(
                id=new_id(at),
                endpoint_id=endpoint_id,
                account_id=account_id,
                event_seq=seq,
                kind=kind,
                body="",
                state=DeliveryState.PENDING,
                attempts=0,
                next_at=at,
                created_at=at,
            )
        )


def _was_notified(connection: Connection, endpoint_id: str, app_id: str | None, code: object, at: int) -> bool:
    """Return True if an endpoint was recently told that an application's backups fail so, and none succeeded since."""
    query = (
        select(events.c.seq, events.c.account_id, events.c.data)
        .join(deliveries, deliveries.c.event_seq == events.c.seq)
        .where(
            deliveries.c.endpoint_id == endpoint_id,
            deliveries.c.created_at > at - NOTIFIED_AGAIN_NS,
            deliveries.c.created_at <= at,
            deliveries.c.kind == EventKind.BACKUP_FAILED,
            events.c.app_id == app_id,
        )
        .order_by(events.c.seq.desc())
    )
    for seq, account_id, data in connection.execute(query).all():
        if msgspec.json.decode(data).get("code") == code:
            good = select(events.c.seq).where(
                events.c.account_id == account_id,
                events.c.seq > seq,
                events.c.app_id == app_id,
                events.c.kind == EventKind.BACKUP_FINISHED,
            )
            return connection.execute(good.limit(1)).first() is None
    return False


def _make_room(connection: Connection, endpoint_id: str, at: int) -> None:
    """Give up the oldest that waits for an endpoint when there are too many."""
    waiting = (deliveries.c.endpoint_id == endpoint_id, _is_pending)
    count, oldest = connection.execute(select(func.count(), func.min(deliveries.c.id)).where(*waiting)).one()
    if count >= PENDING_MAX:
        connection.execute(
            deliveries.update()
            .where(deliveries.c.id == oldest)
            .values(state=DeliveryState.FAILED, next_at=None, finished_at=at, error=CROWDED_OUT)
        )


def claim_next(
    catalog: Catalog,
    now_ns: int,
    until: int,
    *,
    not_to: Collection[str] = (),
    not_of: Collection[str] = (),
) -> tuple[Delivery, Endpoint] | None:
    """A delivery that is due, and its endpoint: nobody else gets it before `until` (nanoseconds). None: none is due.

    `not_to`: endpoints, `not_of`: accounts that are left out. Deliveries with fewer attempts come first, so that
    endpoints that always fail hold up no others.
    """
    whose = or_(endpoints.c.account_id.is_(None), endpoints.c.account_id.not_in(not_of))
    query = (
        select(*_COLUMNS, *ENDPOINT_COLUMNS)
        .join(endpoints, endpoints.c.id == deliveries.c.endpoint_id)
        .where(_is_pending, deliveries.c.next_at <= now_ns, deliveries.c.endpoint_id.not_in(not_to), whose)
        .order_by(deliveries.c.attempts, deliveries.c.id)
        .limit(1)
    )
    with catalog.read() as connection:
        if connection.execute(query).first() is None:  # as most looks: nobody who writes is held up
            return None
    with catalog.write() as connection:
        row = connection.execute(query.with_for_update(of=deliveries, skip_locked=True)).first()
        if row is None:
            return None
        found = _delivery_of(row[: len(_COLUMNS)])
        attempts = found.attempts + 1
        connection.execute(
            deliveries.update().where(deliveries.c.id == found.id).values(attempts=attempts, next_at=until)
        )
    return msgspec.structs.replace(found, attempts=attempts, next_at=until), endpoint_of(row[len(_COLUMNS) :])


def insert_delivery(catalog: Catalog, delivery: Delivery, by: Actor) -> None:
    """Add a delivery that belongs to no event: a test."""
    with catalog.write() as connection:
        data = {"webhook_id": delivery.endpoint_id}
        enter_audit(connection, Change(by, "webhook.tested", delivery.account_id, data=data), delivery.created_at)
        connection.execute(deliveries.insert().values({name: getattr(delivery, name) for name in _FIELDS}))


def set_body(catalog: Catalog, delivery_id: str, body: str) -> None:
    """Store the body, so that every attempt sends the same."""
    with catalog.write() as connection:
        connection.execute(deliveries.update().where(deliveries.c.id == delivery_id).values(body=body))


def finish_delivery(
    catalog: Catalog, delivery: Delivery, state: DeliveryState, now_ns: int, status: int | None, error: str | None
) -> None:
    """Record the end of a delivery, unless another sender has claimed it by now."""
    _set(catalog, delivery, state=state, next_at=None, finished_at=now_ns, status=status, error=error)


def postpone_delivery(
    catalog: Catalog, delivery: Delivery, next_at: int, status: int | None, error: str, pause_until: int
) -> None:
    """Record a failed attempt. Nothing is sent to the endpoint before `pause_until` (nanoseconds)."""
    _set(catalog, delivery, next_at=next_at, status=status, error=error)
    with catalog.write(durable=False) as connection:
        connection.execute(
            deliveries.update()
            .where(
                deliveries.c.endpoint_id == delivery.endpoint_id,
                deliveries.c.id != delivery.id,
                _is_pending,
                deliveries.c.next_at < pause_until,
            )
            .values(next_at=pause_until)
        )


def _set(catalog: Catalog, delivery: Delivery, **values: Any) -> None:
    with catalog.write() as connection:
        connection.execute(
            deliveries.update()
            .where(
                deliveries.c.id == delivery.id,
                deliveries.c.attempts == delivery.attempts,
                deliveries.c.state == delivery.state,
            )
            .values(**values)
        )


def list_deliveries(catalog: Catalog, endpoint_id: str, limit: int, after: str | None = None) -> list[Delivery]:
    """Return the deliveries of an endpoint, newest first; those older than the one with the id `after`."""
    query = select(*_COLUMNS).where(deliveries.c.endpoint_id == endpoint_id)
    if after is not None:
        query = query.where(deliveries.c.id < after)
    with catalog.read() as connection:
        rows = connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit)).all()
    return [_delivery_of(row) for row in rows]


def newest_deliveries(catalog: Catalog, endpoint_ids: Collection[str]) -> dict[str, Delivery]:
    """Return the newest delivery of each of these endpoints that has any, by the endpoint's id."""
    newest = (
        select(func.max(deliveries.c.id))
        .where(deliveries.c.endpoint_id.in_(endpoint_ids))
        .group_by(deliveries.c.endpoint_id)
    )
    with catalog.read() as connection:
        rows = connection.execute(select(*_COLUMNS).where(deliveries.c.id.in_(newest))).all()
    return {found.endpoint_id: found for found in map(_delivery_of, rows)}


def delivery_by_id(catalog: Catalog, delivery_id: str) -> Delivery | None:
    """Return one delivery."""
    with catalog.read() as connection:
        row = connection.execute(select(*_COLUMNS).where(deliveries.c.id == delivery_id)).first()
    return _delivery_of(row) if row else None


def newest_of_kind(catalog: Catalog, account_id: str | None, kind: str) -> int | None:
    """Return the time of the newest delivery of a kind, among the endpoints of an account or the operator's."""
    query = (
        select(func.max(deliveries.c.created_at))
        .join(endpoints, endpoints.c.id == deliveries.c.endpoint_id)
        .where(endpoints.c.account_id.is_not_distinct_from(account_id), deliveries.c.kind == kind)
    )
    with catalog.read() as connection:
        newest = connection.execute(query).scalar()
    return None if newest is None else int(newest)


def has_delivered_since(catalog: Catalog, endpoint_id: str, since: int) -> bool:
    """Return True if anything arrived at an endpoint since a time (nanoseconds)."""
    query = select(deliveries.c.id).where(
        deliveries.c.endpoint_id == endpoint_id,
        deliveries.c.state == DeliveryState.DELIVERED,
        deliveries.c.finished_at >= since,
    )
    with catalog.read() as connection:
        return connection.execute(query.limit(1)).first() is not None


def forget_deliveries(catalog: Catalog, before: int) -> int:
    """Remove deliveries that ended before a time (nanoseconds); returns how many."""
    with catalog.write() as connection:
        ended = deliveries.delete().where(deliveries.c.finished_at < before)
        return connection.execute(ended).rowcount
