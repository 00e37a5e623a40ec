"""`/notices/{webhook_id}`: one endpoint, which events it is told, and what was sent to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.catalog.events.records import Endpoint
from holdfast.service.errors import Conflict, Invalid, LimitReached, NotFound, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.notify import endpoints as operations
from holdfast.service.notify.dispatch import send_test
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_account, require_elevated
from holdfast.web.dashboard.notices.lines import delivery_line, endpoint_line, event_choices
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer

NOTICES_PATH = "/notices"
_ONE = f"{NOTICES_PATH}/{{webhook_id:str}}"
_ID_SEGMENT = 1
_DELIVERIES = 25
_EVENT = "event."

Action = Callable[[Instance, Caller, Endpoint, dict[str, str]], str]
"""Does what a form says, and returns the path of the page to see then."""


def endpoint_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(_ONE, opt=needs(Right.WEBHOOKS_READ))
    @as_page
    async def notice(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        endpoint_id = inputs.path_segment(request.scope, _ID_SEGMENT)
        return await context.call(_page, request.scope, instance, caller, token, endpoint_id)

    @post(f"{_ONE}/test", opt=needs(Right.WEBHOOKS_WRITE))
    @as_page
    async def test_notice(request: AnyRequest) -> Answer:
        caller, token, endpoint, _ = await _posted(context, request, "test")
        try:
            sent = await context.call_outside(caller.account.id, send_test, instance, endpoint, caller.actor)
        except (Conflict, LimitReached) as error:
            return await context.call(_page, request.scope, instance, caller, token, endpoint.id, error)
        return redirect(f"{path_of(endpoint.id)}?tested={sent.id}", [])

    @post(f"{_ONE}/secret", opt=needs(Right.WEBHOOKS_WRITE))
    @as_page
    async def rotate_notice_secret(request: AnyRequest) -> Answer:
        caller, _, endpoint, _ = await _posted(context, request, "secret")
        require_elevated(context, caller, path_of(endpoint.id))
        made = await context.call(operations.rotate_secret, instance, endpoint, caller.actor)
        return secret_page(request.scope, instance, caller, made)

    return [notice, test_notice, rotate_notice_secret, *(_form_route(context, *form) for form in _FORMS)]


def _form_route(context: Context, name: str, act: Action) -> HTTPRouteHandler:
    instance = context.instance

    @post(f"{_ONE}/{name}", opt=needs(Right.WEBHOOKS_WRITE))
    @as_page
    async def form(request: AnyRequest) -> Answer:
        caller, token, endpoint, fields = await _posted(context, request, name)
        try:
            return redirect(await context.call(act, instance, caller, endpoint, fields), [])
        except Invalid as error:
            return await context.call(_page, request.scope, instance, caller, token, endpoint.id, error)

    return form


async def _posted(context: Context, request: AnyRequest, name: str) -> tuple[Caller, str, Endpoint, dict[str, str]]:
    """Whoever posts one of the forms of an endpoint's page, the session's token, the endpoint, and the fields."""
    caller, token = require_account(context, request.scope)
    endpoint_id = inputs.path_segment(request.scope, _ID_SEGMENT)
    fields = await form_fields(context, request, token, f"{path_of(endpoint_id)}/{name}")
    return caller, token, await context.call(_found, context.instance, caller, endpoint_id), fields


def path_of(endpoint_id: str) -> str:
    """The path of an endpoint's page."""
    return f"{NOTICES_PATH}/{endpoint_id}"


def chosen_events(fields: Mapping[str, str]) -> list[str]:
    """The events that are ticked in a form."""
    return [name.removeprefix(_EVENT) for name in fields if name.startswith(_EVENT)]


def secret_page(scope: Scope, instance: Instance, caller: Caller, made: operations.NewEndpoint) -> Answer:
    """The only page that a secret is on."""
    return page(
        scope,
        "notices/secret.html",
        201,
        frame=Frame(caller.actor.name, str(zone_of(instance)), tab="notices"),
        label=made.endpoint.label,
        secret=made.secret,
        path=path_of(made.endpoint.id),
    )


def _found(instance: Instance, caller: Caller, endpoint_id: str) -> Endpoint:
    if not inputs.is_id(endpoint_id):
        raise NotFound("WEBHOOK_NOT_FOUND", "No such webhook exists.")
    return operations.get_endpoint(instance, caller.account.id, endpoint_id)


def _disable(instance: Instance, caller: Caller, endpoint: Endpoint, fields: dict[str, str]) -> str:
    operations.change_endpoint(instance, endpoint, caller.actor, is_enabled=False)
    return path_of(endpoint.id)


def _enable(instance: Instance, caller: Caller, endpoint: Endpoint, fields: dict[str, str]) -> str:
    operations.change_endpoint(instance, endpoint, caller.actor, is_enabled=True)
    return path_of(endpoint.id)


def _change(instance: Instance, caller: Caller, endpoint: Endpoint, fields: dict[str, str]) -> str:
    label = fields.get("label", "").strip()
    operations.change_endpoint(instance, endpoint, caller.actor, events=chosen_events(fields), label=label)
    return path_of(endpoint.id)


def _remove(instance: Instance, caller: Caller, endpoint: Endpoint, fields: dict[str, str]) -> str:
    operations.remove_endpoint(instance, endpoint, caller.actor)
    return NOTICES_PATH


_FORMS: tuple[tuple[str, Action], ...] = (
    ("disable", _disable),
    ("enable", _enable),
    ("change", _change),
    ("remove", _remove),
)


def _page(
    scope: Scope, instance: Instance, caller: Caller, token: str, endpoint_id: str, error: ServiceError | None = None
) -> Answer:
    endpoint = _found(instance, caller, endpoint_id)
    asked = inputs.query(scope, "after", "tested")
    after = inputs.page_after(asked)
    found = operations.list_deliveries(instance, endpoint, _DELIVERIES + 1, after)
    shown, path, now = found[:_DELIVERIES], path_of(endpoint_id), instance.clock.now_ns()
    lines = [delivery_line(one, now, zone_of(instance)) for one in shown]
    tested = next((line for one, line in zip(shown, lines, strict=True) if one.id == asked.get("tested")), None)
    newest = found[0] if found and after is None else None
    names = ("test", "secret", *(name for name, _ in _FORMS))
    return page(
        scope,
        "notices/one.html",
        200 if error is None else error.http_status,
        frame=Frame(caller.actor.name, str(zone_of(instance)), tab="notices"),
        path=path,
        error=None if error is None else words.sentence(error.message),
        endpoint=endpoint_line(endpoint, operations.service_of(instance, endpoint), newest, now, zone_of(instance)),
        deliveries=lines,
        tested=tested,
        is_first=after is None,
        older=f"{path}?after={shown[-1].id}" if len(found) > len(shown) else "",
        may_change=caller.may(Right.WEBHOOKS_WRITE),
        tokens={name: form_token(token, f"{path}/{name}") for name in names},
        choices=event_choices(endpoint.events),
        has_secret=endpoint.kind == operations.WEBHOOK,
        base_url=instance.config.base_url.rstrip("/"),
    )
