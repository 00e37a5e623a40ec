"""`/operator/settings`: the configuration, read only, with where each value comes from; no secret is shown."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.operator.settings import Source, settings
from holdfast.web.context import Context
from holdfast.web.dashboard.operator.frame import list_route
from holdfast.web.dashboard.operator.tables import Cell, Table

_WORDS = {
    Source.FILE: "holdfast.toml",
    Source.ENVIRONMENT: N_("the environment"),
    Source.DEFAULT: N_("the default"),
}


def settings_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""
    lead = N_("Read only: change holdfast.toml in the home, then start the server again. Secrets are not shown.")
    return [list_route(context, "settings", lead, _table)]


def _table(instance: Instance) -> Table:
    rows = [
        [Cell(one.name), Cell(one.value), Cell(_(_WORDS[one.source]), small=one.variable), Cell(one.default)]
        for one in settings(instance)
    ]
    return Table(N_("Configuration"), (N_("Setting"), N_("Value"), N_("From"), N_("Default")), rows)
