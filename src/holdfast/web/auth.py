"""Authentication: the caller of a request, and the rights and the plan that its route needs.

Each route declares the right that it needs (`needs`), and gets its caller from here, which checks it: a route cannot
do the one without the other, and `check_routes` refuses to start with a route that declares nothing.

It must never tell a missing account from a wrong key, or let a key into a log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.types import Scope

from holdfast.service.errors import AccessDenied, PermissionDenied, app_not_found
from holdfast.service.host.admin_keys import HostCaller, host_of_key, is_admin_key
from holdfast.service.host.admin_keys import Scope as HostScope
from holdfast.service.people.callers import Caller, caller_of_key
from holdfast.service.people.rights import Right
from holdfast.service.registry.accounts import require_api_backups
from holdfast.web.acting import acting_caller
from holdfast.web.context import Context
from holdfast.web.http.errors import KeyRefused
from holdfast.web.http.request import APP_SEGMENT, header, is_id, path_segment

T = TypeVar("T")

KEY_CHARS_MAX = 256

BACKUP_SEGMENT = 4
"""Its place in the path `/v3/apps/{app_id}/backups/{ref}`."""

_CHALLENGE = [(b"www-authenticate", b"Bearer")]
_NEED = "holdfast_need"


class Need(msgspec.Struct, frozen=True):
    """The needs of a route. `rights`: one of them, on the application in its path or on the account.

    `is_filtered`: on any application will do, and the answer has those only. Without rights it is open to all.
    """

    rights: tuple[Right, ...] = ()
    is_filtered: bool = False
    scopes: tuple[HostScope, ...] = ()
    """Of a route of the host: one of them, and no customer's key opens it."""
    is_operators: bool = False
    """Of an operator's page: only his session opens it."""


def needs(*rights: Right, is_filtered: bool = False) -> dict[str, Any]:
    """Return what a route declares as its `opt`."""
    return {_NEED: Need(rights, is_filtered)}


def needs_scope(*scopes: HostScope) -> dict[str, Any]:
    """Return what a route of the host declares as its `opt`."""
    return {_NEED: Need(scopes=scopes)}


OPERATOR = {_NEED: Need(is_operators=True)}
"""Declared by an operator's page, which `dashboard.access.require_operator` keeps for him."""

OPEN = needs()
"""Declared by a route that needs no key."""


def need_of(handler: HTTPRouteHandler) -> Need | None:
    """Return what a route declares."""
    return handler.opt.get(_NEED)


def is_operators(scope: Scope) -> bool:
    """True if the route of a request is an operator's."""
    return _need(scope).is_operators


def check_routes(handlers: Iterable[HTTPRouteHandler]) -> None:
    """Raise TypeError for a route that does not declare what it needs: it would be open to every key."""
    for handler in handlers:
        if need_of(handler) is None:
            raise TypeError(f"The route {sorted(handler.paths)} must declare its right with `needs(...)`, or OPEN.")


def given_key(scope: Scope) -> str | None:
    """The key in `Authorization: <key>` or `Authorization: Bearer <key>`."""
    value = header(scope, b"authorization")
    if value is None:
        return None
    value = value.strip()
    scheme, _, rest = value.partition(" ")
    return (rest.strip() if scheme.lower() == "bearer" else value) or None


def authenticated(context: Context, scope: Scope) -> Caller:
    """The caller, whatever he may do: whose key it is. No session: browsers send its cookie without being asked.

    Raises ACCESS_DENIED, KEEP_CALM after too many wrong keys.
    """
    # Inline on the loop: one look-up by a unique index, cheaper than the way to a thread and back.
    caller = _known(context, scope, _caller)
    if caller.unnoted_hour is not None:
        context.note_key_used(caller)
    return caller


def require_host(context: Context, scope: Scope) -> HostCaller:
    """The host, whose key has a scope that the route needs. Raises as `authenticated` does, and PERMISSION_DENIED."""
    host = _known(context, scope, _host)
    context.note_host_call(host, scope, None)
    host.require(_need(scope).scopes)
    return host


def _known(context: Context, scope: Scope, find: Callable[[Context, Scope, str], T]) -> T:
    """Whoever's key it is, as `find(context, scope, key)` has it. Raises ACCESS_DENIED, KEEP_CALM."""
    key = given_key(scope)
    if key is None:
        raise KeyRefused(
            "ACCESS_DENIED", "This route needs an API key, in the header 'Authorization: <api key>'.", _CHALLENGE
        )
    try:
        if len(key) > KEY_CHARS_MAX:
            raise AccessDenied
        return find(context, scope, key)
    except AccessDenied as denied:
        refusal = KeyRefused(denied.code, denied.message, _CHALLENGE)
        raise context.refuse_after_failure(context.key_throttle, scope, refusal) from None


def _caller(context: Context, scope: Scope, key: str) -> Caller:
    if is_admin_key(key):
        return acting_caller(context, scope, key)
    return caller_of_key(context.instance, key, context.addresses.client(scope))


def _host(context: Context, scope: Scope, key: str) -> HostCaller:
    return host_of_key(context.instance, key, context.addresses.client(scope))


def require_caller(context: Context, scope: Scope) -> Caller:
    """The caller, who has what the route needs on the account. Raises PERMISSION_DENIED too."""
    caller = authenticated(context, scope)
    _require(caller, _need(scope), None)
    return caller


def shows_key_of(context: Context, scope: Scope, account_id: str) -> bool:
    """True if the request, which needs no key, has one of this account all the same."""
    key = given_key(scope)
    if key is None or len(key) > KEY_CHARS_MAX:
        return False
    try:
        caller = caller_of_key(context.instance, key, context.addresses.client(scope))
    except AccessDenied:
        return False
    return caller.account.id == account_id


def require_backups(context: Context, scope: Scope) -> Caller:
    """As `require_caller`, if the account's plan includes the backups in the API. Raises UPGRADE_REQUIRED too."""
    caller = authenticated(context, scope)
    require_api_backups(context.instance, caller.account)
    _require(caller, _need(scope), None)
    return caller


def requested_app(context: Context, scope: Scope) -> tuple[Caller, str]:
    """The caller, and the id of the application in the path, on which he has what the route needs.

    Inline on the loop, as the list's hot path needs it. Raises APP_NOT_FOUND, and Unavailable without the store, too.
    """
    caller = authenticated(context, scope)
    require_api_backups(context.instance, caller.account)
    app_id = path_segment(scope, APP_SEGMENT)
    _require_owner(context, caller, app_id)
    _require(caller, _need(scope), app_id)
    context.require_store()
    return caller, app_id


def requested_backup(scope: Scope) -> str:
    """The backup in the path, by its name or its id, which may not exist."""
    return path_segment(scope, BACKUP_SEGMENT)


def require_page(context: Context, scope: Scope, caller: Caller, app_id: str | None = None) -> None:
    """Require what a page needs of whoever is signed in: on an application, or on the account.

    Raises APP_NOT_FOUND, PERMISSION_DENIED.
    """
    if app_id is not None:
        _require_owner(context, caller, app_id)
    _require(caller, _need(scope), app_id)


def _require_owner(context: Context, caller: Caller, app_id: str) -> None:
    if not is_id(app_id) or context.instance.prepared.app_owner(app_id) != caller.account.id:
        raise app_not_found()


def _need(scope: Scope) -> Need:
    need: Need = scope["route_handler"].opt[_NEED]
    return need


def _require(caller: Caller, need: Need, app_id: str | None) -> None:
    if need.is_filtered:
        if caller.grant.rights.isdisjoint(need.rights):
            raise PermissionDenied(need.rights[0])
    elif not any(caller.may(right, app_id) for right in need.rights):
        caller.require(need.rights[0], app_id)
