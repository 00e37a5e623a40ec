"""`/operator/doctor`: what the doctor found, with the command that mends it."""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from holdfast.service.doctor.finding import Level
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.people.operators import OPERATOR_PATH
from holdfast.web.auth import OPERATOR
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, operator_form, require_operator
from holdfast.web.dashboard.operator.frame import as_file, operator_page
from holdfast.web.dashboard.operator.reports import Report, Reports
from holdfast.web.dashboard.render import redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.http.envelope import Answer

PATH = f"{OPERATOR_PATH}/doctor"
_ORDER = {Level.PROBLEM: 0, Level.WARNING: 1, Level.OK: 2}
BADGES = {Level.PROBLEM: ("bad", N_("Problem")), Level.WARNING: ("warn", N_("Warning")), Level.OK: ("good", N_("Well"))}
"""By the level of a finding: the class and the word of its tag."""


def doctor_page_routes(context: Context, reports: Reports) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get(PATH, opt=OPERATOR)
    @as_page
    async def findings(request: AnyRequest) -> Answer:
        operator, token = require_operator(context, request.scope)
        report = reports.refresh()
        now_ns = context.instance.clock.now_ns()
        return operator_page(
            context,
            request.scope,
            operator,
            token,
            "doctor.html",
            "doctor",
            title=headline(report),
            done=None if report is None else words.ago(report.at, now_ns),
            lines=[] if report is None else _shown(report),
            run={"action": PATH, "token": form_token(token, PATH)},
            text_path=f"{PATH}.txt",
        )

    @post(PATH, opt=OPERATOR)
    @as_page
    async def run_again(request: AnyRequest) -> Answer:
        await operator_form(context, request, PATH)
        await context.call(reports.make)
        return redirect(PATH, [])

    @get(f"{PATH}.txt", opt=OPERATOR)
    @as_page
    async def as_text(request: AnyRequest) -> Answer:
        require_operator(context, request.scope)
        report = reports.newest or await context.call(reports.make)
        return as_file("holdfast-doctor.txt", "text/plain; charset=utf-8", _text(report))

    return [findings, run_again, as_text]


def headline(report: Report | None) -> str:
    """The report in one line."""
    if report is None:
        return _("The doctor looks at everything now")
    problems = sum(line.level == Level.PROBLEM for line in report.lines)
    warnings = sum(line.level == Level.WARNING for line in report.lines)
    if not problems and not warnings:
        return _("All is well")
    counts = (
        (problems, ngettext("%(num)s problem", "%(num)s problems", problems)),
        (warnings, ngettext("%(num)s warning", "%(num)s warnings", warnings)),
    )
    return ", ".join(text for count, text in counts if count)


def _shown(report: Report) -> list[dict[str, str]]:
    lines = sorted(report.lines, key=lambda line: _ORDER[Level(line.level)])
    return [
        {
            "css": BADGES[Level(line.level)][0],
            "word": BADGES[Level(line.level)][1],
            "check": line.check,
            "text": line.message,
            "command": line.command,
        }
        for line in lines
    ]


def _text(report: Report | None) -> str:
    lines = [] if report is None else report.lines
    found = [f"{line.level:8} {line.check}: {line.message}" + (f"\n         {line.command}" if line.command else "")
             for line in lines]  # fmt: skip
    return "\n".join([headline(report), "", *found, ""])
