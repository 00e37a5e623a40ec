"""Everybody's endpoints, each with what became of its deliveries."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.catalog.events.endpoints import all_endpoints
from holdfast.catalog.events.records import Endpoint
from holdfast.catalog.operator.notices import Outcomes, outcomes
from holdfast.service.instance.home import Instance


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint, the number of its deliveries by what became of them, and the last error of one that was given up."""

    endpoint: Endpoint
    delivered: int
    pending: int
    failed: int
    last_at: int | None
    error: str


def endpoint_states(instance: Instance) -> list[EndpointState]:
    """Return everybody's endpoints, those first that gave up most; two queries."""
    found = outcomes(instance.catalog)
    states = []
    for endpoint in all_endpoints(instance.catalog):
        one = found.get(endpoint.id, Outcomes(0, 0, 0, None, ""))
        states.append(EndpointState(endpoint, one.delivered, one.pending, one.failed, one.last_at, one.error))
    return sorted(states, key=lambda one: (-one.failed, one.endpoint.disabled_at is None, one.endpoint.id))
