"""The routes of the account as a whole: itself, its applications, all its backups."""

from __future__ import annotations

from typing import Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.records import Account
from holdfast.schemas import account as schemas
from holdfast.schemas import apps as shown_apps
from holdfast.service.instance.home import Instance
from holdfast.service.policy import limits
from holdfast.service.registry import accounts, apps
from holdfast.service.registry import backups as operations
from holdfast.web.auth import require_account, require_backups
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

    @get("/v3/account")
    async def get_account(request: AnyRequest) -> Answer:
        account = require_account(context, request.scope)
        return with_etag(success(await context.call(_account, instance, account)), request.scope)

    @get("/v3/apps")
    async def list_apps(request: AnyRequest) -> Answer:
        account = require_account(context, request.scope)
        return with_etag(success(await context.call(_apps, instance, account)), request.scope)

    @get("/v3/apps/{app_id:str}")
    async def get_app(request: AnyRequest) -> Answer:
        account = require_account(context, request.scope)
        app_id = inputs.path_segment(request.scope, 2)
        app = await context.call(apps.get_app, instance, account.id, app_id)
        return with_etag(success(await context.call(apps.shown_app, instance, app)), request.scope)

    @get("/v3/backups")
    async def list_all_backups(request: AnyRequest) -> Answer:
        scope = request.scope
        account = require_backups(context, scope)
        fields = inputs.query(scope, "limit", "after")
        return with_etag(await context.call(_backups, instance, account, fields), scope)

    return [get_account, list_apps, get_app, list_all_backups]


def _account(instance: Instance, account: Account) -> schemas.Account:
    backups, stored = accounts.usage(instance, account)
    usage = schemas.Usage(
        apps=len(apps.list_apps(instance, account.id)),
        backups=backups,
        storage=stored,
        backups_today=limits.taken_today(instance, account),
    )
    shown = limits.shown_limits(accounts.plan_of(instance, account))
    return schemas.account_of(account, usage, shown, instance.zone)


def _apps(instance: Instance, account: Account) -> list[shown_apps.App]:
    return [apps.shown_app(instance, app) for app in apps.list_apps(instance, account.id)]


def _backups(instance: Instance, account: Account, fields: dict[str, str]) -> Answer:
    limit, after = inputs.page_limit(fields) or PAGE_DEFAULT, inputs.page_after(fields)
    operations.check_after(instance, after, account.id)
    found = operations.list_account_backups(instance, account.id, limit + 1, after)
    page, link = cut_page(found, limit, instance.config.base_url, "/v3/backups", fields)
    return success(operations.full_objects(instance, page), headers=link)
