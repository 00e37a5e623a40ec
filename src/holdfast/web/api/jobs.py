"""The routes of jobs: restore a backup, verify one, list jobs (including backups), cancel one, undo a restore."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import App, Backup, Job, Work
from holdfast.schemas.jobs import Restore, RestorePreview
from holdfast.service.errors import Conflict, job_not_found
from holdfast.service.instance.home import Instance
from holdfast.service.integrity.prove import queue_prove
from holdfast.service.integrity.verify import request_verify
from holdfast.service.jobs import lifecycle as operations
from holdfast.service.jobs.work import PAGE, account_work, cancel_work, get_work, work_with_log
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.preview.apart import restore_apart
from holdfast.service.registry.apps import get_app
from holdfast.service.registry.backups import find_backup
from holdfast.service.registry.restored_folders import checked_into
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Preview, Wanted
from holdfast.service.restore.undo import request_undo
from holdfast.service.take.ignore_patterns import not_readable
from holdfast.sources.port import SourceError
from holdfast.vault.errors import VaultError
from holdfast.web.auth import needs, requested_app, requested_backup, require_backups
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.paging import cut_page

AnyRequest = Request[Any, Any, Any]

_RESTORE = "/v3/apps/{app_id:str}/backups/{backup:str}/restore"
_VERIFY = "/v3/apps/{app_id:str}/backups/{backup:str}/verify"
_PROVE = "/v3/apps/{app_id:str}/backups/{backup:str}/prove"
_JOB = "/v3/jobs/{job_id:str}"
_JOB_SEGMENT = 2

STARTED_BY = {
    "backup": Right.BACKUPS_CREATE,
    "restore": Right.BACKUPS_RESTORE,
    "verify": Right.BACKUPS_CREATE,
    "prove": Right.BACKUPS_CREATE,
}
"""By kind of job: the right that starts one, and so that cancels one."""


def job_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @post(_RESTORE, opt=needs(Right.BACKUPS_RESTORE))
    async def restore_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        app = await context.call(get_app, instance, caller.account.id, app_id)
        body = await inputs.json_body(request, Restore)
        if body.target_app_id is not msgspec.UNSET:
            caller.require(Right.BACKUPS_RESTORE, body.target_app_id)
        ref = requested_backup(scope)
        if body.dry_run:
            return success(await context.call_apart(caller.account.id, _preview, context, app, ref, body))
        job = await context.call(_restore, context, caller, app, ref, body)
        return accepted(context, job)

    @post(_VERIFY, opt=needs(Right.BACKUPS_CREATE))
    async def verify_backup(request: AnyRequest) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        app = await context.call(get_app, instance, caller.account.id, app_id)
        ref = requested_backup(request.scope)
        return accepted(context, await context.call(_verify, context, caller, app, ref))

    @post(_PROVE, opt=needs(Right.BACKUPS_CREATE))
    async def prove_backup(request: AnyRequest) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        app = await context.call(get_app, instance, caller.account.id, app_id)
        ref = requested_backup(request.scope)
        return accepted(context, await context.call(_prove, context, caller, app, ref))

    @get(_JOB, opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def get_job(request: AnyRequest) -> Answer:
        caller = require_backups(context, request.scope)
        job_id = inputs.path_segment(request.scope, _JOB_SEGMENT)
        return success(await context.call(lambda: work_with_log(instance, seen_work(context, caller, job_id))))

    @get("/v3/jobs", opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def list_jobs(request: AnyRequest) -> Answer:
        caller = require_backups(context, request.scope)
        fields = inputs.query(request.scope, "limit", "after")
        limit, after = inputs.page_limit(fields) or PAGE, inputs.page_after(fields)

        def listed() -> list[Work]:
            if after is not None:
                seen_work(context, caller, after)
            return account_work(instance, caller.account.id, limit + 1, after, caller.grant.app_ids)

        page, link = cut_page(await context.call(listed), limit, instance.config.base_url, "/v3/jobs", fields)
        return success([operations.shown_job(instance, work) for work in page], headers=link)

    @delete(_JOB, status_code=200, opt=needs(*dict.fromkeys(STARTED_BY.values()), is_filtered=True))
    async def cancel_job(request: AnyRequest) -> Answer:
        caller = require_backups(context, request.scope)
        job_id = inputs.path_segment(request.scope, _JOB_SEGMENT)

        def cancel() -> Work:
            work = seen_work(context, caller, job_id)
            caller.require(STARTED_BY[work.kind], work.app_id)
            return cancel_work(instance, work, caller.actor)

        return success(operations.shown_job(instance, await context.call(cancel)))

    @post(f"{_JOB}/undo", opt=needs(Right.BACKUPS_RESTORE, is_filtered=True))
    async def undo_job(request: AnyRequest) -> Answer:
        caller = require_backups(context, request.scope)
        job_id = inputs.path_segment(request.scope, _JOB_SEGMENT)

        def undo() -> Job:
            work = seen_work(context, caller, job_id)
            caller.require(Right.BACKUPS_RESTORE, work.app_id)
            return request_undo(instance, work, caller.actor)

        return accepted(context, await context.call(undo))

    return [restore_backup, verify_backup, prove_backup, list_jobs, get_job, cancel_job, undo_job]


def seen_work(context: Context, caller: Caller, job_id: str) -> Work:
    """A job on an application that the caller sees. Raises NotFound."""
    work = get_work(context.instance, job_id, caller.account.id)
    if not caller.grant.sees(work.app_id):
        raise job_not_found()
    return work


def accepted(context: Context, job: Job) -> Answer:
    """The answer to a request that a job was made of."""
    location = f"/v3/jobs/{job.id}".encode("ascii")
    return success(operations.shown_job(context.instance, job), 202, [(b"location", location)])


def _wanted(body: Restore) -> Wanted:
    paths = () if body.paths is msgspec.UNSET else tuple(body.paths)
    into = None if body.into is msgspec.UNSET else checked_into(body.into)
    return Wanted(paths=paths, mode=body.mode, safety_backup=body.safety_backup, into=into)


def _target(context: Context, app: App, body: Restore) -> App:
    if body.target_app_id is msgspec.UNSET:
        return app
    return get_app(context.instance, app.account_id, body.target_app_id)


def _preview(context: Context, app: App, ref: str, body: Restore) -> RestorePreview:
    backup = find_backup(context.instance, app.id, ref)
    return restore_preview(context.instance, backup, _target(context, app, body), _wanted(body)).changes


def restore_preview(instance: Instance, backup: Backup, target: App, wanted: Wanted) -> Preview:
    """As `restore_apart`; what cannot be read is a Conflict."""
    try:
        return restore_apart(instance, backup, target, wanted)
    except VaultError as error:
        raise Conflict("BACKUP_NOT_USABLE", str(error)) from error
    except SourceError as error:
        raise not_readable(error) from error


def _restore(context: Context, caller: Caller, app: App, ref: str, body: Restore) -> Job:
    backup = find_backup(context.instance, app.id, ref)
    return request_restore(context.instance, backup, _target(context, app, body), _wanted(body), caller.actor)


def _verify(context: Context, caller: Caller, app: App, ref: str) -> Job:
    return request_verify(context.instance, find_backup(context.instance, app.id, ref), app.node, caller.actor)


def _prove(context: Context, caller: Caller, app: App, ref: str) -> Job:
    return queue_prove(context.instance, find_backup(context.instance, app.id, ref), app.node, caller.actor)
