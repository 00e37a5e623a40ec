"""`/account/plan`: the plan of an account and what of it is used, the end of all download links; `/plans`: all."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.schemas.account import Limits
from holdfast.service.instance.home import Instance
from holdfast.service.language import patterns
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.people.callers import Caller
from holdfast.service.people.links import revoke_links
from holdfast.service.people.rights import Right
from holdfast.service.policy import limits
from holdfast.service.registry import accounts, apps
from holdfast.units import MINUTE_NS, SECOND_NS
from holdfast.web.auth import OPEN, needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import (
    AnyRequest,
    as_page,
    form_fields,
    require_account,
    require_elevated,
    require_session,
)
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PLAN_PATH = "/account/plan"
PLANS_PATH = "/plans"
_LINKS_END_PATH = "/account/links/end"


def plan_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(PLAN_PATH, opt=needs(Right.ACCOUNT_READ))
    @as_page
    async def account_plan(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        fields = inputs.query(request.scope, "links")
        return await context.call(_page, request.scope, instance, caller, token, has_ended="links" in fields)

    @post(_LINKS_END_PATH, opt=needs(Right.ACCOUNT_WRITE))
    @as_page
    async def end_all_links(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        await form_fields(context, request, token, _LINKS_END_PATH)
        require_elevated(context, caller, PLAN_PATH)
        await context.call(revoke_links, instance, caller.account, caller.actor)
        return redirect(f"{PLAN_PATH}?links=ended", [])

    @get(PLANS_PATH, opt=OPEN)
    @as_page
    async def all_plans(request: AnyRequest) -> Answer:
        caller, _ = require_session(context, request.scope)
        plans = sorted(instance.config.plans.items(), key=lambda item: item[1].rank)
        return page(
            request.scope,
            "account/plans.html",
            frame=Frame(caller.actor.name, str(zone_of(instance)), tab="plans"),
            own=caller.account.plan,
            plans=[
                {"name": name, "has_backups": plan.api_backups, "limits": limits_words(limits.shown_limits(plan))}
                for name, plan in plans
            ],
            base_url=instance.config.base_url.rstrip("/"),
        )

    return [account_plan, end_all_links, all_plans]


def limits_words(shown: Limits) -> list[tuple[str, str]]:
    """Return the limits of a plan in words, each with its name; one that does not bind says so."""

    def count(value: int | None) -> str:
        return _("no limit") if value is None else words.number(value)

    def span(value: int | None, unit_ns: int) -> str:
        return _("none") if value is None else patterns.span(value * unit_ns)

    return [
        (N_("Backups of an application"), count(shown.backups_per_app)),
        (N_("By hand in 24 hours"), count(shown.backups_per_day)),
        (N_("Stored"), _("no limit") if shown.storage is None else words.size(shown.storage)),
        (N_("Pause between two, per application"), span(shown.cooldown_seconds, SECOND_NS)),
        (N_("Pause between two, whole account"), span(shown.account_cooldown_seconds, SECOND_NS)),
        (N_("Pause between two by schedule"), span(shown.schedule_minutes_min, MINUTE_NS)),
        (
            N_("Kept at most"),
            _("no limit") if (days := shown.keep_days_max) is None else ngettext("%(num)s day", "%(num)s days", days),
        ),
    ]


def _page(scope: Scope, instance: Instance, caller: Caller, token: str, *, has_ended: bool) -> Answer:
    account = caller.account
    running = [app for app in apps.list_apps(instance, account.id) if app.ended_at is None]
    shown = limits.shown_limits(accounts.plan_of(instance, account))
    return page(
        scope,
        "account/plan.html",
        frame=Frame(caller.actor.name, str(zone_of(instance))),
        sub="plan",
        plan=account.plan,
        email=account.email,
        usage=limits.shown_usage(instance, account, len(running)),
        limits=shown,
        lines=limits_words(shown),
        may_end_links=caller.may(Right.ACCOUNT_WRITE),
        has_ended=has_ended,
        links_path=_LINKS_END_PATH,
        links_token=form_token(token, _LINKS_END_PATH),
        base_url=instance.config.base_url.rstrip("/"),
    )
