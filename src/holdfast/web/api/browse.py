"""The routes that look into backups: files, content, diff, find."""

from __future__ import annotations

import secrets
from typing import Any, cast

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from holdfast.service.access import browse
from holdfast.service.registry.backups import find_backup
from holdfast.web.auth import requested_app, requested_backup
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.places import Caller
from holdfast.web.streaming import send_thing

AnyRequest = Request[Any, Any, Any]

_ONE = "/v3/apps/{app_id:str}/backups/{backup:str}"
_FIND = "/v3/apps/{app_id:str}/find"


class Streamed:
    """A thing that is sent as it is read; itself an ASGI application, so that a handler can return it."""

    def __init__(self, context: Context, content: browse.Content) -> None:
        self._context = context
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or the part that is asked for."""
        caller = Caller(
            self._content.backup.account_id, self._context.addresses.capped(scope), link=None, is_keyed=True
        )
        http = cast("HTTPScope", scope)
        await send_thing(self._context, self._content, caller, http, receive, send, secrets.token_hex(8))


def browse_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(f"{_ONE}/files")
    async def list_files(request: AnyRequest) -> Answer:
        app_id, ref = _asked(context, request.scope)
        path = inputs.query(request.scope, "path").get("path", "")

        def listed() -> Answer:
            return success(browse.list_folder(instance, find_backup(instance, app_id, ref), path))

        return with_etag(await context.call(listed), request.scope)

    @get(f"{_ONE}/content")
    async def get_content(request: AnyRequest) -> Streamed:
        app_id, ref = _asked(context, request.scope)
        path = inputs.query(request.scope, "path").get("path", "")

        def found() -> browse.Content:
            return browse.find_content(instance, find_backup(instance, app_id, ref), path)

        return Streamed(context, await context.call(found))

    @get(f"{_ONE}/diff")
    async def diff_backups(request: AnyRequest) -> Answer:
        app_id, ref = _asked(context, request.scope)
        other = inputs.query(request.scope, "with").get("with")
        if not other:
            raise inputs.invalid("with")

        def compared() -> Answer:
            old, new = find_backup(instance, app_id, ref), find_backup(instance, app_id, other)
            return success(browse.diff(instance, old, new))

        return with_etag(await context.call(compared), request.scope)

    @get(_FIND)
    async def find_paths(request: AnyRequest) -> Answer:
        _, app_id = requested_app(context, request.scope)
        pattern = inputs.query(request.scope, "pattern").get("pattern", "")
        return with_etag(success(await context.call(browse.find, instance, app_id, pattern)), request.scope)

    return [list_files, get_content, diff_backups, find_paths]


def _asked(context: Context, scope: Scope) -> tuple[str, str]:
    """Application and backup of a request by whoever owns them."""
    _, app_id = requested_app(context, scope)
    return app_id, requested_backup(scope)
