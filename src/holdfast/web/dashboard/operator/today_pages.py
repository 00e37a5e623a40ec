"""`/operator`: what needs the operator now, then the instance today, with its charts."""

from __future__ import annotations

from typing import NamedTuple

from litestar import get
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.times import local_time
from holdfast.service.language.patterns import short_day
from holdfast.service.language.texts import N_, _, ngettext
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
from holdfast.web.dashboard.viewer import zone_of
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
        reading = await todays.get()
        found = reading.found
        needs = needs_of(found, report)
        last = day_of_instance(instance)
        return operator_page(
            *(context, request.scope, operator, token, "today.html", "now"),
            title=_headline(needs),
            lead=_lead(found) + counted(reading, instance.clock.now_ns()),
            needs=needs,
            tiles=_tiles(found),
            doctor="" if report is None else words.ago(report.at, found.now),
            lanes=charts.lanes(found.due, local_time(found.now, zone_of(instance)).hour, found.silent),
            growth=charts.growth(found.days, found.disk, last, found.full_on),
            durations=charts.durations(found.durations),
            proofs=charts.proofs(found.proofs),
            coverage=None if found.proved_share is None else words.decimal(100 * found.proved_share),
        )

    @get(STORE, opt=OPERATOR)
    @as_page
    async def store(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        reading = await stores.get()
        found = reading.found
        last = day_of_instance(instance)
        return operator_page(
            *(context, request.scope, operator, token, "store.html", "store"),
            title=_("The store"),
            lead=_("The packs of all accounts, on one disk. Prune, check and read-back run by themselves.")
            + counted(reading, instance.clock.now_ns()),
            facts=_store_facts(found, instance.clock.now_ns()),
            growth=charts.growth(found.days, found.disk, last, found.full_on),
        )

    return [now, store]


def _headline(needs: list[Need]) -> str:
    if not needs:
        return _("Nothing needs you now")
    return ngettext("%(num)s thing needs you now", "%(num)s things need you now", len(needs))


def _lead(found: Today) -> str:
    """The applications in one sentence, in which each is counted once."""
    counts = found.counts
    if not counts.all:
        return _("There are no applications yet: holdfast app add, or a PUT of your panel, makes one.")
    return _(
        "Of %(all)s applications %(good)s are good, %(failed)s failed, %(missed)s missed a backup, "
        "%(not_begun)s have not begun.",
        all=words.number(counts.all),
        good=words.number(counts.good),
        failed=words.number(counts.failed),
        missed=words.number(counts.missed),
        not_begun=words.number(counts.not_begun),
    )


def _tiles(found: Today) -> list[Tile]:
    sums, (running, waiting) = found.sums, running_count(found.going)
    next_hour = sum(lane[0] for lane in found.due.values())
    return [
        Tile(
            N_("Backups today"),
            words.number(sums.good),
            _(
                "%(failed)s failed, %(missed)s missed, %(cancelled)s cancelled",
                failed=words.number(sums.failed),
                missed=words.number(sums.missed),
                cancelled=words.number(sums.cancelled),
            ),
        ),
        Tile(N_("Running now"), words.number(running), _("%(count)s waiting", count=words.number(waiting))),
        Tile(N_("New in the store today"), words.size(sums.added_bytes), _("what today's backups added")),
        Tile(N_("Test restores today"), words.number(sums.proved), _("matched")),
        Tile(N_("In the next hour"), words.number(next_hour), _("backups begin by schedule")),
    ]


def _store_facts(found: StoreState, now_ns: int) -> list[tuple[str, str]]:
    packs, disk, last = found.packs, found.disk, found.last
    total = packs.live_bytes + packs.condemned_bytes
    dead = f"{words.decimal(100 * packs.condemned_bytes / total if total else 0)}\u00a0%"
    share = 100 * packs.fresh_bytes // packs.live_bytes if packs.live_bytes else 0
    read = words.percent(share) if packs.live_bytes else _("nothing to read")
    full = _("not in sight")
    if found.full_on is not None:
        full = _("about %(day)s", day=short_day(found.full_on, with_year=True))
    pruned, repaired = last.get("account.pruned"), last.get("account.repaired")
    waits = found.prune.accounts
    accounts = ngettext("%(num)s account", "%(num)s accounts", waits, num=words.number(waits))
    oldest = _("nothing yet") if packs.oldest_read_at is None else words.ago(packs.oldest_read_at, now_ns)
    held, none = found.trash, _("none in 30 days")
    backups = ngettext("%(num)s backup", "%(num)s backups", held.backups, num=words.number(held.backups))
    by_itself = _("Read back by itself")
    if days := found.read_back_days:
        by_itself = ngettext("Read back within %(num)s day", "Read back within %(num)s days", days)
    return [
        (_("Disk"), _("cannot be looked at") if disk is None else words.size(disk.size_bytes)),
        (_("Free"), _("unknown") if disk is None else words.size(disk.free_bytes)),
        (_("Full"), full),
        (_("Packs"), f"{words.number(packs.live)}, {words.size(packs.live_bytes)}"),
        (
            _("Dead, waiting to be removed"),
            _("%(size)s, %(share)s of all", size=words.size(packs.condemned_bytes), share=dead),
        ),
        (_("Held by the trash"), f"{backups}, {words.size(held.bytes)}"),
        (_("To be pruned"), accounts if waits else _("nothing")),
        (_("Last prune that freed something"), none if pruned is None else words.ago(pruned, now_ns)),
        (_("Last repair by a check"), none if repaired is None else words.ago(repaired, now_ns)),
        (by_itself, read),
        (_("Never read back"), words.size(packs.unread_bytes)),
        (_("Oldest reading"), oldest),
    ]
