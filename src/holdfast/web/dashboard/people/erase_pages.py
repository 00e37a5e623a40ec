"""`/account/erase`: an owner has the account erased, after a wait in which it can be kept by one button."""

from __future__ import annotations

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.errors import Invalid
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import Right
from holdfast.service.retention.erasure import ERASE_DELAY_NS, name_to_type, not_before
from holdfast.units import HOUR_NS
from holdfast.web.api.people.account_erasure import ask_to_erase, keep
from holdfast.web.auth import needs
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import AnyRequest, as_page, form_fields, require_account, require_elevated
from holdfast.web.dashboard.render import Frame, page, redirect
from holdfast.web.dashboard.session import ERASE_PATH, KEEP_PATH, form_token
from holdfast.web.dashboard.viewer import zone_of
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer


def erase_page_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""

    @get(ERASE_PATH, opt=needs(Right.ACCOUNT_ERASE))
    @as_page
    async def account_erasure(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        if caller.erase_at is None and "kept" not in inputs.query(request.scope, "kept"):
            require_elevated(context, caller, ERASE_PATH)
        return await context.call(_page, context, request.scope, caller, token)

    @post(ERASE_PATH, opt=needs(Right.ACCOUNT_ERASE))
    @as_page
    async def ask_for_erasure(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        fields = await form_fields(context, request, token, ERASE_PATH)
        require_elevated(context, caller, ERASE_PATH)
        typed = fields.get("name", "")
        try:
            await ask_to_erase(context, caller, typed)
        except Invalid as error:
            return await context.call(_page, context, request.scope, caller, token, typed, error)
        return redirect(ERASE_PATH, [])

    @post(KEEP_PATH, opt=needs(Right.ACCOUNT_ERASE))
    @as_page
    async def keep_account(request: AnyRequest) -> Answer:
        caller, token = require_account(context, request.scope)
        await form_fields(context, request, token, KEEP_PATH)
        await keep(context, caller.account, caller.actor)
        return redirect(f"{ERASE_PATH}?kept=1", [])

    return [account_erasure, ask_for_erasure, keep_account]


def _page(
    context: Context, scope: Scope, caller: Caller, token: str, typed: str = "", error: Invalid | None = None
) -> Answer:
    instance, now_ns = context.instance, context.instance.clock.now_ns()
    soonest = caller.erase_at or not_before(instance, caller.account)
    return page(
        scope,
        "account/erase.html",
        200 if error is None else error.http_status,
        frame=Frame(caller.actor.name, str(zone_of(instance))),
        sub="export",
        email=caller.account.email,
        name=name_to_type(caller.account),
        curl_body=msgspec.json.encode({"name": name_to_type(caller.account)}).decode(),
        is_asked=caller.erase_at is not None,
        is_kept="kept" in inputs.query(scope, "kept") and caller.erase_at is None,
        when=words.when(soonest, now_ns, zone_of(instance)),
        is_locked=caller.erase_at is None and soonest > now_ns + ERASE_DELAY_NS,
        hours=words.number(ERASE_DELAY_NS // HOUR_NS),
        typed=typed,
        error=None if error is None else error.message,
        action=ERASE_PATH,
        token=form_token(token, ERASE_PATH),
        keep_path=KEEP_PATH,
        keep_token=form_token(token, KEEP_PATH),
        base_url=instance.config.base_url.rstrip("/"),
    )
