"""The frame of the operator's pages: who is signed in, the tabs, signing out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.people.operators import OPERATOR_PATH, OperatorCaller
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, require_operator
from holdfast.web.dashboard.operator.tables import Table
from holdfast.web.dashboard.render import Frame, Tab, page
from holdfast.web.dashboard.session import SIGN_OUT_PATH, form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http.envelope import Answer, Headers

TABS = (
    Tab("now", "", N_("Now")),
    Tab("accounts", "/accounts", N_("Accounts")),
    Tab("apps", "/apps", N_("Applications")),
    Tab("nodes", "/nodes", N_("Nodes")),
    Tab("store", "/store", N_("Store")),
    Tab("jobs", "/jobs", N_("Jobs")),
    Tab("doctor", "/doctor", N_("Doctor")),
    Tab("notices", "/notices", N_("Notices")),
    Tab("plans", "/plans", N_("Plans")),
    Tab("settings", "/settings", N_("Settings")),
    Tab("audit", "/audit", N_("Audit")),
)
"""The tabs of the operator; `path` is what follows `/operator`."""


def operator_page(
    context: Context, scope: Scope, operator: OperatorCaller, token: str, template: str, tab: str, **values: Any
) -> Answer:
    """A page of the operator; `tab`: the one that is open."""
    return page(
        scope,
        f"operator/{template}",
        frame=Frame(operator.actor.name, str(zone_of(context.instance)), "operator", tab, "", OPERATOR_PATH),
        tabs=TABS,
        sign_out_path=SIGN_OUT_PATH,
        sign_out_token=form_token(token, SIGN_OUT_PATH),
        **values,
    )


def list_route(context: Context, tab: str, lead: str, table: Callable[[Instance], Table]) -> HTTPRouteHandler:
    """The page of a tab that is one list, as `table` reads and shows it."""
    path, title = next((f"{OPERATOR_PATH}{one.path}", one.text) for one in TABS if one.name == tab)

    @get(path, opt=OPERATOR)
    @as_page
    async def list_page(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        lists = [await context.call(table, context.instance)]
        shown = {"title": _(title), "lead": _(lead), "path": path, "lists": lists}
        return operator_page(context, request.scope, operator, token, "list.html", tab, **shown)

    return list_page


def as_file(name: str, content_type: str, body: str) -> Answer:
    """A file to download; `name`: of ours, so it needs no escaping."""
    headers: Headers = [
        (b"content-type", content_type.encode()),
        (b"content-disposition", f'attachment; filename="{name}"'.encode()),
        (b"cache-control", b"no-store"),
    ]
    return Answer(200, body.encode(), headers)
