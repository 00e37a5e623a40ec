"""The routes that need no key: plans, health, readiness."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas import account as schemas
from holdfast.service.errors import Unavailable
from holdfast.service.instance.home import Instance
from holdfast.service.instance.plans import PricePlan
from holdfast.service.jobs.heartbeat import heartbeat_age, is_late
from holdfast.service.policy import limits
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]


def open_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    plans = sorted(context.instance.config.plans.items(), key=lambda item: item[1].rank)
    shown = success([_plan(name, plan) for name, plan in plans])

    @get("/v3/plans", opt=OPEN)
    async def list_plans(request: AnyRequest) -> Answer:
        return with_etag(shown, request.scope)

    @get("/healthz", opt=OPEN)
    async def healthz() -> Answer:
        return success(schemas.Health())

    @get("/readyz", opt=OPEN)
    async def readyz() -> Answer:
        await context.call(_confirm, context.instance)
        return success(schemas.Health())

    return [list_plans, healthz, readyz]


def _plan(name: str, plan: PricePlan) -> schemas.PricePlan:
    return schemas.plan_of(name, plan.rank, plan.api_backups, limits.shown_limits(plan))


def _confirm(instance: Instance) -> None:
    """Raises CatalogUnreachable, StoreUnreachable, Unavailable."""
    if is_late(heartbeat_age(instance)):
        raise Unavailable("Backups and other jobs are not run at the moment; try again.")
    instance.confirm_store()
