"""The routes of an account's endpoints: webhooks, and its other targets of notices."""

from __future__ import annotations

from typing import Any, TypeVar

from litestar import Request, delete, get, patch, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.events.records import Endpoint
from holdfast.catalog.records import Account
from holdfast.schemas.fields import given
from holdfast.schemas.webhooks import DeletedWebhook, NewWebhook, Webhook, WebhookChange, WebhookWithSecret, with_secret
from holdfast.service.errors import NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.notify import endpoints as operations
from holdfast.service.notify.dispatch import send_test
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs, require_caller
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, success
from holdfast.web.http.etags import with_etag
from holdfast.web.http.paging import link_to_next

LOG_DEFAULT = 50

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")

_ALL = "/v3/webhooks"
_ONE = "/v3/webhooks/{webhook_id:str}"
_ID_SEGMENT = 2


def webhook_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_ALL, opt=needs(Right.WEBHOOKS_READ))
    async def list_webhooks(request: AnyRequest) -> Answer:
        account = require_caller(context, request.scope).account
        return with_etag(success(await context.call(_views, instance, account)), request.scope)

    @post(_ALL, opt=needs(Right.WEBHOOKS_WRITE))
    async def add_webhook(request: AnyRequest) -> Answer:
        caller = require_caller(context, request.scope)
        account = caller.account
        body = await inputs.json_body(request, NewWebhook)
        context.count_outside(account.id, "Too many new webhooks of this account")
        made = await context.call_outside(
            account.id,
            operations.add_endpoint,
            instance,
            account.id,
            body.url,
            caller.actor,
            given(body.events),
            given(body.label),
        )
        location = f"{_ALL}/{made.endpoint.id}".encode("ascii")
        return success(await context.call(_with_secret, instance, made), 201, [(b"location", location)])

    @get(_ONE, opt=needs(Right.WEBHOOKS_READ))
    async def get_webhook(request: AnyRequest) -> Answer:
        _, endpoint = await _endpoint(request.scope)
        return with_etag(success(await context.call(operations.shown_endpoint, instance, endpoint)), request.scope)

    @patch(_ONE, opt=needs(Right.WEBHOOKS_WRITE))
    async def change_webhook(request: AnyRequest) -> Answer:
        caller, endpoint = await _endpoint(request.scope)
        body = await inputs.json_body(request, WebhookChange)
        inputs.require_change(body)
        changed = await context.call(
            operations.change_endpoint,
            instance,
            endpoint,
            caller.actor,
            events=given(body.events),
            label=given(body.label),
            is_enabled=given(body.is_enabled),
        )
        return success(await context.call(operations.shown_endpoint, instance, changed))

    @delete(_ONE, status_code=200, opt=needs(Right.WEBHOOKS_WRITE))
    async def delete_webhook(request: AnyRequest) -> Answer:
        caller, endpoint = await _endpoint(request.scope)
        await context.call(operations.remove_endpoint, instance, endpoint, caller.actor)
        return success(DeletedWebhook(endpoint.id))

    @get(f"{_ONE}/deliveries", opt=needs(Right.WEBHOOKS_READ))
    async def list_log(request: AnyRequest) -> Answer:
        _, endpoint = await _endpoint(request.scope)
        fields = inputs.query(request.scope, "limit", "after")
        return with_etag(await context.call(_log, instance, endpoint, fields), request.scope)

    @post(f"{_ONE}/test", opt=needs(Right.WEBHOOKS_WRITE))
    async def test_webhook(request: AnyRequest) -> Answer:
        caller, endpoint = await _endpoint(request.scope)
        assert endpoint.account_id is not None
        tested = await context.call_outside(endpoint.account_id, send_test, instance, endpoint, caller.actor)
        return success(operations.shown_delivery(instance, tested))

    @post(f"{_ONE}/secret", opt=needs(Right.WEBHOOKS_WRITE))
    async def rotate_secret(request: AnyRequest) -> Answer:
        caller, endpoint = await _endpoint(request.scope)
        made = await context.call(operations.rotate_secret, instance, endpoint, caller.actor)
        return success(await context.call(_with_secret, instance, made))

    async def _endpoint(scope: Scope) -> tuple[Caller, Endpoint]:
        caller = require_caller(context, scope)
        webhook_id = inputs.path_segment(scope, _ID_SEGMENT)
        if not inputs.is_id(webhook_id):
            raise NotFound("WEBHOOK_NOT_FOUND", "No such webhook exists.")
        return caller, await context.call(operations.get_endpoint, instance, caller.account.id, webhook_id)

    return [
        list_webhooks,
        add_webhook,
        get_webhook,
        change_webhook,
        delete_webhook,
        list_log,
        test_webhook,
        rotate_secret,
    ]


def _views(instance: Instance, account: Account) -> list[Webhook]:
    return operations.shown_endpoints(instance, operations.list_endpoints(instance, account.id))


def _with_secret(instance: Instance, made: operations.NewEndpoint) -> WebhookWithSecret:
    """The only answers that a secret is in."""
    return with_secret(operations.shown_endpoint(instance, made.endpoint), made.secret)


def _log(instance: Instance, endpoint: Endpoint, fields: dict[str, str]) -> Answer:
    limit = inputs.page_limit(fields) or LOG_DEFAULT
    found = operations.list_deliveries(instance, endpoint, limit + 1, inputs.page_after(fields))
    page = found[:limit]
    path = f"{_ALL}/{endpoint.id}/deliveries"
    link = []
    if len(found) > limit:
        link = link_to_next(instance.config.base_url, path, {"limit": str(limit), "after": page[-1].id})
    return success([operations.shown_delivery(instance, delivery) for delivery in page], headers=link)
