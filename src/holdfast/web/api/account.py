"""The routes of the account as a whole: itself, its applications, all its backups."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import Account
from holdfast.schemas import account as schemas
from holdfast.schemas import apps as shown_apps
from holdfast.service.instance.home import Instance
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.policy import limits
from holdfast.service.registry import accounts, apps
from holdfast.service.registry import backups as operations
from holdfast.service.retention.erasure import erase_at_of
from holdfast.web.auth import needs, require_backups, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.http.paging import cut_page

PAGE_DEFAULT = 100

AnyRequest = Request[Any, Any, Any]


def account_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get("/v3/account", opt=needs(Right.ACCOUNT_READ))
    async def get_account(request: AnyRequest) -> Answer:
        account = require_caller(context, request.scope).account
        return with_etag(success(await context.call(_account, instance, account)), request.scope)

    @get("/v3/apps", opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def list_apps(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        return with_etag(success(await context.call(_apps, instance, caller)), request.scope)

    @get("/v3/apps/{app_id:str}", opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def get_app(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        app_id = inputs.path_segment(request.scope, 2)
        app = await context.call(apps.get_app, instance, caller.account.id, app_id)
        caller.require(Right.BACKUPS_READ, app.id)
        return with_etag(success(await context.call(apps.shown_app, instance, app)), request.scope)

    @get("/v3/backups", opt=needs(Right.BACKUPS_READ, is_filtered=True))
    async def list_all_backups(request: AnyRequest) -> Answer:
        scope = request.scope
        caller = require_backups(context, scope)
        fields = inputs.query(scope, "limit", "after")
        return with_etag(await context.call(_backups, instance, caller, fields), scope)

    return [get_account, list_apps, get_app, list_all_backups]


def _account(instance: Instance, account: Account) -> schemas.Account:
    running = [app for app in apps.list_apps(instance, account.id) if app.ended_at is None]
    usage = limits.shown_usage(instance, account, len(running))
    shown = limits.shown_limits(accounts.plan_of(instance, account))
    return schemas.account_of(account, usage, shown, erase_at_of(instance, account), instance.zone)


def _apps(instance: Instance, caller: Caller) -> list[shown_apps.App]:
    seen = [app for app in apps.list_apps(instance, caller.account.id) if caller.grant.sees(app.id)]
    return apps.shown_apps(instance, seen)


def _backups(instance: Instance, caller: Caller, fields: dict[str, str]) -> Answer:
    account = caller.account
    limit, after = inputs.page_limit(fields) or PAGE_DEFAULT, inputs.page_after(fields)
    operations.check_after(instance, after, account.id)
    found = operations.list_account_backups(instance, account.id, limit + 1, after, caller.grant.app_ids)
    page, link = cut_page(found, limit, instance.config.base_url, "/v3/backups", fields)
    return success(operations.full_objects(instance, page, with_keys=caller.may_download), headers=link)
