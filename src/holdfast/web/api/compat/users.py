"""The routes of the user: the account with its applications, and all its snapshots."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.schemas.compat.users import Me, me_of
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.registry import apps
from holdfast.service.registry.backups import check_after
from holdfast.service.registry.snapshots import account_snapshots
from holdfast.web.auth import needs, require_backups, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.http.paging import link_to_next

AnyRequest = Request[Any, Any, Any]

_SNAPSHOTS = "/v3/users/snapshots"


def user_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get("/v3/users/me", opt=needs(Right.ACCOUNT_READ))
    async def get_me(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        return with_etag(success(await context.call(_me, instance, caller)), request.scope)

    @get(_SNAPSHOTS, opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def list_account_snapshots(request: AnyRequest) -> Answer:
        caller = require_backups(context, request.scope)
        fields = inputs.query(request.scope, "scope", "after")
        return with_etag(await context.call(_snapshots, instance, caller, fields), request.scope)

    return [get_me, list_account_snapshots]


def _me(instance: Instance, caller: Caller) -> Me:
    seen = [app for app in apps.list_apps(instance, caller.account.id) if caller.may(Right.BACKUPS_READ, app.id)]
    return me_of(caller.account, seen, instance.zone)


def _snapshots(instance: Instance, caller: Caller, fields: dict[str, str]) -> Answer:
    scope, after = fields.get("scope", "applications"), inputs.page_after(fields)
    if scope not in ("applications", "databases"):
        raise inputs.invalid("scope")
    if scope == "databases":  # they are in the snapshots of their applications
        return success([])
    account_id = caller.account.id
    check_after(instance, after, account_id)
    shown, end = account_snapshots(instance, account_id, after, caller.grant.app_ids, with_keys=caller.may_download)
    link = [] if end is None else link_to_next(instance.config.base_url, _SNAPSHOTS, {**fields, "after": end})
    return success(shown, headers=link)
