"""`/operator/apps`: all applications, those first that have been without a good backup for longest."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.times import iso_or_none
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.operator.apps import AppState, app_states
from holdfast.service.people.audit import safe_cell
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.service.policy.standing import Kind
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_operator
from holdfast.web.dashboard.operator.frame import as_file, operator_page
from holdfast.web.dashboard.operator.kept import Kept, counted
from holdfast.web.dashboard.operator.tables import ROWS, Cell, Field, Table, address, whole_number
from holdfast.web.dashboard.standing import badge_of
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PATH = f"{OPERATOR_PATH}/apps"
HEADS = (
    N_("Application"),
    N_("Account"),
    N_("Standing"),
    N_("Last good"),
    N_("Next"),
    N_("Proved"),
    N_("Node"),
    N_("Plan"),
)
_FILTERS = ("standing", "node", "plan", "q")
_STANDINGS = (
    *(Kind.OVERDUE, Kind.FAILED, Kind.DAMAGED, Kind.EMPTY),
    *(Kind.FIRST_RUNNING, Kind.RUNNING, Kind.GOOD, Kind.PROVED),
)


def app_list_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance
    states: Kept[list[AppState]] = Kept(context, app_states)

    @get(PATH, opt=OPERATOR)
    @as_page
    async def applications(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        fields = inputs.query(request.scope, *_FILTERS, "page")
        reading = await states.get()
        found = reading.found
        chosen = _chosen(found, fields)
        return operator_page(
            context,
            request.scope,
            operator,
            token,
            "list.html",
            "apps",
            title=_("%(some)s of %(all)s applications", some=words.number(len(chosen)), all=words.number(len(found))),
            lead=_("Those that have been without a good backup for longest come first.")
            + counted(reading, instance.clock.now_ns()),
            path=PATH,
            lists=[_table(instance, found, chosen, fields)],
        )

    @get(f"{PATH}.csv", opt=OPERATOR)
    @as_page
    async def as_csv(request: AnyRequest) -> Answer:
        require_operator(context, request.scope)
        fields = inputs.query(request.scope, *_FILTERS)
        found = (await states.get()).found
        return as_file("applications.csv", "text/csv; charset=utf-8; header=present", _csv(instance, found, fields))

    return [applications, as_csv]


def _chosen(found: Sequence[AppState], fields: dict[str, str]) -> list[AppState]:
    """The applications that the filters let through, the oldest good backup first, those without one before."""
    wanted = fields.get("q", "").casefold()
    chosen = [
        app
        for app in found
        if fields.get("standing") in (None, "", app.kind)
        and fields.get("node") in (None, "", app.row.node)
        and fields.get("plan") in (None, "", app.row.plan)
        and (wanted in app.row.name.casefold() or wanted in app.row.email.casefold() or wanted == app.row.app_id)
    ]
    return sorted(chosen, key=lambda app: (app.row.good_at or 0, app.row.app_id))


def _table(instance: Instance, found: Sequence[AppState], chosen: Sequence[AppState], fields: dict[str, str]) -> Table:
    page = whole_number(fields, "page", 1, 100_000) or 1
    filters = {name: fields.get(name, "") for name in _FILTERS}
    is_last = len(chosen) <= page * ROWS
    return Table(
        N_("Applications"),
        HEADS,
        app_cells(instance, chosen[(page - 1) * ROWS : page * ROWS]),
        (
            Field(
                "standing", N_("Standing"), filters["standing"], _choices([(k, badge_of(k).word) for k in _STANDINGS])
            ),
            Field("node", N_("Node"), filters["node"], _choices([(n, n) for n in sorted({a.row.node for a in found})])),
            Field("plan", N_("Plan"), filters["plan"], _choices([(p, p) for p in instance.config.plans])),
            Field("q", N_("Name, account or id"), filters["q"]),
        ),
        "" if is_last else address(PATH, filters, page=str(page + 1)),
        address(f"{PATH}.csv", filters),
        N_("No application is like that."),
    )


def _choices(given: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [("", _("Any")), *given]


def app_cells(instance: Instance, apps: Sequence[AppState]) -> list[list[Cell]]:
    """The rows of a list of applications, under HEADS."""
    now_ns, zone = instance.clock.now_ns(), zone_of(instance)

    def at(ns: int | None, none: str) -> str:
        return none if ns is None else words.when(ns, now_ns, zone)

    rows = []
    for app in apps:
        row, badge = app.row, badge_of(app.kind)
        detail = app.standing.facts.failed.code if app.standing.facts.failed is not None else ""
        rows.append(
            [
                Cell(row.name, small=row.app_id),
                Cell(row.email, href=f"{OPERATOR_PATH}/accounts/{row.account_id}"),
                Cell(badge.word, css=badge.css, small=detail),
                Cell(at(row.good_at, _("never")), small="" if row.good_at is None else words.ago(row.good_at, now_ns)),
                Cell(at(row.next_run_at, _("by hand"))),
                Cell(at(app.proved_at, _("never"))),
                Cell(row.node),
                Cell(row.plan),
            ]
        )
    return rows


def _csv(instance: Instance, found: Sequence[AppState], fields: dict[str, str]) -> str:
    text, zone = io.StringIO(), zone_of(instance)
    writer = csv.writer(text, lineterminator="\r\n")
    heads = ("app_id", "name", "account_id", "email", "plan", "node", "standing", "code", "last_good_backup_at")
    writer.writerow((*heads, "next_backup_at", "restore_proved_at"))
    for app in _chosen(found, fields):
        row = app.row
        times = (iso_or_none(at, zone) for at in (row.good_at, row.next_run_at, app.proved_at))
        named = (row.app_id, row.name, row.account_id, row.email, row.plan, row.node)
        writer.writerow([safe_cell(value) for value in (*named, str(app.kind), app.standing.code, *times)])
    return text.getvalue()
