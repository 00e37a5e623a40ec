"""Endpoints in the catalog: the URLs that notify accounts, and the operator, of events."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.held import hold_account
from holdfast.catalog.database.tables import deliveries, endpoints
from holdfast.catalog.events.audit import Change, changed, enter_audit
from holdfast.catalog.events.records import DeliveryState, Endpoint
from holdfast.catalog.records import Actor

_FIELDS = Endpoint.__struct_fields__
ENDPOINT_COLUMNS = tuple(endpoints.c[name] for name in _FIELDS)
_EVENTS = _FIELDS.index("events")
_events = msgspec.json.Decoder(tuple[str, ...])


class TooManyEndpoints(Exception):
    """The account, or the operator, has the maximum of endpoints."""


def endpoint_of(row: Row[Any] | tuple[Any, ...]) -> Endpoint:
    """Return a record from a row of ENDPOINT_COLUMNS."""
    values = list(row)
    values[_EVENTS] = _events.decode(values[_EVENTS])
    return Endpoint(*values)


def insert_endpoint(catalog: Catalog, endpoint: Endpoint, most: int, by: Actor) -> None:
    """Add an endpoint. Raises TooManyEndpoints when its account, or the operator, has `most` already."""
    values = {name: getattr(endpoint, name) for name in _FIELDS}
    values["events"] = msgspec.json.encode(endpoint.events).decode()
    mine = endpoints.c.account_id.is_not_distinct_from(endpoint.account_id)
    with catalog.write() as connection:
        # The account's row is held, so that two that are added at once are counted one after the other.
        hold_account(connection, endpoint.account_id)
        if connection.execute(select(func.count()).select_from(endpoints).where(mine)).scalar_one() >= most:
            raise TooManyEndpoints
        connection.execute(endpoints.insert().values(values))
        _enter(connection, by, "webhook.created", endpoint, {"after": _audited(endpoint)}, endpoint.created_at)


def _audited(endpoint: Endpoint) -> dict[str, Any]:
    """Return what the audit tells of an endpoint: never its URL, which may hold a token; its label says which it is."""
    return {
        "kind": endpoint.kind,
        "label": endpoint.label,
        "events": endpoint.events,
        "is_enabled": endpoint.disabled_at is None,
    }


def _enter(
    connection: Connection, by: Actor, action: str, endpoint: Endpoint, data: dict[str, Any], now_ns: int
) -> None:
    about = {"webhook_id": endpoint.id, **data}
    enter_audit(connection, Change(by, action, endpoint.account_id, data=about), now_ns)


def _held(connection: Connection, endpoint_id: str) -> Endpoint | None:
    query = select(*ENDPOINT_COLUMNS).where(endpoints.c.id == endpoint_id).with_for_update()
    row = connection.execute(query).first()
    return endpoint_of(row) if row else None


def endpoints_of(catalog: Catalog, account_id: str | None) -> list[Endpoint]:
    """Return the endpoints of an account, or with None the operator's; oldest first."""
    mine = endpoints.c.account_id.is_not_distinct_from(account_id)
    query = select(*ENDPOINT_COLUMNS).where(mine).order_by(endpoints.c.created_at, endpoints.c.id)
    with catalog.read() as connection:
        return [endpoint_of(row) for row in connection.execute(query).all()]


def all_endpoints(catalog: Catalog) -> list[Endpoint]:
    """Everybody's endpoints, oldest first."""
    query = select(*ENDPOINT_COLUMNS).order_by(endpoints.c.created_at, endpoints.c.id)
    with catalog.read() as connection:
        return [endpoint_of(row) for row in connection.execute(query).all()]


def endpoint_by_id(catalog: Catalog, endpoint_id: str) -> Endpoint | None:
    """Return one endpoint."""
    with catalog.read() as connection:
        row = connection.execute(select(*ENDPOINT_COLUMNS).where(endpoints.c.id == endpoint_id)).first()
    return endpoint_of(row) if row else None


def change_endpoint(catalog: Catalog, endpoint_id: str, now_ns: int, by: Actor, **values: Any) -> None:
    """Set some of its columns."""
    stored = dict(values)
    if "events" in values:
        stored["events"] = msgspec.json.encode(values["events"]).decode()
    with catalog.write() as connection:
        before = _held(connection, endpoint_id)
        if before is None:
            return
        connection.execute(endpoints.update().where(endpoints.c.id == endpoint_id).values(**stored))
        if "secret_sealed" in values:
            _enter(connection, by, "webhook.secret_replaced", before, {}, now_ns)
        data = changed(_audited(before), _audited(msgspec.structs.replace(before, **values)))
        if data["after"]:
            _enter(connection, by, "webhook.changed", before, data, now_ns)


def disable_endpoint(catalog: Catalog, endpoint_id: str, now_ns: int, why: str, by: Actor) -> None:
    """Send it nothing more: it is disabled, and what was on its way has failed, because of `why`."""
    with catalog.write() as connection:
        before = _held(connection, endpoint_id)
        done = connection.execute(
            endpoints.update()
            .where(endpoints.c.id == endpoint_id, endpoints.c.disabled_at.is_(None))
            .values(disabled_at=now_ns)
        )
        if done.rowcount and before is not None:
            data = {**changed({"is_enabled": True}, {"is_enabled": False}), "why": why}
            _enter(connection, by, "webhook.changed", before, data, now_ns)
        connection.execute(
            deliveries.update()
            .where(deliveries.c.endpoint_id == endpoint_id, deliveries.c.state == DeliveryState.PENDING)
            .values(state=DeliveryState.FAILED, next_at=None, finished_at=now_ns, error=why)
        )


def delete_endpoint(catalog: Catalog, endpoint_id: str, now_ns: int, by: Actor) -> None:
    """Remove an endpoint with all its deliveries."""
    with catalog.write() as connection:
        # Held first: an event that is just being entered for it comes before this, or not at all.
        before = _held(connection, endpoint_id)
        connection.execute(deliveries.delete().where(deliveries.c.endpoint_id == endpoint_id))
        connection.execute(endpoints.delete().where(endpoints.c.id == endpoint_id))
        if before is not None:
            _enter(connection, by, "webhook.removed", before, {"before": _audited(before)}, now_ns)
