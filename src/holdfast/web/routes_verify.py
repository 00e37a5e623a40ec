"""The route that reads a backup back."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import App, Job
from holdfast.service.errors import app_not_found
from holdfast.service.integrity.verify import request_verify
from holdfast.service.registry.apps import get_app
from holdfast.service.registry.backups import find_backup
from holdfast.web.api.jobs import accepted, enqueue
from holdfast.web.auth import require_backups
from holdfast.web.context import Desk
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

_VERIFY = "/v3/apps/{app_id:str}/backups/{backup:str}/verify"
_APP_SEGMENT, _BACKUP_SEGMENT = 2, 4


def verify_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handler, bound to a desk."""

    @post(_VERIFY)
    async def verify_backup(request: Request[Any, Any, Any]) -> Answer:
        account = require_backups(desk, request.scope)
        app_id = inputs.path_segment(request.scope, _APP_SEGMENT)
        app = await desk.call(get_app, desk.instance, account.id, app_id) if inputs.is_id(app_id) else None
        if app is None:
            raise app_not_found()
        ref = inputs.path_segment(request.scope, _BACKUP_SEGMENT)
        return accepted(desk, await desk.call(_verify, desk, app, ref))

    return [verify_backup]


def _verify(desk: Desk, app: App, ref: str) -> Job:
    return enqueue(desk, request_verify(desk.instance, find_backup(desk.instance, app.id, ref), app.node))
