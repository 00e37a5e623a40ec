"""`/apps/{app_id}/schedule`: when backups are made, which stay, what they leave out, and what a change would do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import App
from holdfast.schemas.apps import Ignored
from holdfast.schemas.fields import Note
from holdfast.service.errors import Invalid, LimitReached
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import N_, _
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.policy.retention import Decision, Reason
from holdfast.service.preview.schedule import ignored_of, next_runs, notices_of
from holdfast.service.registry import accounts, apps
from holdfast.service.retention.retain import plan_retention
from holdfast.service.take.schedule import schedule_before, schedule_of, set_schedule, with_schedule
from holdfast.units import DAY_NS
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_app
from holdfast.web.dashboard.apps.schedule_form import (
    COUNTS,
    DAYS,
    FIELDS,
    day_name,
    differences,
    fields_of,
    kept_words,
    rule_words,
    schedule_of_fields,
    when_words,
)
from holdfast.web.dashboard.charts import Lane, lanes_chart
from holdfast.web.dashboard.render import app_frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

ROWS = 30
"""Backups of the list, until all are asked for."""
ROWS_MAX = 1000

_SCHEDULE = "/apps/{app_id:str}/schedule"
_LANES = (Reason.KEEP_HOURLY, Reason.KEEP_DAILY, Reason.KEEP_WEEKLY, Reason.KEEP_MONTHLY, Reason.KEEP_YEARLY)
"""The rules that have a lane each, in their order."""

_GOES = {
    Reason.RULES: N_("no rule keeps it"),
    Reason.PLAN_DAYS: N_("older than the plan keeps backups"),
    Reason.PLAN_BACKUPS: N_("more than the plan has room for"),
    Reason.PLAN_STORAGE: N_("more bytes than the plan has room for"),
    Reason.FAILED_LONG_AGO: N_("it failed long ago"),
}
_Found = tuple[Ignored | None, Note | None]


def schedule_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_SCHEDULE, opt=needs(Right.SCHEDULE_READ))
    @as_page
    async def schedule_page(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        fields = inputs.query(request.scope, *FIELDS, "all")
        return await _answer(context, request.scope, caller, token, app_id, fields)

    @post(_SCHEDULE, opt=needs(Right.SCHEDULE_WRITE))
    @as_page
    async def save_schedule(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        fields = await form_fields(context, request, token, _path(app_id))
        try:
            await context.call(_save, instance, caller, app_id, fields)
        except Invalid as error:
            return await _answer(context, request.scope, caller, token, app_id, fields, error)
        return redirect(_path(app_id), [])

    @post(f"{_SCHEDULE}/back", opt=needs(Right.SCHEDULE_WRITE))
    @as_page
    async def take_back(request: AnyRequest) -> Answer:
        caller, token, app_id = require_app(context, request.scope)
        await form_fields(context, request, token, f"{_path(app_id)}/back")
        await context.call(_take_back, instance, caller, app_id)
        return redirect(_path(app_id), [])

    return [schedule_page, save_schedule, take_back]


def _path(app_id: str) -> str:
    return f"/apps/{app_id}/schedule"


def _save(instance: Instance, caller: Caller, app_id: str, fields: dict[str, str]) -> None:
    accounts.require_api_backups(instance, caller.account)
    app = apps.get_app(instance, caller.account.id, app_id)
    set_schedule(instance, app, schedule_of_fields(fields), caller.actor, by_customer=True)


def _take_back(instance: Instance, caller: Caller, app_id: str) -> None:
    accounts.require_api_backups(instance, caller.account)
    app = apps.get_app(instance, caller.account.id, app_id)
    before = schedule_before(instance, app)
    if before is None:
        late = _("The ten minutes in which the schedule could be put back are over; change it instead.")
        raise Invalid("cron", late)
    set_schedule(instance, app, before[0], caller.actor, by_customer=True)


async def _answer(
    context: Context,
    scope: Scope,
    caller: Caller,
    token: str,
    app_id: str,
    fields: dict[str, str],
    error: Invalid | None = None,
) -> Answer:
    """The page, with what was entered; what patterns leave out is looked up when something was."""
    instance, status = context.instance, 200 if error is None else error.http_status
    app = await context.call(apps.get_app, instance, caller.account.id, app_id)
    tried = app
    if "when" in fields and error is None:
        try:
            tried = await context.call(with_schedule, instance, app, schedule_of_fields(fields))
        except Invalid as refused:
            error = refused
    found: _Found | None = None
    if "when" in fields and error is None:
        try:
            found = await context.call_apart(app.account_id, ignored_of, instance, tried)
        except LimitReached as busy:
            found = None, Note(busy.code, busy.message)
    return await context.call(_page, scope, instance, caller, token, (app, tried), fields, found, error, status)


def _page(
    scope: Scope,
    instance: Instance,
    caller: Caller,
    token: str,
    both: tuple[App, App],
    fields: dict[str, str],
    found: _Found | None,
    error: Invalid | None,
    status: int,
) -> Answer:
    app, tried = both
    saved, shown = schedule_of(app), schedule_of(tried)
    now, zone = instance.clock.now_ns(), zone_of(instance)
    decisions = sorted(plan_retention(instance, tried), key=lambda one: one.backup.created_at, reverse=True)
    going = [one for one in decisions if one.goes_by is not None]
    before = schedule_before(instance, app)
    path = _path(app.id)
    limit = ROWS_MAX if "all" in fields else ROWS
    return page(
        scope,
        "schedule.html",
        status,
        frame=app_frame(caller, str(zone), app, "schedule"),
        servers_zone=str(instance.zone),
        headline=_("Backed up %(when)s; %(kept)s", when=when_words(saved.cron), kept=kept_words(saved.retention)),
        path=path,
        may_change=caller.may(Right.SCHEDULE_WRITE, app.id),
        error=None if error is None else error.message,
        fields={**fields_of(shown), **{name: fields[name] for name in FIELDS if name in fields}},
        was=fields_of(saved),
        counts=COUNTS,
        days=[day_name(number) for number in range(DAYS)],
        token=form_token(token, path),
        differences=differences(saved, shown),
        back=None
        if before is None
        else {
            "token": form_token(token, f"{path}/back"),
            "until": words.when(before[1], now, zone),
            "changes": differences(saved, before[0]),
        },
        runs=[(words.when(at, now, zone), words.until(at, now)) for at in next_runs(instance, tried)],
        notices=notices_of(instance, tried),
        found=None if found is None else _found(found),
        charts=_charts(decisions, now),
        rows=_rows(decisions[:limit], instance),
        left=max(0, len(decisions) - limit),
        all_query=urlencode({**{name: fields[name] for name in FIELDS if name in fields}, "all": "1"}),
        staying=len(decisions) - len(going),
        going=len(going),
        going_names=[words.name(one.backup.name, one.backup.created_at, zone) for one in going[:5]],
        base_url=instance.config.base_url.rstrip("/"),
        app_id=app.id,
    )


def _found(found: _Found) -> dict[str, Any]:
    ignored, error = found
    if ignored is None:
        return {"error": "" if error is None else error.message, "patterns": [], "sentence": ""}
    lines = [
        (
            one.pattern,
            f"{words.files(one.files)}, {words.size(one.bytes)}" if one.files else _("matches nothing"),
        )
        for one in ignored.patterns
    ]
    sentence = _(
        "They leave out %(out)s of %(files)s, %(size)s of %(sizes)s.",
        out=words.number(ignored.files),
        files=words.files(ignored.total_files),
        size=words.size(ignored.bytes),
        sizes=words.size(ignored.total_bytes),
    )
    return {"error": "", "patterns": lines, "sentence": sentence}


def _charts(decisions: Sequence[Decision], now: int) -> dict[str, Any] | None:
    lanes = []
    for reason in _LANES:
        ages = [(now - one.backup.created_at) / DAY_NS for one in decisions if reason in one.kept_by]
        if ages:
            lanes.append(Lane(rule_words(reason.value, len(ages)), [max(0.0, age) for age in ages]))
    if not lanes:
        return None
    return {
        "broad": lanes_chart(lanes, width=500, css="on-desk"),
        "narrow": lanes_chart(lanes, width=330, css="on-phone"),
        "sentence": _(
            "Backups that stay, by the rule that keeps them: %(rules)s.", rules=", ".join(lane.text for lane in lanes)
        ),
    }


def _rows(decisions: Sequence[Decision], instance: Instance) -> list[dict[str, Any]]:
    return [
        {
            "name": words.name(one.backup.name, one.backup.created_at, zone_of(instance)),
            "href": f"/apps/{one.backup.app_id}/backups/{one.backup.id}",
            "goes": None if one.goes_by is None else _(_GOES[one.goes_by]),
            "kept": words.kept(str(why) for why in one.kept_by),
        }
        for one in decisions
    ]
