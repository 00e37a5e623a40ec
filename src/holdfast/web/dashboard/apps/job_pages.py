"""`/jobs/{id}`: a restore, a reading back or a test restore, while it runs and when it has ended; cancel and undo."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import OPEN_JOBS, App, Backup, Job, JobState, Work
from holdfast.service.errors import ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.jobs.events import newest_event
from holdfast.service.jobs.lifecycle import get_job
from holdfast.service.jobs.work import backup_of, cancel_work, work_with_log
from holdfast.service.language.texts import N_, _, ngettext
from holdfast.service.overview.backups import newest_backups
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import accounts, apps
from holdfast.service.registry.backups import find_backup
from holdfast.service.restore.files import Restored
from holdfast.service.restore.plan import Wanted
from holdfast.service.restore.undo import request_undo, undo_of, undone_by
from holdfast.web.api.jobs import STARTED_BY, seen_work
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_account
from holdfast.web.dashboard.apps.job_words import (
    NAMES,
    REFUSED,
    cancelling,
    going,
    headline_of,
    left_of,
    percent_of,
    steps_of,
    warnings_of,
)
from holdfast.web.dashboard.render import app_frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

_JOB = "/jobs/{job_id:str}"
_JOB_SEGMENT = 1
RELOAD_SECONDS = 3
"""The page of work that runs is loaded again after so long where scripts are off; else the stream changes it."""

WARNINGS_SHOWN = 50


def job_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_JOB, opt=needs(Right.BACKUPS_READ, is_filtered=True))
    @as_page
    async def job_page(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        job_id = inputs.path_segment(request.scope, _JOB_SEGMENT)
        first = inputs.integer(inputs.query(request.scope, "from"), "from", 0, 100_000) or 0
        return await context.call(_page, request.scope, context, caller, token, job_id, first)

    @post(f"{_JOB}/cancel", opt=needs(*dict.fromkeys(STARTED_BY.values()), is_filtered=True))
    @as_page
    async def cancel(request: AnyRequest) -> Answer:
        caller, job_id, _ = await _sent(request, "cancel")

        def done() -> str:
            work = seen_work(context, caller, job_id)
            caller.require(STARTED_BY[work.kind], work.app_id)
            if work.state in OPEN_JOBS:  # else it has ended by itself meanwhile, as its page says
                cancel_work(instance, work, caller.actor)
            return f"/apps/{work.app_id}" if work.kind == "backup" else path_of_job(work.id)

        return redirect(await context.call(done), [])

    @post(f"{_JOB}/undo", opt=needs(Right.BACKUPS_RESTORE, is_filtered=True))
    @as_page
    async def undo(request: AnyRequest) -> Answer:
        caller, job_id, fields = await _sent(request, "undo")

        def done() -> str:
            work = seen_work(context, caller, job_id)
            caller.require(Right.BACKUPS_RESTORE, work.app_id)
            accounts.require_api_backups(instance, caller.account)
            return path_of_job(request_undo(instance, work, caller.actor, once_of(fields)).id)

        return redirect(await context.call(done), [])

    async def _sent(request: AnyRequest, form: str) -> tuple[Caller, str, dict[str, str]]:
        caller, token = require_account(context, request.scope)
        job_id = inputs.path_segment(request.scope, _JOB_SEGMENT)
        return caller, job_id, await form_fields(context, request, token, f"{path_of_job(job_id)}/{form}")

    return [job_page, cancel, undo]


def path_of_job(job_id: str) -> str:
    """The path of a job's page."""
    return f"/jobs/{job_id}"


def once_of(fields: dict[str, str]) -> str:
    """The token with which a form asks once; empty for one that has none."""
    once = fields.get("once", "")
    return once if inputs.is_id(once) else ""


def job_form(token: str, job_id: str, form: str) -> dict[str, str]:
    """The form `cancel` or `undo` of a job."""
    path = f"{path_of_job(job_id)}/{form}"
    return {"action": path, "token": form_token(token, path), "once": secrets.token_hex(16)}


def undo_form(instance: Instance, caller: Caller, token: str, job: Job | str, app: App) -> dict[str, str] | None:
    """The form that undoes a restore of an application, or one by its id; None when it cannot be undone."""
    if not caller.may(Right.BACKUPS_RESTORE, app.id):
        return None
    try:
        job = get_job(instance, job) if isinstance(job, str) else job
        undo_of(instance, job, app)
    except ServiceError:
        return None
    return job_form(token, job.id, "undo")


def _page(scope: Scope, context: Context, caller: Caller, token: str, job_id: str, first: int) -> Answer:
    instance, seen = context.instance, newest_event(context.instance, caller.account.id)  # before anything is read
    work = seen_work(context, caller, job_id)
    if work.kind == "backup":
        return redirect(f"/apps/{work.app_id}/backups/{work.id}", [])
    app, zone, now = apps.get_app(instance, caller.account.id, work.app_id), zone_of(instance), instance.clock.now_ns()
    wanted = msgspec.json.decode(work.request, type=Wanted)
    backup = _backup_of(instance, caller, work)
    name = _("a backup that is gone") if backup is None else words.name(backup.name, backup.created_at, zone)
    percent, is_open = percent_of(work), work.state in OPEN_JOBS
    safety = _safety_backup(instance, app, work)
    warnings = warnings_of(work)
    may_cancel = is_open and not work.cancel_asked and caller.may(STARTED_BY[work.kind], app.id)
    is_files = work.kind == "restore" and wanted.database is None and wanted.takes_away is None
    undoing, undone = undone_by(instance, work), wanted.undoes or wanted.takes_away
    return page(
        scope,
        "job.html",
        frame=app_frame(caller, str(zone), app, "backups"),
        job=work,
        seen=seen,
        kind=NAMES[work.kind],
        top=headline_of(work, wanted, name, app.name, percent, _was(instance, backup)),
        name=name,
        backup_path=None if backup is None else f"/apps/{backup.app_id}/backups/{backup.id}",
        is_open=is_open,
        percent=percent,
        figures=going(work, now) if is_open else [],
        steps=steps_of(work, wanted, safety) if is_files and (is_open or work.result) else [],
        safety_path=None if safety is None else f"/apps/{safety.app_id}/backups/{safety.id}",
        reload_seconds=RELOAD_SECONDS,
        cancel=job_form(token, work.id, "cancel") if may_cancel else None,
        cancelling=cancelling(work),
        undo=undo_form(instance, caller, token, work, app)
        if undoing is None and work.result and work.kind == "restore"
        else None,
        undoing_path=None if undoing is None else path_of_job(undoing.id),
        is_undone=undoing is not None and undoing.state is JobState.SUCCESSFUL,
        undone_path=None if undone is None else path_of_job(undone),
        failure=None if work.state is not JobState.FAILED else _failure(work, wanted),
        again=_again(work, wanted, backup) if caller.may(STARTED_BY[work.kind], app.id) else None,
        asked=_asked(work, wanted, app, name, instance),
        warnings=warnings[first : first + WARNINGS_SHOWN],
        warnings_count=words.number(len(warnings)),
        warnings_next=first + WARNINGS_SHOWN if first + WARNINGS_SHOWN < len(warnings) else None,
        warnings_before=first > 0,
        log=work_with_log(instance, work).log,
        path=path_of_job(work.id),
        base_url=instance.config.base_url.rstrip("/"),
    )


def _backup_of(instance: Instance, caller: Caller, work: Work) -> Backup | None:
    """The backup of a job; None when it is gone, or of an application that is not for the caller to see."""
    backup = backup_of(instance, work)
    return backup if backup is not None and caller.grant.sees(backup.app_id) else None


def _was(instance: Instance, backup: Backup | None) -> str:
    """When an application was as a backup has it."""
    if backup is None:
        return _("in a backup that is gone")
    if backup.origin == "safety":
        return _("before the restore")
    return _("on %(when)s", when=words.whole(backup.created_at, zone_of(instance)))


def _safety_backup(instance: Instance, app: App, work: Work) -> Backup | None:
    """The safety backup of a restore, once it was begun and while it is there."""
    if work.kind != "restore":
        return None
    if work.result is not None:
        done = msgspec.json.decode(work.result, type=Restored)
        try:
            return find_backup(instance, app.id, done.safety_backup_id) if done.safety_backup_id else None
        except ServiceError:
            return None
    newest = newest_backups(instance, app.account_id, app.id, limit=1) if work.state is JobState.RUNNING else []
    return next((one for one in newest if one.origin == "safety" and one.created_at >= work.created_at), None)


def _failure(work: Work, wanted: Wanted) -> list[tuple[str, str]]:
    """Return what happened, what is still safe, and what happens next."""
    after = _("Nothing happens by itself: try again, or choose another backup.")
    if work.error_code == REFUSED:
        after = _("Nothing happens by itself: compare again, and restore if you still want what it shows then.")
    elif work.kind == "prove":
        after = _("A test restore is tried again by itself within a day.")
    elif work.kind == "verify":
        after = _("The server goes on reading its whole store by and by, this backup too.")
    return [
        (N_("What happened"), work.error_message or ""),
        (N_("What is still safe"), left_of(work, wanted)),
        (N_("What happens next"), after),
    ]


def _again(work: Work, wanted: Wanted, backup: Backup | None) -> dict[str, str] | None:
    """The page on which a restore that did not get to its end can be asked for again, with the same choices."""
    is_stopped = work.state in (JobState.FAILED, JobState.CANCELLED)
    if not is_stopped or backup is None or wanted.takes_away or wanted.database:
        return None
    if work.kind != "restore":
        return {"href": f"/apps/{backup.app_id}/backups/{backup.id}", "text": N_("Try again from the backup's page")}
    fields: list[tuple[str, str]] = [("backup", backup.id), ("how", wanted.mode)]
    fields += [("paths", path) for path in wanted.paths]
    if wanted.into is not None:
        fields += [("where", "beside"), ("into", wanted.into)]
    elif work.app_id != backup.app_id:
        fields += [("where", "other"), ("target", work.app_id)]
    text = N_("Compare again") if work.error_code == REFUSED else N_("Try again")
    return {"href": f"/apps/{backup.app_id}/restore?{urlencode(fields)}", "text": text}


def _asked(work: Work, wanted: Wanted, app: App, name: str, instance: Instance) -> list[tuple[str, str]]:
    zone = zone_of(instance)
    lines = [(_("Backup"), name)]
    if work.kind == "restore" and wanted.takes_away is None:
        count = len(wanted.paths)
        what = ngettext("%(num)s chosen", "%(num)s chosen", count) if count else _("Everything")
        how = _("Only bring back") if wanted.mode == "overlay" else _("Exactly as it was")
        into = app.name
        if wanted.into is not None:
            into = _("%(app)s, new folder %(folder)s", app=app.name, folder=wanted.into)
        what = what if wanted.database is None else _("The database %(database)s", database=wanted.database.name)
        lines += [(_("What"), what), (_("Into"), into)]
        lines += [(_("How"), how)] if wanted.into is None and wanted.database is None else []
    lines.append((_("Asked"), words.whole(work.created_at, zone)))
    if work.finished_at is not None:
        lines.append((_("Ended"), words.whole(work.finished_at, zone)))
        lines.append((_("Took"), words.span(work.finished_at - work.created_at)))
    return lines
