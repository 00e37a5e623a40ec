"""`/operator/settings`: the configuration, read only, with where each value comes from; no secret is shown."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from holdfast.service.instance.home import Instance
from holdfast.service.operator.settings import Source, settings
from holdfast.web.context import Context
from holdfast.web.dashboard.operator.frame import list_route
from holdfast.web.dashboard.operator.tables import Cell, Table

_WORDS = {
    Source.FILE: "holdfast.toml",
    Source.ENVIRONMENT: "the environment",
    Source.DEFAULT: "the default",
}


def settings_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""
    lead = "Read only: change holdfast.toml in the home, then start the server again. Secrets are not shown."
    return [list_route(context, "settings", lead, _table)]


def _table(instance: Instance) -> Table:
    rows = [
        [Cell(one.name), Cell(one.value), Cell(_WORDS[one.source], small=one.variable), Cell(one.default)]
        for one in settings(instance)
    ]
    return Table("Configuration", ("Setting", "Value", "From", "Default"), rows)
