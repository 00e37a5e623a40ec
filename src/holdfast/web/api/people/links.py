"""The routes of download links with an end, and the end of all download links of an account."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, post
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas import links as schemas
from holdfast.service.instance.home import Instance
from holdfast.service.people import links as operations
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry.backups import find_backup
from holdfast.web.auth import needs, requested_app, requested_backup, require_backups, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_ALL = "/v3/links"
_ID_SEGMENT = 2


def link_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @post("/v3/apps/{app_id:str}/backups/{backup:str}/links", opt=needs(Right.BACKUPS_DOWNLOAD))
    async def make_link(request: AnyRequest) -> Answer:
        caller, app_id = requested_app(context, request.scope)
        body = await inputs.json_body(request, schemas.NewLink)
        link_id, shown = await context.call(_make, instance, caller, app_id, requested_backup(request.scope), body)
        return success(shown, 201, [(b"location", f"{_ALL}/{link_id}".encode("ascii"))])

    @get(_ALL, opt=needs(Right.BACKUPS_DOWNLOAD, is_filtered=True))
    async def list_links(request: AnyRequest) -> Answer:
        caller = require_backups(context, request.scope)
        return with_etag(success(await context.call(_listed, instance, caller)), request.scope)

    @delete("/v3/links/{link_id:str}", status_code=200, opt=needs(Right.BACKUPS_DOWNLOAD, is_filtered=True))
    async def end_link(request: AnyRequest) -> Answer:
        caller = require_backups(context, request.scope)
        link_id = inputs.path_segment(request.scope, _ID_SEGMENT)
        if not inputs.is_id(link_id):
            raise operations.link_not_found()
        return success(await context.call(_end, instance, caller, link_id))

    @post("/v3/account/links/revoke", status_code=200, opt=needs(Right.ACCOUNT_WRITE))
    async def revoke_links(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        ended = await context.call(operations.revoke_links, instance, caller.account, caller.actor)
        return success(schemas.RevokedLinks(ended))

    return [make_link, list_links, end_link, revoke_links]


def _make(
    instance: Instance, caller: Caller, app_id: str, backup_ref: str, body: schemas.NewLink
) -> tuple[str, schemas.NewLinkShown]:
    backup = find_backup(instance, app_id, backup_ref)
    link, url = operations.make_link(instance, backup, body, caller.actor)
    return link.id, schemas.NewLinkShown(url, schemas.link_of(link, instance.zone).expires_at)


def _listed(instance: Instance, caller: Caller) -> list[schemas.Link]:
    found = operations.list_links(instance, caller.account.id, caller.grant.app_ids)
    return [schemas.link_of(link, instance.zone) for link in found]


def _end(instance: Instance, caller: Caller, link_id: str) -> schemas.DeletedLink:
    link = operations.get_link(instance, caller.account.id, link_id)
    if not caller.may(Right.BACKUPS_DOWNLOAD, link.app_id):
        raise operations.link_not_found()
    operations.end_link(instance, link, caller.actor)
    return schemas.DeletedLink(link.id)
