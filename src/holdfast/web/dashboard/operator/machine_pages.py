"""`/operator/nodes`, `/operator/plans`, `/operator/notices`: what the instance runs on, offers, and sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import State
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.heartbeat import is_late
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
NODES_LEAD = "Each machine backs up the applications that are on it. One that is not heard of does nothing."


def machine_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    notices = "To whom events are told: your own endpoints, and those of all accounts. Addresses are never shown."
    plans = "As holdfast.toml has them. A dash stands for no limit."
    looks = Kept(context, nodes_now)

    @get(NODES, opt=OPERATOR)
    @as_page
    async def nodes(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        look, now_ns = await looks.get(), context.instance.clock.now_ns()
        shown = {"title": "Nodes", "lead": NODES_LEAD + counted(look, now_ns), "path": NODES}
        lists = [_nodes(context.instance, look.found)]
        return operator_page(context, request.scope, operator, token, "list.html", "nodes", **shown, lists=lists)

    return [
        nodes,
        list_route(context, "notices", notices, _notices),
        list_route(context, "plans", plans, _plans),
    ]


def _nodes(instance: Instance, now: NodesNow) -> Table:
    now_ns = instance.clock.now_ns()
    rows = [_node(node, now_ns, now.beats.get(node), now.of_node(node), now.going_on(node)) for node in now.names]
    heads = ("Node", "State", "Heard of", "Running", "Waiting", "Applications", "Without a good one in time")
    note = f"This process runs Holdfast {now.version} on {instance.config.node}."
    return Table("Nodes", heads, rows, empty="No node was ever heard of.", note=note)


def _node(node: str, now_ns: int, beat: int | None, apps: Sequence[AppState], going: Sequence[GoingRow]) -> list[Cell]:
    states = Counter(one.state for one in going)
    if beat is None:
        state = Cell("Never heard of", css="bad")
    elif is_late((now_ns - beat) / SECOND_NS):
        state = Cell("Silent", css="bad", small="start it there: holdfast serve")
    else:
        state = Cell("Works", css="good")
    return [
        Cell(node, href=f"{OPERATOR_PATH}/apps?node={node}"),
        state,
        Cell("never" if beat is None else words.ago(beat, now_ns)),
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
        css, word = ("good", "On") if endpoint.disabled_at is None else ("bad", "Off")
        last = "nothing yet" if one.last_at is None else words.ago(one.last_at, now_ns)
        account = endpoint.account_id
        rows.append(
            [
                Cell(endpoint.label, small=f"{endpoint.kind}, {endpoint.id}"),
                Cell(account or "the operator", href=f"{OPERATOR_PATH}/accounts/{account}" if account else ""),
                Cell(word, css=css, small="" if word == "On" else f"holdfast notice enable {endpoint.id}"),
                Cell(words.number(one.delivered)),
                Cell(words.number(one.pending)),
                Cell(words.number(one.failed), small=one.error),
                Cell(last),
                Cell(", ".join(endpoint.events)),
            ]
        )
    heads = ("Endpoint", "Account", "State", "Delivered", "Waiting", "Given up", "Last", "Events")
    return Table("Endpoints", heads, rows, empty="Nobody is told of anything: holdfast notice add adds an endpoint.")


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
                Cell("yes" if plan.api_backups else "no"),
                limit(plan.backups_per_app),
                limit(plan.backups_per_day),
                Cell(words.size(plan.storage_bytes) if plan.storage_bytes else "-"),
                limit(plan.keep_days_max),
                limit(plan.schedule_minutes_min),
            ]
        )
    for name in sorted(counts.keys() - instance.config.plans.keys()):
        gone = Cell("not in holdfast.toml", css="bad")
        rows.append([Cell(name), Cell(words.number(counts[name])), gone, *[Cell("-")] * 5])
    heads = ("Plan", "Accounts", "Backups in the API", "Backups of an application", "By hand a day", "Storage")
    return Table("Plans", (*heads, "Days kept at most", "Minutes between runs"), rows)
