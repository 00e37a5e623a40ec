"""The route that makes an uploaded archive a backup."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.records import Backup
from holdfast.service.errors import Invalid
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import backups as operations
from holdfast.service.take.import_backup import Upload
from holdfast.web.api.backups import hold, name_taken
from holdfast.web.auth import needs, requested_app
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.errors import answer_error, known_error
from holdfast.web.http.uploads import Body, RefusedBody, announced_bytes, body_pieces

AnyRequest = Request[Any, Any, Any]

_IMPORT = "/v3/apps/{app_id:str}/backups/import"


def import_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handler, bound to a context."""

    @post(_IMPORT, request_max_body_size=None, opt=needs(Right.BACKUPS_IMPORT))
    async def import_backup(request: AnyRequest) -> Answer:
        scope = request.scope
        body = Body(request.receive)
        try:
            caller, app_id = requested_app(context, scope)
            fields = inputs.query(scope, "name", "wait")
            seconds = inputs.integer(fields, "wait", 0, inputs.WAIT_SECONDS_MAX) or 0
            with context.one_more_upload(caller.account.id):
                backup = await _received(context, scope, body, caller, app_id, fields.get("name"))
        except Exception as error:
            known = known_error(error)
            if known is None:
                raise
            return RefusedBody(answer_error(known), body)
        finished = False
        if seconds:
            backup, finished = await hold(context, backup, context.now() + seconds)
        location = f"/v3/apps/{app_id}/backups/{backup.id}".encode("ascii")
        shown = operations.full_object(
            context.instance, backup, with_keys=Right.BACKUPS_DOWNLOAD in caller.grant.rights
        )
        return success(shown, 200 if finished else 202, [(b"location", location)])

    return [import_backup]


async def _received(
    context: Context, scope: Scope, body: Body, caller: Caller, app_id: str, name: str | None
) -> Backup:
    upload = await context.call(Upload, context.instance, app_id, caller.actor, name, is_limited=True)
    try:
        if (announced_bytes(scope) or 0) > upload.bytes_max:
            raise upload.too_large()
        async for piece in body_pieces(body):
            await context.call(upload.write, piece)
        return await context.call(_queued, upload)
    finally:
        # Not through a thread: a task that is cancelled could not wait for it.
        upload.close()


def _queued(upload: Upload) -> Backup:
    try:
        return upload.queue()
    except Invalid as refusal:
        raise name_taken(refusal) if refusal.field == "name" else refusal from None
