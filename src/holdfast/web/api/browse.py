"""The routes that look into backups: files, content, diff, find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope
from msgspec import Struct

from holdfast.service.access import browse
from holdfast.service.access.find import find
from holdfast.service.instance.home import Instance
from holdfast.service.people.rights import Right
from holdfast.service.registry.backups import find_backup
from holdfast.web.auth import needs, requested_app, requested_backup
from holdfast.web.content import Streamed
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.http.paging import link_to_next

AnyRequest = Request[Any, Any, Any]

_ONE = "/v3/apps/{app_id:str}/backups/{backup:str}"
_FIND = "/v3/apps/{app_id:str}/find"


def browse_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(f"{_ONE}/files", opt=needs(Right.BACKUPS_READ))
    async def list_files(request: AnyRequest) -> Answer:
        account_id, app_id, ref = _asked(context, request.scope)
        fields = inputs.query(request.scope, "path", "after")
        after = inputs.cursor(fields)

        def listed() -> Answer:
            found = browse.list_folder(instance, find_backup(instance, app_id, ref), fields.get("path", ""), after)
            return _page(instance, request.scope, *found, fields)

        return with_etag(await context.call_browsing(account_id, listed), request.scope)

    @get(f"{_ONE}/content", opt=needs(Right.BACKUPS_DOWNLOAD))
    async def get_content(request: AnyRequest) -> Streamed:
        caller, app_id = requested_app(context, request.scope)
        ref = requested_backup(request.scope)
        path = inputs.query(request.scope, "path").get("path", "")

        def found() -> browse.Content:
            return browse.find_content(instance, find_backup(instance, app_id, ref), path)

        return Streamed(context, await context.call(found), caller.actor, path)

    @get(f"{_ONE}/diff", opt=needs(Right.BACKUPS_READ))
    async def diff_backups(request: AnyRequest) -> Answer:
        account_id, app_id, ref = _asked(context, request.scope)
        fields = inputs.query(request.scope, "with", "after")
        after = inputs.cursor(fields)
        other = fields.get("with")
        if not other:
            raise inputs.invalid("with")

        def compared() -> Answer:
            old, new = find_backup(instance, app_id, ref), find_backup(instance, app_id, other)
            return _page(instance, request.scope, *browse.diff(instance, old, new, after), fields)

        return with_etag(await context.call_browsing(account_id, compared), request.scope)

    @get(_FIND, opt=needs(Right.BACKUPS_READ))
    async def find_paths(request: AnyRequest) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        fields = inputs.query(request.scope, "pattern", "after")
        after = inputs.cursor(fields)

        def found() -> Answer:
            return _page(instance, request.scope, *find(instance, app_id, fields.get("pattern", ""), after), fields)

        return with_etag(await context.call_browsing(caller.account.id, found), request.scope)

    return [list_files, get_content, diff_backups, find_paths]


def _asked(context: Context, scope: Scope) -> tuple[str, str, str]:
    """Account, application and backup of a request by whoever owns them."""
    caller, app_id = requested_app(context, scope)
    return caller.account.id, app_id, requested_backup(scope)


def _page(
    instance: Instance, scope: Scope, shown: Struct | Sequence[Struct], cursor: bytes | None, fields: dict[str, str]
) -> Answer:
    """An answer, with the Link header to the next one if there is one."""
    if cursor is None:
        return success(shown)
    more = {**fields, "after": inputs.cursor_text(cursor)}
    return success(shown, headers=link_to_next(instance.config.base_url, scope["raw_path"].decode("ascii"), more))
