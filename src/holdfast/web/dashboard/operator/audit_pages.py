"""`/operator/audit`: who changed what, of all accounts and of the instance itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import ActorKind, AuditEntry, AuditFilter
from holdfast.schemas.times import local_time
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.people import audit
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.units import DAY_NS
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard.access import AnyRequest, as_page, require_operator
from holdfast.web.dashboard.operator.frame import as_file, operator_page
from holdfast.web.dashboard.operator.tables import ROWS, Cell, Field, Table, address, whole_number
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PATH = f"{OPERATOR_PATH}/audit"
_FILTERS = ("actor", "action", "account", "app", "days")
_SEQ_MAX = 10**18
_DAYS = (("", N_("All 400 days")), ("1", N_("Last 24 hours")), ("7", N_("Last 7 days")), ("30", N_("Last 30 days")))
_KINDS = {
    ActorKind.PERSON: N_("person"),
    ActorKind.KEY: N_("key"),
    ActorKind.SCHEDULE: N_("schedule"),
    ActorKind.HOST: N_("panel"),
    ActorKind.OPERATOR: N_("operator"),
    ActorKind.SYSTEM: N_("system"),
}
_NOUNS = (
    ("", N_("Everything")),
    ("session.", N_("Signing in")),
    ("backup.", N_("Backups")),
    ("restore.", N_("Restores")),
    ("schedule.", N_("Schedules")),
    ("key.", N_("Keys")),
    ("link.", N_("Links")),
    ("member.", N_("Members")),
    ("account.", N_("Accounts")),
    ("app.", N_("Applications")),
    ("operator.", N_("Operators")),
    ("webhook.", N_("Notices")),
)


def audit_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(PATH, opt=OPERATOR)
    @as_page
    async def audit_log(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        fields = inputs.query(request.scope, *_FILTERS, "after")
        after = whole_number(fields, "after", 0, _SEQ_MAX)
        found = await context.call(audit.entries, instance, _wanted(instance, fields), ROWS + 1, after)
        return operator_page(
            context,
            request.scope,
            operator,
            token,
            "list.html",
            "audit",
            title=_("Audit log"),
            lead=_("Who changed what, from where, newest first. Kept for 400 days; nobody can change it here."),
            path=PATH,
            lists=[_table(instance, found, fields)],
        )

    @get(f"{PATH}.csv", opt=OPERATOR)
    @as_page
    async def as_csv(request: AnyRequest) -> Answer:
        require_operator(context, request.scope)
        fields = inputs.query(request.scope, *_FILTERS)
        found = await context.call(audit.entries, instance, _wanted(instance, fields), audit.FILE_ROWS_MAX)
        body = audit.as_csv(audit.operator_entries(instance, found))
        return as_file("audit.csv", "text/csv; charset=utf-8; header=present", body)

    return [audit_log, as_csv]


def _wanted(instance: Instance, fields: dict[str, str]) -> AuditFilter:
    days = whole_number(fields, "days", 1, 400)
    return AuditFilter(
        account_id=fields.get("account") or None,
        app_id=fields.get("app") or None,
        actor=fields.get("actor") or None,
        action=fields.get("action") or None,
        since=None if days is None else instance.clock.now_ns() - days * DAY_NS,
    )


def _table(instance: Instance, found: Sequence[AuditEntry], fields: dict[str, str]) -> Table:
    filters = {name: fields.get(name, "") for name in _FILTERS}
    rows = found[:ROWS]
    return Table(
        N_("Entries"),
        (N_("When"), N_("Who"), N_("What"), N_("About"), N_("Before and after")),
        [_cells(instance, one) for one in rows],
        (
            Field("actor", N_("Who"), filters["actor"]),
            Field("action", N_("What"), filters["action"], [(value, _(text)) for value, text in _NOUNS]),
            Field("account", N_("Account (id)"), filters["account"]),
            Field("app", N_("Application (id)"), filters["app"]),
            Field("days", N_("When"), filters["days"], [(value, _(text)) for value, text in _DAYS]),
        ),
        address(PATH, filters, after=str(rows[-1].seq)) if len(found) > ROWS else "",
        address(f"{PATH}.csv", filters),
        N_("No entry is like that."),
    )


def _cells(instance: Instance, one: AuditEntry) -> list[Cell]:
    account, local = one.account_id, local_time(one.at, zone_of(instance))
    return [
        Cell(f"{local:%Y-%m-%d}", small=f"{local:%H:%M:%S}"),
        Cell(
            one.actor.name or one.actor.id, small=" · ".join(p for p in (_(_KINDS[one.actor.kind]), one.actor.ip) if p)
        ),
        Cell(one.action),
        Cell(
            account or _("the instance"),
            href=f"{OPERATOR_PATH}/accounts/{account}" if account else "",
            small=" · ".join(p for p in (one.app_id, one.backup_id) if p),
        ),
        Cell(_data_text(one.data)),
    ]


def _data_text(data: dict[str, Any]) -> str:
    before, after = data.get("before"), data.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        names = [*dict.fromkeys([*before, *after])]
        return "; ".join(f"{name}: {_text(before.get(name))} → {_text(after.get(name))}" for name in names)
    return "" if not data else _text(data)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
