"""The outcomes of the deliveries to endpoints."""

from __future__ import annotations

import msgspec
from sqlalchemy import case, func, select

from holdfast.catalog.database.engine import Catalog
from holdfast.catalog.database.tables import deliveries
from holdfast.catalog.events.records import DeliveryState


class Outcomes(msgspec.Struct, frozen=True):
    """The deliveries to an endpoint, by their states. `last_at`: when one ended last; `error`: of one that failed."""

    delivered: int
    pending: int
    failed: int
    last_at: int | None
    error: str


def outcomes(catalog: Catalog) -> dict[str, Outcomes]:
    """Return the outcomes of all endpoints that have any, by their ids."""
    d = deliveries.c
    counts = (
        func.sum(case((d.state == state, 1), else_=0))
        for state in (DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.FAILED)
    )
    error = func.max(case((d.state == DeliveryState.FAILED, d.error)))
    query = select(d.endpoint_id, *counts, func.max(d.finished_at), error).group_by(d.endpoint_id)
    with catalog.read() as connection:
        return {
            row[0]: Outcomes(int(row[1]), int(row[2]), int(row[3]), row[4], row[5] or "")
            for row in connection.execute(query)
        }
