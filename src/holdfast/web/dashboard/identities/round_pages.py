"""`/oidc/{name}`: the way to a provider and back, and the choice of an account.

A browser is sent on by a page and not by an answer to a form: our policy keeps forms, and what answers them, on this
site. It must never show what a provider said, or lead anywhere but to the provider and to our own pages.
"""

from __future__ import annotations

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.errors import AccessDenied, NotFound, ServiceError
from holdfast.service.identities import linking, rounds, signing_in
from holdfast.service.identities.fetch import ProviderUnavailable
from holdfast.service.identities.providers import Configured
from holdfast.service.identities.rounds import Begun, CameBack, Purpose, RoundRefused, label_of
from holdfast.service.language.texts import _
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OPERATOR_PATH, OperatorCaller
from holdfast.units import SECOND_NS
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.dashboard.access import (
    LOGIN_PATH,
    PROOFS_PATH,
    AnyRequest,
    account_of,
    as_page,
    require_from_here,
    require_person,
    return_path,
)
from holdfast.web.dashboard.people.log_in_pages import browser_of, first_page, shown_entrance
from holdfast.web.dashboard.people.trying import came_back, one_round
from holdfast.web.dashboard.providers import ROUND_PATH, start_path
from holdfast.web.dashboard.render import page, redirect
from holdfast.web.dashboard.session import session_token, set_cookie
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import Answer, Headers
from holdfast.web.http.errors import ApiError

COOKIE = "holdfast-round"
_ONE = f"{ROUND_PATH}/{{name:str}}"


def round_routes(context: Context) -> list[HTTPRouteHandler]:
    """The handlers, bound to a context."""
    return [*_way_routes(context), *_choice_routes(context)]


def _way_routes(context: Context) -> list[HTTPRouteHandler]:
    @post(_ONE, opt=OPEN)
    @as_page
    async def begin_sign_in(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        fields, name = await inputs.form_body(request), inputs.path_segment(request.scope, 1)
        invitation, wanted = fields.get("invitation") or None, return_path(fields.get("return_to", "/"))
        purpose = Purpose.SIGN_IN if invitation is None else Purpose.ACCEPT
        return await sent_there(context, request.scope, name, purpose, wanted, invitation=invitation)

    @get(f"{_ONE}/callback", opt=OPEN)
    @as_page
    async def come_back(request: AnyRequest) -> Answer:
        name = inputs.path_segment(request.scope, 1)
        try:
            answer = await _arrived(context, request.scope, name)
        except NotFound:
            raise
        except ServiceError as error:
            context.log.warning("sign_in_round_refused", provider=name, code=error.code, detail=error.detail)
            return page(
                request.scope,
                "refused.html",
                error.http_status,
                title=_("You are not signed in"),
                lines=[error.message],
                sign_in_path=LOGIN_PATH,
            )
        came_back(context, request.scope)
        return answer

    return [begin_sign_in, come_back]


async def sent_there(
    context: Context,
    scope: Scope,
    name: str,
    purpose: Purpose,
    wanted: str,
    *,
    session_id: str | None = None,
    invitation: str | None = None,
) -> Answer:
    """Begin a round, and answer with the page that leads to the provider. Raises KEEP_CALM and as `begin_round`."""
    one_round(context, scope)
    provider = context.providers.get(name)
    try:
        begun: Begun = await context.call_provider(
            name,
            rounds.begin_round,
            context.providers,
            name,
            purpose,
            wanted,
            session_id=session_id,
            invitation=invitation,
        )
    except ProviderUnavailable as error:
        context.log.warning("provider_unavailable", provider=name, detail=error.detail)
        raise
    return page(
        scope,
        "sign_in/go_on.html",
        more=[set_cookie(context, begun.token, rounds.ROUND_NS // SECOND_NS, COOKIE)],
        title=_("On to %(site)s", site=label_of(provider)),
        lines=[_("It asks who you are, and leads you back here.")],
        address=begun.url,
        label=label_of(provider),
    )


async def _arrived(context: Context, scope: Scope, name: str) -> Answer:
    """Do what the round was begun for. Raises as `end_round` and the operations do."""
    provider, browser_token = context.providers.get(name), session_token(context, scope, COOKIE)
    try:
        query = inputs.query(scope, "state", "code", "error", "iss")
    except ApiError:
        raise RoundRefused(provider, "the address that it led back to has a field twice") from None
    back = CameBack(*(query.get(field, "") for field in ("state", "code", "error", "iss")))
    ended, proved = await context.call_provider(name, rounds.end_round, context.providers, name, back, browser_token)
    if ended.purpose in (Purpose.LINK, Purpose.ELEVATE):
        caller = _still_signed_in(context, scope, provider)
        operation = linking.link if ended.purpose is Purpose.LINK else signing_in.elevate
        made = await context.call(operation, context.providers, provider, ended, proved, caller, account_of(caller))
        new_token = [set_cookie(context, made)] if isinstance(made, str) else []
        return redirect(ended.return_to, [*_gone(context), *new_token])
    browser = browser_of(context, scope)
    if ended.purpose is Purpose.ACCEPT:
        token = await context.call(signing_in.accept, context.providers, provider, ended, proved, browser)
        return redirect("/", [*_gone(context), set_cookie(context, token)])
    done = await context.call(
        signing_in.sign_in, context.providers, provider, ended, proved, browser, browser_token or ""
    )
    if done is None:
        return redirect(start_path(name, "account"), [])
    return redirect(
        first_page(done.entrance.account_id, ended.return_to), [*_gone(context), set_cookie(context, done.token)]
    )


def _gone(context: Context) -> Headers:
    """The header that takes the round's cookie away."""
    return [set_cookie(context, "", 0, COOKIE)]


def _still_signed_in(context: Context, scope: Scope, provider: Configured) -> Caller | OperatorCaller:
    try:
        return require_person(context, scope)[0]
    except (ApiError, AccessDenied):
        raise RoundRefused(provider, "the session that began the round has ended") from None


def back_of(caller: Caller | OperatorCaller) -> str:
    """The page with the identities of whoever is signed in."""
    return OPERATOR_PATH if isinstance(caller, OperatorCaller) else PROOFS_PATH


def _choice_routes(context: Context) -> list[HTTPRouteHandler]:
    path = f"{_ONE}/account"

    @get(path, opt=OPEN)
    @as_page
    async def show_choice(request: AnyRequest) -> Answer:
        name = inputs.path_segment(request.scope, 1)
        token = session_token(context, request.scope, COOKIE)
        found = await context.call(signing_in.open_choice, context.providers, name, token)
        return page(
            request.scope,
            "sign_in/accounts.html",
            title=_("Choose an account"),
            lines=[_("You are signed in as %(who)s.", who=found.email)],
            action=start_path(name, "account"),
            form_token="",
            return_to=found.return_to,
            entrances=[shown_entrance(one, "") for one in found.entrances],
        )

    @post(path, opt=OPEN)
    @as_page
    async def choose(request: AnyRequest) -> Answer:
        require_from_here(context, request.scope)
        name = inputs.path_segment(request.scope, 1)
        fields, token = await inputs.form_body(request), session_token(context, request.scope, COOKIE)
        account_id, browser = fields.get("account") or None, browser_of(context, request.scope)
        done = await context.call(signing_in.choose, context.providers, name, account_id, browser, token)
        target = first_page(done.entrance.account_id, return_path(fields.get("return_to", "/")))
        return redirect(target, [*_gone(context), set_cookie(context, done.token)])

    return [show_choice, choose]
