"""`/notices`: who is told of an account's backups, and adding one more.

The secret of a webhook is in one answer, the one that made it; no address leads to it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.errors import Conflict, Invalid, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.notify import endpoints as operations
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_account
from holdfast.web.dashboard.notices.endpoint_pages import NOTICES_PATH, chosen_events, path_of, secret_page
from holdfast.web.dashboard.notices.lines import endpoint_line, event_choices
from holdfast.web.dashboard.notices.targets import TARGETS, Target, target_named, url_from
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer


def notice_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    instance = context.instance

    @get(NOTICES_PATH, opt=needs(Right.WEBHOOKS_READ))
    @as_page
    async def notices(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        target = target_named(inputs.query(request.scope, "add").get("add", ""))
        return await context.call(_page, request.scope, instance, caller, token, target)

    @post(NOTICES_PATH, opt=needs(Right.WEBHOOKS_WRITE))
    @as_page
    async def add_notice(request: AnyRequest) -> Answer:
        scope = request.scope
        caller, token = require_account(context, scope)
        fields = await form_fields(context, request, token, NOTICES_PATH)
        target, account_id = target_named(fields.get("target", "")), caller.account.id
        context.count_outside(account_id, "Too many new notices of this account")
        try:
            made = await context.call_outside(account_id, _add, instance, caller, target, fields)
        except (Invalid, Conflict) as error:
            return await context.call(_page, scope, instance, caller, token, target, fields, error)
        if made.secret is None:
            return redirect(path_of(made.endpoint.id), [])
        return secret_page(scope, instance, caller, made)

    return [notices, add_notice]


def _add(instance: Instance, caller: Caller, target: Target, fields: Mapping[str, str]) -> operations.NewEndpoint:
    """Add an endpoint. One that goes to the same place is refused: the form may have been sent twice."""
    url, account_id = url_from(target, fields), caller.account.id
    if any(operations.url_of(instance, one) == url for one in operations.list_endpoints(instance, account_id)):
        raise Invalid("url", _("Notices go there already."))
    label = fields.get("label", "").strip() or None
    return operations.add_endpoint(instance, account_id, url, caller.actor, chosen_events(fields), label)


def _page(
    scope: Scope,
    instance: Instance,
    caller: Caller,
    token: str,
    target: Target,
    fields: Mapping[str, str] | None = None,
    error: ServiceError | None = None,
) -> Answer:
    found = operations.list_endpoints(instance, caller.account.id)
    last, now = operations.newest_deliveries(instance, found), instance.clock.now_ns()

    def line(index: int) -> dict[str, Any]:
        one = found[index]
        about = endpoint_line(one, operations.service_of(instance, one), last.get(one.id), now, zone_of(instance))
        return {**about, "path": path_of(one.id)}

    given: Mapping[str, str] = fields or {}
    chosen = operations.DEFAULT_KINDS if fields is None else tuple(chosen_events(given))
    return page(
        scope,
        "notices/all.html",
        200 if error is None else error.http_status,
        frame=Frame(caller.actor.name, str(zone_of(instance)), tab="notices"),
        path=NOTICES_PATH,
        error=None if error is None else words.sentence(error.message),
        endpoints=[line(index) for index in range(len(found))],
        most=operations.ENDPOINTS_MAX,
        may_change=caller.may(Right.WEBHOOKS_WRITE),
        token=form_token(token, NOTICES_PATH),
        targets=TARGETS,
        target=target,
        # What opens a mailbox is not sent back.
        fields={one.name: given.get(one.name, one.default) for one in target.fields if one.kind != "password"},
        label=given.get("label", ""),
        choices=event_choices(chosen),
        base_url=instance.config.base_url.rstrip("/"),
    )
