"""The routes that need no key: plans, health, readiness."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.service.instance.home import Instance
from holdfast.service.instance.plans import Plan
from holdfast.service.policy import limits
from holdfast.stores.port import ObjectMissing
from holdfast.web.context import Desk
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_PROBE = "readiness-probe"
"""A name that no object has: a store that says so can be reached."""


def open_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handlers, bound to a desk."""
    plans = sorted(desk.instance.config.plans.items(), key=lambda item: item[1].rank)
    shown = success([_plan(name, plan) for name, plan in plans])

    @get("/v3/plans")
    async def list_plans(request: AnyRequest) -> Answer:
        return with_etag(shown, request.scope)

    @get("/healthz")
    async def healthz() -> Answer:
        return success({"ok": True})

    @get("/readyz")
    async def readyz() -> Answer:
        await desk.call(_reach, desk.instance)
        return success({"ok": True})

    return [list_plans, healthz, readyz]


def _plan(name: str, plan: Plan) -> dict[str, object]:
    """A plan as the API shows it; a limit that there isn't is null."""
    return {
        "name": name,
        "rank": plan.rank,
        "api_backups": plan.api_backups,
        **limits.view(plan),
    }


def _reach(instance: Instance) -> None:
    """Raises CatalogUnreachable, StoreUnreachable."""
    instance.catalog.fact(_PROBE)
    try:
        instance.store.size(_PROBE)
    except ObjectMissing:
        return
