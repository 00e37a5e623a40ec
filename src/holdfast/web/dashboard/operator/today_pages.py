"""`/operator`: what needs the operator now, then the instance today, with its charts."""

from __future__ import annotations

from typing import NamedTuple

from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.times import local_time
from holdfast.service.operator.store import StoreState, store_state
from holdfast.service.operator.today import Today, instance_today, running_count
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.service.standing.days import today as day_of_instance
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, require_operator
from holdfast.web.dashboard.operator import charts
from holdfast.web.dashboard.operator.frame import operator_page
from holdfast.web.dashboard.operator.kept import Kept, counted
from holdfast.web.dashboard.operator.needs import Need, needs_of
from holdfast.web.dashboard.operator.reports import Reports
from holdfast.web.http.envelope import Answer

STORE = f"{OPERATOR_PATH}/store"


class Tile(NamedTuple):
    """A number of today, and what belongs to it."""

    name: str
    value: str
    more: str


def today_page_routes(context: Context, reports: Reports) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance
    todays, stores = Kept(context, instance_today), Kept(context, store_state)

    @get(OPERATOR_PATH, opt=OPERATOR)
    @as_page
    async def now(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        report = reports.refresh()
        look = await todays.get()
        found = look.found
        needs = needs_of(found, report)
        last = day_of_instance(instance)
        return operator_page(
            *(context, request.scope, operator, token, "today.html", "now"),
            title=_headline(needs),
            lead=_lead(found) + counted(look, instance.clock.now_ns()),
            needs=needs,
            tiles=_tiles(found),
            doctor="" if report is None else words.ago(report.at, found.now),
            lanes=charts.lanes(found.due, local_time(found.now, instance.zone).hour, found.silent),
            growth=charts.growth(found.days, found.disk, last, found.full_on),
            durations=charts.durations(found.durations),
            proofs=charts.proofs(found.proofs),
            coverage=None if found.proved_share is None else f"{100 * found.proved_share:.1f}",
        )

    @get(STORE, opt=OPERATOR)
    @as_page
    async def store(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        look = await stores.get()
        found = look.found
        last = day_of_instance(instance)
        return operator_page(
            *(context, request.scope, operator, token, "store.html", "store"),
            title="The store",
            facts=_store_facts(found, instance.clock.now_ns()),
            growth=charts.growth(found.days, found.disk, last, found.full_on),
        )

    return [now, store]


def _headline(needs: list[Need]) -> str:
    if not needs:
        return "Nothing needs you now"
    return f"{len(needs)} thing{'' if len(needs) == 1 else 's'} need{'s' if len(needs) == 1 else ''} you now"


def _lead(found: Today) -> str:
    """The applications in one sentence, in which each is counted once."""
    counts = found.counts
    if not counts.all:
        return "There are no applications yet: holdfast app add, or a PUT of your panel, makes one."
    return (
        f"Of {words.number(counts.all)} applications {words.number(counts.good)} are good, "
        f"{words.number(counts.failed)} failed, {words.number(counts.missed)} missed a backup, "
        f"{words.number(counts.not_begun)} have not begun."
    )


def _tiles(found: Today) -> list[Tile]:
    sums, (running, waiting) = found.sums, running_count(found.going)
    next_hour = sum(lane[0] for lane in found.due.values())
    return [
        Tile(
            "Backups today",
            words.number(sums.good),
            f"{words.number(sums.failed)} failed, {words.number(sums.missed)} missed, "
            f"{words.number(sums.cancelled)} cancelled",
        ),
        Tile("Running now", words.number(running), f"{words.number(waiting)} waiting"),
        Tile("New in the store today", words.size(sums.added_bytes), "what today's backups added"),
        Tile("Test restores today", words.number(sums.proved), "matched"),
        Tile("In the next hour", words.number(next_hour), "backups begin by schedule"),
    ]


def _store_facts(found: StoreState, now_ns: int) -> list[tuple[str, str]]:
    packs, disk, last = found.packs, found.disk, found.last
    total = packs.live_bytes + packs.condemned_bytes
    dead = f"{100 * packs.condemned_bytes / total:.1f} %" if total else "0 %"
    read = f"{100 * packs.fresh_bytes / packs.live_bytes:.0f} %" if packs.live_bytes else "nothing to read"
    full = "not in sight" if found.full_on is None else f"about {words.day(found.full_on)} {found.full_on.year}"
    pruned, repaired = last.get("account.pruned"), last.get("account.repaired")
    waits = f"{words.number(found.prune.accounts)} accounts" if found.prune.accounts else "nothing"
    oldest = "nothing yet" if packs.oldest_read_at is None else words.ago(packs.oldest_read_at, now_ns)
    return [
        ("Disk", "cannot be looked at" if disk is None else words.size(disk.size_bytes)),
        ("Free", "unknown" if disk is None else words.size(disk.free_bytes)),
        ("Full", full),
        ("Packs", f"{words.number(packs.live)}, {words.size(packs.live_bytes)}"),
        ("Dead, waiting to be removed", f"{words.size(packs.condemned_bytes)}, {dead} of all"),
        ("Held by the trash", f"{words.number(found.trash.backups)} backups, {words.size(found.trash.bytes)}"),
        ("To be pruned", waits),
        ("Last prune that freed something", "none in 30 days" if pruned is None else words.ago(pruned, now_ns)),
        ("Last repair by a check", "none in 30 days" if repaired is None else words.ago(repaired, now_ns)),
        (f"Read back within {found.read_back_days} days" if found.read_back_days else "Read back by itself", read),
        ("Never read back", words.size(packs.unread_bytes)),
        ("Oldest reading", oldest),
    ]
