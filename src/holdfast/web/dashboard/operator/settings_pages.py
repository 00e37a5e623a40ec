"""`/operator/settings`: the configuration, read only, with where each value comes from; no secret is shown."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.service.operator.settings import Setting, Source, settings
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, require_operator
from holdfast.web.dashboard.operator.frame import operator_page
from holdfast.web.dashboard.operator.tables import Cell, Table
from holdfast.web.http.envelope import Answer

PATH = f"{OPERATOR_PATH}/settings"
_WORDS = {
    Source.FILE: "holdfast.toml",
    Source.ENVIRONMENT: "the environment",
    Source.DEFAULT: "the default",
}


def settings_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""
    instance = context.instance

    @get(PATH, opt=OPERATOR)
    @as_page
    async def configuration(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        found = await context.call(settings, instance)
        return operator_page(
            *(context, request.scope, operator, token, "list.html", "settings"),
            title="Settings",
            lead="Read only: change holdfast.toml in the home, then start the server again. Secrets are not shown.",
            path=PATH,
            lists=[_table(found)],
        )

    return [configuration]


def _table(found: Sequence[Setting]) -> Table:
    rows = [
        [Cell(one.name), Cell(one.value), Cell(_WORDS[one.source], small=one.variable), Cell(one.default)]
        for one in found
    ]
    return Table("Configuration", ("Setting", "Value", "From", "Default"), rows)
