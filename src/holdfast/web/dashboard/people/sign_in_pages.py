"""The pages of signing in: a sign-in link, an invitation.

They take the session's cookie and never a key. A link is used up by a person who opens it, and by nothing else: where a
browser does not say that it is one, the page has a button.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.identities.hand_over import HandOverRefused, open_hand_over
from holdfast.service.instance.home import Instance
from holdfast.service.language.texts import _
from holdfast.service.people import operators, sign_in
from holdfast.service.people.invitations import Invited, find_invitation
from holdfast.service.people.sign_in import SIGN_IN_PATH, SignedIn
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import as_page, require_from_here
from holdfast.web.dashboard.apps.home_pages import HOME_PATH
from holdfast.web.dashboard.providers import buttons
from holdfast.web.dashboard.render import page, redirect
from holdfast.web.dashboard.session import (
    is_opened_by_person,
    session_token,
    set_cookie,
)
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import known_error
from holdfast.web.streaming import ASKED_FOR_HEAD

AnyRequest = Request[Any, Any, Any]

INVITATION_SEGMENT = "invite"
_PAGES = re.compile(
    r"/(?:account(?:/keys|/people|/plan)?|docs|plans|operator|apps/[0-9a-f]{32}(?:/schedule|/activity)?)?"
)
"""The pages that sign-in links lead to so far; with any other path they lead to the first one."""


def sign_in_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_link_routes(context), *_invitation_routes(context)]


def _link_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(SIGN_IN_PATH, opt=OPEN)
    @as_page
    async def sign_in_link(request: AnyRequest) -> Answer:
        given = inputs.query(request.scope, "ticket", "token")
        if is_opened_by_person(request.scope) and not _is_head(request.scope):
            return await _opened(context, request.scope, given)
        return page(
            request.scope,
            "one_button.html",
            title=_("Sign in to your backups"),
            lines=[_("This link signs you in, once.")],
            action=SIGN_IN_PATH,
            button=_("Sign in"),
            fields=given,
            providers=[],
        )

    @post(SIGN_IN_PATH, opt=OPEN)
    @as_page
    async def use_sign_in_link(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        return await _opened(context, request.scope, await inputs.form_body(request))

    return [sign_in_link, use_sign_in_link]


def _invitation_routes(context: Context) -> list[HTTPRouteHandler]:
    path = f"/{INVITATION_SEGMENT}/{{token:str}}"

    @get(path, opt=OPEN)
    @as_page
    async def show_invitation(request: AnyRequest) -> Answer:
        token = inputs.path_segment(request.scope, 1)
        invited = await context.call(find_invitation, context.instance, token)
        return _invitation_page(context, request.scope, invited, token)

    @post(path, opt=OPEN)
    @as_page
    async def accept_invitation(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        token = inputs.path_segment(request.scope, 1)
        return await _signed_in(context, request.scope, sign_in.accept_invitation, token)

    return [show_invitation, accept_invitation]


async def _opened(context: Context, scope: Scope, given: dict[str, str]) -> Answer:
    """Use up a sign-in link, by its ticket, or a host's token."""
    if "token" in given:
        return await _signed_in(context, scope, open_hand_over, given["token"])
    return await _signed_in(context, scope, operators.open_link, given.get("ticket", ""))


async def _signed_in(
    context: Context, scope: Scope, enter: Callable[[Instance, str, str, str, str | None], SignedIn], secret: str
) -> Answer:
    """Use up what a link or an invitation holds, and give the browser its session."""
    address, agent = context.addresses.client(scope), inputs.header(scope, b"user-agent") or ""
    old_token = session_token(context, scope)
    try:
        signed_in = await context.call(enter, context.instance, secret, address, agent, old_token)
    except Exception as error:
        known = known_error(error)
        if isinstance(error, HandOverRefused):
            context.log.warning("hand_over_refused", detail=error.detail)
        if known is None or not (known.http_status == 404 or isinstance(error, HandOverRefused)):
            raise
        raise context.refuse_after_failure(context.key_throttle, scope, known) from None
    target = signed_in.return_to if _PAGES.fullmatch(signed_in.return_to) else HOME_PATH
    return redirect(target, [set_cookie(context, signed_in.token)])


def _is_head(scope: Scope) -> bool:
    return ASKED_FOR_HEAD in (scope.get("extensions") or {})


def _invitation_page(context: Context, scope: Scope, invited: Invited, token: str) -> Answer:
    until = words.whole(invited.invitation.ends_at, context.instance.zone)
    return page(
        scope,
        "one_button.html",
        title=_("You are invited"),
        lines=[
            _(
                "%(who)s, you are invited to the backups of %(account)s.",
                who=invited.invitation.email,
                account=invited.account.email,
            ),
            _("The invitation works once, until %(until)s.", until=until),
        ],
        action=f"/{INVITATION_SEGMENT}/{token}",
        button=_("Accept and sign in"),
        fields={},
        providers=buttons(context, "accept", invitation=token),
    )
