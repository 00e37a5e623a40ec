"""The route that shows what retention would do with an application's backups."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.service.errors import app_not_found
from holdfast.service.registry.apps import get_app
from holdfast.service.retention.retain import plan_retention, view
from holdfast.web.auth import require_backups
from holdfast.web.context import Desk
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

_RETENTION = "/v3/apps/{app_id:str}/retention"
_APP_SEGMENT = 2


def retention_routes(desk: Desk) -> list[HTTPRouteHandler]:
    """The handler, bound to a desk."""

    @get(_RETENTION)
    async def preview_retention(request: Request[Any, Any, Any]) -> Answer:
        account = require_backups(desk, request.scope)
        app_id = inputs.path_segment(request.scope, _APP_SEGMENT)
        if not inputs.is_id(app_id):
            raise app_not_found()
        shown = await desk.call(_preview, desk, account.id, app_id)
        return with_etag(success(shown), request.scope)

    return [preview_retention]


def _preview(desk: Desk, account_id: str, app_id: str) -> dict[str, object]:
    app = get_app(desk.instance, account_id, app_id)
    return view(desk.instance, app, plan_retention(desk.instance, app))
