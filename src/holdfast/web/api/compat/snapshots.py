"""The routes of an application's snapshots: list, make, restore. The last two are held until they are finished."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import Backup, Job, JobState, State
from holdfast.schemas.backups import NewBackup
from holdfast.schemas.compat.snapshots import RestoredSnapshot
from holdfast.service.errors import Conflict
from holdfast.service.jobs.lifecycle import shown_job
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry.apps import get_app
from holdfast.service.registry.snapshots import app_snapshots, find_snapshot, new_snapshot
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted
from holdfast.web.api.backups import begin_backup
from holdfast.web.api.held import held_backup, held_job
from holdfast.web.api.jobs import accepted
from holdfast.web.auth import needs, requested_app
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.errors import Processing
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_SNAPSHOTS = "/v3/apps/{app_id:str}/snapshots"


def snapshot_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_SNAPSHOTS, opt=needs(Right.BACKUPS_READ))
    async def list_snapshots(request: AnyRequest) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        shown = await context.call(app_snapshots, instance, app_id, with_keys=caller.may_download)
        return with_etag(success(shown), request.scope)

    @post(_SNAPSHOTS, status_code=200, opt=needs(Right.BACKUPS_CREATE))
    async def make_snapshot(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, app_id = requested_app(context, scope)
        seconds, key = _seconds(scope), inputs.idempotency_key(scope)
        backup = await context.call(begin_backup, context, caller, app_id, NewBackup(), key)
        backup, finished = await held_backup(context, backup, seconds)
        if not finished:
            raise _processing(backup)
        if backup.state is not State.SUCCESSFUL:
            raise Conflict("SNAPSHOT_FAILED", backup.error_message or "The backup failed.")
        return success(await context.call(new_snapshot, instance, backup, with_keys=caller.may_download))

    @post(f"{_SNAPSHOTS}/restore", status_code=200, opt=needs(Right.BACKUPS_RESTORE))
    async def restore_snapshot(request: AnyRequest) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        seconds = _seconds(request.scope)
        body = await inputs.json_body(request, RestoredSnapshot)
        for field, text in (("snapshotId", body.snapshot_id), ("versionId", body.version_id)):
            if not text:
                raise inputs.invalid(field)
        job, finished = await held_job(context, await context.call(_restore, context, caller, app_id, body), seconds)
        if not finished:
            return accepted(context, job)
        if job.state is not JobState.SUCCESSFUL:
            raise Conflict("SNAPSHOT_RESTORE_FAILED", job.error_message or "The restore failed.")
        return success(shown_job(instance, job))

    return [list_snapshots, make_snapshot, restore_snapshot]


def _seconds(scope: Scope) -> int:
    """The longest time for which to hold the answer: clients of that API wait for it without being asked."""
    seconds = inputs.integer(inputs.query(scope, "wait"), "wait", 0, inputs.WAIT_SECONDS_MAX)
    return inputs.WAIT_SECONDS_MAX if seconds is None else seconds


def _processing(backup: Backup) -> Processing:
    location = f"/v3/apps/{backup.app_id}/backups/{backup.id}".encode("ascii")
    message = "The snapshot is still being made; it will be in the list when it is finished. Do not make another one."
    return Processing("SNAPSHOT_PROCESSING", message, [(b"location", location)])


def _restore(context: Context, caller: Caller, app_id: str, body: RestoredSnapshot) -> Job:
    app = get_app(context.instance, caller.account.id, app_id)
    backup = find_snapshot(context.instance, app.id, body.snapshot_id, body.version_id)
    return request_restore(context.instance, backup, app, Wanted(), caller.actor)
