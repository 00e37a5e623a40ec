"""`/operator/jobs`: what runs and waits, cancelling it, what ended lately, and the failures by their codes."""

from __future__ import annotations

from collections.abc import Sequence

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import CANCELLED, JobState, Work
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.work import cancel_work, get_work, seen_work
from holdfast.service.language.texts import N_, _
from holdfast.service.operator.today import Failures, failures_of_day
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, operator_form, require_operator
from holdfast.web.dashboard.operator.frame import operator_page
from holdfast.web.dashboard.operator.kept import Kept, counted
from holdfast.web.dashboard.operator.tables import Cell, Table
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

PATH = f"{OPERATOR_PATH}/jobs"
ENDED_ROWS = 25
KINDS = {"backup": N_("Backup"), "restore": N_("Restore"), "verify": N_("Read back"), "prove": N_("Test restore")}
"""By kind of job: its name."""

_STATES = {
    JobState.QUEUED: ("none", N_("Waits")),
    JobState.RUNNING: ("run", N_("Runs")),
    JobState.SUCCESSFUL: ("good", N_("Done")),
    JobState.FAILED: ("bad", N_("Failed")),
    JobState.CANCELLED: ("none", N_("Cancelled")),
}


def job_list_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance
    failures = Kept(context, failures_of_day)

    @get(PATH, opt=OPERATOR)
    @as_page
    async def all_jobs(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        going, ended = await context.call(seen_work, instance, ENDED_ROWS)
        reading = await failures.get()
        running = sum(one.state is JobState.RUNNING for one in going)
        return operator_page(
            context,
            request.scope,
            operator,
            token,
            "list.html",
            "jobs",
            title=_(
                "%(running)s running, %(waiting)s waiting",
                running=words.number(running),
                waiting=words.number(len(going) - running),
            ),
            lead=_("Backups, restores, verifications and test restores of all accounts.")
            + counted(reading, instance.clock.now_ns()),
            path=PATH,
            lists=[_going(instance, going, token), _failures(instance, reading.found), _ended(instance, ended)],
        )

    @post(f"{PATH}/{{job_id:str}}/cancel", opt=OPERATOR)
    @as_page
    async def cancel(request: AnyRequest) -> Answer:
        job_id = inputs.path_segment(request.scope, 2)
        operator, _fields = await operator_form(context, request, _cancel_path(job_id))
        await context.call(lambda: cancel_work(instance, get_work(instance, job_id), operator.actor))
        return redirect(PATH, [])

    return [all_jobs, cancel]


def _cancel_path(job_id: str) -> str:
    return f"{PATH}/{job_id}/cancel"


def _going(instance: Instance, going: Sequence[Work], token: str) -> Table:
    rows = []
    for work in going:
        path, (css, word) = _cancel_path(work.id), _STATES[work.state]
        rows.append(
            [
                Cell(_(KINDS.get(work.kind, work.kind)), small=work.id),
                Cell(_(word), css=css, small=_("stops") if work.cancel_asked else ""),
                Cell(_progress(work)),
                Cell(work.app_id, small=work.account_id),
                Cell(work.node),
                Cell(words.ago(work.created_at, instance.clock.now_ns())),
                Cell(_("Cancel"), action=path, token=form_token(token, path)),
            ]
        )
    heads = (N_("Job"), N_("State"), N_("Progress"), N_("Application"), N_("Node"), N_("Requested"), "")
    return Table(N_("Running and waiting"), heads, rows, empty=N_("Nothing runs, and nothing waits."))


def _progress(work: Work) -> str:
    done = work.progress
    if done is None:
        return _("not begun") if work.state is JobState.QUEUED else _("begun")
    sizes = _("%(used)s of %(most)s", used=words.size(done.bytes), most=words.size(done.total_bytes))
    return f"{words.percent(min(100, 100 * done.bytes // done.total_bytes))}, {sizes}" if done.total_bytes else sizes


def _failures(instance: Instance, found: Sequence[Failures]) -> Table:
    now_ns = instance.clock.now_ns()
    rows = [
        [
            Cell(one.code),
            Cell(words.number(one.count)),
            Cell(words.number(one.apps)),
            Cell(words.ago(one.last_at, now_ns)),
            Cell(words.sentence(one.text)),
        ]
        for one in found
    ]
    heads = (N_("Code"), N_("Failures"), N_("Applications"), N_("Last"), N_("One of them says"))
    return Table(N_("Failures of the last day, by code"), heads, rows, empty=N_("Nothing failed in the last day."))


def _ended(instance: Instance, ended: Sequence[Work]) -> Table:
    now_ns = instance.clock.now_ns()
    rows = []
    for work in ended:
        is_cancelled = work.error_code == CANCELLED
        css, word = _STATES[JobState.CANCELLED if is_cancelled else work.state]
        rows.append(
            [
                Cell(_(KINDS.get(work.kind, work.kind)), small=work.id),
                Cell(_(word), css=css, small="" if is_cancelled else work.error_code or ""),
                Cell(work.app_id, small=work.account_id),
                Cell(work.node),
                Cell("" if work.finished_at is None else words.ago(work.finished_at, now_ns)),
            ]
        )
    heads = (N_("Job"), N_("State"), N_("Application"), N_("Node"), N_("Ended"))
    return Table(N_("Ended lately"), heads, rows, empty=N_("Nothing ended lately."))
