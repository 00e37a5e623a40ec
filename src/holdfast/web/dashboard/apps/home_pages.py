"""`/`: the applications of an account, the worst first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.instance.home import Instance
from holdfast.service.jobs.events import newest_event
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.overview.overviews import Overview, overviews
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.service.people.rights import Right
from holdfast.service.policy import limits
from holdfast.service.policy.standing import NOT_WELL, PROBLEMS, Kind
from holdfast.service.registry import accounts, apps
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_account
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import OperatorSession
from holdfast.web.dashboard.standing import badge_of, shown_strip, strip_sentence
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

HOME_PATH = "/"
SEARCH_FROM = 8
"""Applications from which their page has a search."""

_RUNNING = frozenset({Kind.RESTORING, Kind.FIRST_RUNNING, Kind.RUNNING})
FILTERS = {
    "need": (N_("Need you"), PROBLEMS),
    "look": (N_("To look at"), NOT_WELL - PROBLEMS - {Kind.EMPTY}),
    "running": (N_("Running"), _RUNNING),
    "empty": (N_("Not begun"), frozenset({Kind.EMPTY})),
    "good": (N_("Fine"), frozenset({Kind.GOOD, Kind.PROVED})),
}
"""By the value of `show`: its words, and the standings that it shows."""


def home_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""

    @get(HOME_PATH, opt=needs(Right.BACKUPS_READ, is_filtered=True))
    @as_page
    async def applications(request: AnyRequest) -> Answer:
        try:
            caller, _ = require_account(context, request.scope)
        except OperatorSession:
            return redirect(OPERATOR_PATH, [])
        fields = inputs.query(request.scope, "show", "q")
        return await context.call(_page, request.scope, context.instance, caller, fields)

    return [applications]


def _page(scope: Scope, instance: Instance, caller: Caller, fields: dict[str, str]) -> Answer:
    seen = [app for app in apps.list_apps(instance, caller.account.id) if caller.grant.sees(app.id)]
    if len(seen) == 1:
        return redirect(f"/apps/{seen[0].id}", [])
    found = overviews(instance, seen)
    plan = accounts.plan_of(instance, caller.account)
    return page(
        scope,
        "apps.html",
        frame=Frame(caller.actor.name, str(zone_of(instance)), area="home", tab="apps"),
        # It was read before anything else: what comes later is told.
        seen=found[0].event_seq if found else newest_event(instance, caller.account.id),
        title=_headline([one.standing.kind for one in found]),
        filters=_filters(found, fields.get("show", "")),
        cards=[_card(instance, one) for one in _chosen(found, fields)],
        base_url=instance.config.base_url.rstrip("/"),
        has_search=len(found) >= SEARCH_FROM,
        q=fields.get("q", ""),
        plan=caller.account.plan,
        usage=limits.shown_usage(instance, caller.account, len(found)),
        limits=limits.shown_limits(plan),
        is_all=caller.grant.app_ids is None,
    )


def _headline(kinds: Sequence[Kind]) -> str:
    """The one thing that the owner of all of them must know first."""
    need, of_all = sum(kind in PROBLEMS for kind in kinds), len(kinds)
    if not kinds:
        return _("No applications yet")
    if need:
        return ngettext(
            "%(num)s of your %(all)s applications needs you",
            "%(num)s of your %(all)s applications need you",
            need,
            all=words.number(of_all),
        )
    begun = sum(kind not in (Kind.EMPTY, Kind.FIRST_RUNNING, Kind.PLAN_TOO_LOW) for kind in kinds)
    if begun == of_all:
        return _("All %(all)s applications are backed up", all=words.number(of_all))
    return _("%(begun)s of your %(all)s are backed up", begun=words.number(begun), all=words.number(of_all))


def _filters(found: Sequence[Overview], chosen: str) -> list[dict[str, Any]]:
    shown = [{"href": HOME_PATH, "text": _("All %(count)s", count=len(found)), "is_current": chosen not in FILTERS}]
    for value, (text, kinds) in FILTERS.items():
        count = sum(one.standing.kind in kinds for one in found)
        if count:
            shown.append({"href": f"/?show={value}", "text": f"{_(text)} {count}", "is_current": chosen == value})
    return shown


def _chosen(found: Sequence[Overview], fields: dict[str, str]) -> list[Overview]:
    kinds = FILTERS.get(fields.get("show", ""), ("", frozenset(Kind)))[1]
    wanted = fields.get("q", "").casefold()
    return [one for one in found if one.standing.kind in kinds and wanted in one.app.name.casefold()]


def _card(instance: Instance, one: Overview) -> dict[str, Any]:
    facts, zone = one.standing.facts, zone_of(instance)
    return {
        "id": one.app.id,
        "name": one.app.name,
        "badge": badge_of(one.standing.kind),
        "headline": one.words.headline.rstrip("."),
        "text": words.standing_text(one.words, facts.now, zone),
        "strip": shown_strip(one.strip),
        "sentence": strip_sentence(one.strip),
        "last_good": _("none yet") if facts.good_at is None else words.when(facts.good_at, facts.now, zone),
        "next": _("by hand") if facts.next_backup_at is None else words.when(facts.next_backup_at, facts.now, zone),
        "stored": words.size(one.stored_bytes),
    }
