"""The cookie of a session, and what protects it: it is sent by browsers without being asked.

Pages take it, no route of the API does. A change must come from a page of this site: by `Sec-Fetch-Site`, which no page
can forge, or where a browser does not send that by `Origin`. The forms of our pages carry a token of their session
besides.
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from litestar.types import Scope

from holdfast.service.credentials.log_in import HALF_NS
from holdfast.service.errors import AccessDenied
from holdfast.service.language.texts import _
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OPERATOR_PATH, OperatorCaller, operator_of_session
from holdfast.service.people.rights import Right
from holdfast.service.people.sessions import AGE_NS_MAX, caller_of_session
from holdfast.service.people.views import ViewOnly, viewed_account, viewing_caller
from holdfast.units import SECOND_NS
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.viewer import Bar, put_on_top, show_to, zone_of
from holdfast.web.http.errors import KeyRefused, RouteMissing, route_not_found
from holdfast.web.http.request import header

_COOKIE, _HALF_COOKIE = "holdfast", "holdfast-2fa"
ERASE_PATH = "/account/erase"
KEEP_PATH = f"{ERASE_PATH}/keep"
SIGN_OUT_PATH = f"{OPERATOR_PATH}/sign-out"
STOP_VIEW_PATH = f"{OPERATOR_PATH}/stop-looking"
THEME_PATH = "/account/preferences/theme"
"""The address to which the button in the frame sends the theme."""

_PURPOSE = b"holdfast form"
_MASK_BYTES = 32
_PREFETCH_HEADERS = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")


class OperatorSession(RouteMissing):
    """A page of customers that an operator asks for: it does not exist for him."""


def _is_https(context: Context) -> bool:
    return context.instance.config.base_url.startswith("https://")


def _cookie_name(context: Context, name: str) -> str:
    """`__Host-` binds a cookie to this host and to https; browsers refuse that name over http."""
    return f"__Host-{name}" if _is_https(context) else name


def set_cookie(
    context: Context, token: str, seconds: int = AGE_NS_MAX // SECOND_NS, name: str = _COOKIE
) -> tuple[bytes, bytes]:
    """The header that gives a browser its session; with 0 seconds the one that takes it away."""
    secure = "; Secure" if _is_https(context) else ""
    value = f"{_cookie_name(context, name)}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", value.encode("ascii")


def set_half_cookie(context: Context, token: str) -> tuple[bytes, bytes]:
    """The header that gives a browser its log-in that waits for a code; with an empty token it takes it away."""
    return set_cookie(context, token, HALF_NS // SECOND_NS if token else 0, _HALF_COOKIE)


def half_token(context: Context, scope: Scope) -> str | None:
    """The token of a log-in that waits for a code; it opens that step alone."""
    return session_token(context, scope, _HALF_COOKIE)


def session_token(context: Context, scope: Scope, name: str = _COOKIE) -> str | None:
    """The token in a request's cookie."""
    wanted = _cookie_name(context, name)
    for line in (value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"):
        for pair in line.split(";"):
            given, _is, value = pair.strip().partition("=")
            if given == wanted and value:
                return value
    return None


def session_caller(context: Context, scope: Scope, *, is_noted: bool = True) -> Caller | None:
    """Whoever is signed in to an account; None without a cookie.

    `is_noted`: the session is in use, which keeps it from ending of idleness. Raises ACCESS_DENIED for a session that
    has ended, KEEP_CALM, and ROUTE_NOT_FOUND for that of an operator.
    """
    token = session_token(context, scope)
    if token is None:
        return None
    try:
        # Inline on the loop, as with keys: one look-up by a unique index.
        caller = caller_of_session(context.instance, token, context.addresses.client(scope))
    except AccessDenied as denied:
        operator = session_operator(context, scope)
        if operator is not None:
            viewed = viewed_account(context.instance, operator)
            if viewed is not None and may_come(context, scope, operator):
                return viewing_caller(operator, *viewed)
            missing = route_not_found()
            raise OperatorSession(missing.code, missing.message) from None
        refusal = KeyRefused(denied.code, "Your session has ended; sign in again.")
        raise context.refuse_after_failure(context.key_throttle, scope, refusal) from None
    show_to(caller.preferences, form_token(token, THEME_PATH))
    _put_bars(context, caller, token)
    if is_noted:
        context.note_session_seen(caller)
    return caller


def _put_bars(context: Context, caller: Caller, token: str) -> None:
    """Put on top of the page that the account is to be erased, if it is, and how it is kept."""
    if caller.erase_at is None:
        return
    when = words.when(caller.erase_at, context.instance.clock.now_ns(), zone_of(context.instance))
    text = _("This account will be erased with all its backups: %(when)s.", when=when)
    keep = form_token(token, KEEP_PATH) if caller.may(Right.ACCOUNT_ERASE) else ""
    put_on_top(Bar("bad", text, KEEP_PATH, keep, _("Keep the account")))


def session_operator(context: Context, scope: Scope) -> OperatorCaller | None:
    """The operator who is signed in; None for everybody else."""
    token = session_token(context, scope)
    if token is None:
        return None
    try:
        caller = operator_of_session(context.instance, token, context.addresses.client(scope))
    except AccessDenied:
        return None
    viewed = viewed_account(context.instance, caller)
    show_to(caller.preferences, form_token(token, THEME_PATH) if viewed is None else "")
    if viewed is not None:
        _put_view_bar(viewed[0].name or viewed[0].email, token)
        if is_changing(scope) and scope["path"] not in (STOP_VIEW_PATH, SIGN_OUT_PATH):
            raise ViewOnly
    context.note_session_seen(caller)
    return caller


def may_come(context: Context, scope: Scope, operator: OperatorCaller) -> bool:
    """True if an operator proved himself well enough for the place that he comes from."""
    return operator.may_come_from_outside or context.addresses.is_local(scope)


def is_changing(scope: Scope) -> bool:
    """True if a request may change something."""
    return scope.get("method") not in ("GET", "HEAD")


def _put_view_bar(name: str, token: str) -> None:
    """Put on top of the page as whom it is shown, and the way back."""
    text = _("You see the pages of %(name)s as their people do. You can change nothing.", name=name)
    put_on_top(Bar("view", text, STOP_VIEW_PATH, form_token(token, STOP_VIEW_PATH), _("Stop looking")))


def is_from_here(context: Context, scope: Scope) -> bool:
    """True for a request that a page of this site sent."""
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    base = urlsplit(context.instance.config.base_url)
    return header(scope, b"origin") == f"{base.scheme}://{base.netloc}"


def is_opened_by_person(scope: Scope) -> bool:
    """True if a browser opens the address in a tab now: not ahead of time, and no program that looks at links."""
    if header(scope, b"sec-fetch-mode") != "navigate" or header(scope, b"sec-fetch-dest") not in (None, "document"):
        return False
    return not any("prefetch" in (header(scope, name) or "").lower() for name in _PREFETCH_HEADERS)


def form_token(token: str, action: str) -> str:
    """The token of the form that posts to a path, in the pages of one session.

    It looks different each time, so that the size of a compressed page tells nothing of it (BREACH).
    """
    mask = secrets.token_bytes(_MASK_BYTES)
    return mask.hex() + _masked(_form_mac(token, action), mask).hex()


def is_form_token(given: str, token: str, action: str) -> bool:
    """True if a form carries the token that it was given; compared in constant time."""
    try:
        raw = bytes.fromhex(given)
    except ValueError:
        return False
    mask, masked = raw[:_MASK_BYTES], raw[_MASK_BYTES:]
    return len(raw) == 2 * _MASK_BYTES and hmac.compare_digest(_masked(masked, mask), _form_mac(token, action))


def _form_mac(token: str, action: str) -> bytes:
    return hmac.digest(token.encode("latin-1"), _PURPOSE + b"\0" + action.encode(), "sha256")


def _masked(content: bytes, mask: bytes) -> bytes:
    return bytes(byte ^ other for byte, other in zip(content, mask, strict=True))
