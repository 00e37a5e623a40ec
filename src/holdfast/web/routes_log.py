"""The route of a backup's log."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.service.registry.backups import find_backup
from holdfast.service.take.log import log_lines
from holdfast.web.api.backups import owner
from holdfast.web.context import Desk
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

_LOG = "/v3/apps/{app_id:str}/backups/{backup:str}/log"
_APP_SEGMENT, _BACKUP_SEGMENT = 2, 4


def log_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handler, bound to a desk."""

    @get(_LOG)
    async def get_log(request: Request[Any, Any, Any]) -> Answer:
        scope = request.scope
        app_id = inputs.path_segment(scope, _APP_SEGMENT)
        owner(desk, scope, app_id)
        return with_etag(await desk.call(_log, desk, app_id, inputs.path_segment(scope, _BACKUP_SEGMENT)), scope)

    return [get_log]


def _log(desk: Desk, app_id: str, ref: str) -> Answer:
    backup = find_backup(desk.instance, app_id, ref)
    return success({"log": log_lines(desk.instance, backup, with_private=False)})
