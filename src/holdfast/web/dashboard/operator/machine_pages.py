"""`/operator/nodes`, `/operator/plans`, `/operator/notices`: what the instance runs on, offers, and sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import State
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.heartbeat import is_late
from holdfast.service.language.texts import N_, _
from holdfast.service.operator.accounts import accounts_by_plan
from holdfast.service.operator.apps import AppState
from holdfast.service.operator.nodes import NodesNow, nodes_now
from holdfast.service.operator.notices import endpoint_states
from holdfast.service.operator.today import GoingRow
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.units import SECOND_NS
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_operator
from holdfast.web.dashboard.operator.frame import list_route, operator_page
from holdfast.web.dashboard.operator.kept import Kept, counted
from holdfast.web.dashboard.operator.tables import Cell, Table
from holdfast.web.http.envelope import Answer

NODES = f"{OPERATOR_PATH}/nodes"
NODES_LEAD = N_("Each machine backs up the applications that are on it. One that is not heard of does nothing.")


def machine_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    notices = N_("To whom events are told: your own endpoints, and those of all accounts. Addresses are never shown.")
    plans = N_("As holdfast.toml has them. A dash stands for no limit.")
    readings = Kept(context, nodes_now)

    @get(NODES, opt=OPERATOR)
    @as_page
    async def nodes(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        reading, now_ns = await readings.get(), context.instance.clock.now_ns()
        shown = {"title": _("Nodes"), "lead": _(NODES_LEAD) + counted(reading, now_ns), "path": NODES}
        lists = [_nodes(context.instance, reading.found)]
        return operator_page(context, request.scope, operator, token, "list.html", "nodes", **shown, lists=lists)

    return [
        nodes,
        list_route(context, "notices", notices, _notices),
        list_route(context, "plans", plans, _plans),
    ]


def _nodes(instance: Instance, now: NodesNow) -> Table:
    now_ns = instance.clock.now_ns()
    rows = [_node(node, now_ns, now.beats.get(node), now.of_node(node), now.going_on(node)) for node in now.names]
    heads = (
        *(N_("Node"), N_("State"), N_("Heard of"), N_("Running"), N_("Waiting"), N_("Applications")),
        N_("Without a good one in time"),
    )
    note = _("This process runs Holdfast %(version)s on %(node)s.", version=now.version, node=instance.config.node)
    return Table(N_("Nodes"), heads, rows, empty=N_("No node was ever heard of."), note=note)


def _node(node: str, now_ns: int, beat: int | None, apps: Sequence[AppState], going: Sequence[GoingRow]) -> list[Cell]:
    states = Counter(one.state for one in going)
    if beat is None:
        state = Cell(_("Never heard of"), css="bad")
    elif is_late((now_ns - beat) / SECOND_NS):
        state = Cell(_("Silent"), css="bad", small=_("start it there: holdfast serve"))
    else:
        state = Cell(_("Works"), css="good")
    return [
        Cell(node, href=f"{OPERATOR_PATH}/apps?node={node}"),
        state,
        Cell(_("never") if beat is None else words.ago(beat, now_ns)),
        Cell(words.number(states[State.RUNNING])),
        Cell(words.number(states[State.QUEUED])),
        Cell(words.number(len(apps))),
        Cell(words.number(sum(app.is_overdue for app in apps))),
    ]


def _notices(instance: Instance) -> Table:
    now_ns = instance.clock.now_ns()
    rows = []
    for one in endpoint_states(instance):
        endpoint = one.endpoint
        is_on = endpoint.disabled_at is None
        last = _("nothing yet") if one.last_at is None else words.ago(one.last_at, now_ns)
        account = endpoint.account_id
        rows.append(
            [
                Cell(endpoint.label, small=f"{endpoint.kind}, {endpoint.id}"),
                Cell(account or _("the operator"), href=f"{OPERATOR_PATH}/accounts/{account}" if account else ""),
                Cell(_("On"), css="good")
                if is_on
                else Cell(_("Off"), css="bad", small=f"holdfast notice enable {endpoint.id}"),
                Cell(words.number(one.delivered)),
                Cell(words.number(one.pending)),
                Cell(words.number(one.failed), small=one.error),
                Cell(last),
                Cell(", ".join(endpoint.events)),
            ]
        )
    heads = (
        *(N_("Endpoint"), N_("Account"), N_("State"), N_("Delivered"), N_("Waiting"), N_("Given up"), N_("Last")),
        N_("Events"),
    )
    empty = N_("Nobody is told of anything: holdfast notice add adds an endpoint.")
    return Table(N_("Endpoints"), heads, rows, empty=empty)


def _plans(instance: Instance) -> Table:
    counts = accounts_by_plan(instance)

    def limit(count: int) -> Cell:
        return Cell(words.number(count) if count else "-")

    rows = []
    for name, plan in sorted(instance.config.plans.items(), key=lambda item: item[1].rank):
        rows.append(
            [
                Cell(name),
                Cell(words.number(counts.get(name, 0))),
                Cell(_("yes") if plan.api_backups else _("no")),
                limit(plan.backups_per_app),
                limit(plan.backups_per_day),
                Cell(words.size(plan.storage_bytes) if plan.storage_bytes else "-"),
                limit(plan.keep_days_max),
                limit(plan.schedule_minutes_min),
            ]
        )
    for name in sorted(counts.keys() - instance.config.plans.keys()):
        gone = Cell(_("not in holdfast.toml"), css="bad")
        rows.append([Cell(name), Cell(words.number(counts[name])), gone, *[Cell("-")] * 5])
    heads = (
        *(N_("Plan"), N_("Accounts"), N_("Backups in the API"), N_("Backups of an application"), N_("By hand a day")),
        *(N_("Storage"), N_("Days kept at most"), N_("Minutes between runs")),
    )
    return Table(N_("Plans"), heads, rows)
