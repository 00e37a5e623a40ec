"""The host acting for an account: a customer's route, called with an admin key.

It acts for the account that owns the application in the path, or for the one that `Holdfast-Account` names.
"""

from __future__ import annotations

from urllib.parse import unquote

from litestar.types import Scope

from holdfast.service.errors import NotFound, app_not_found
from holdfast.service.host.accounts import account_by_external_id
from holdfast.service.host.admin_keys import HostCaller, host_of_key
from holdfast.service.host.admin_keys import Scope as HostScope
from holdfast.service.people.callers import Caller
from holdfast.service.people.rights import ALL
from holdfast.service.registry.accounts import get_account
from holdfast.web.context import Context
from holdfast.web.http.errors import BadRequest
from holdfast.web.http.request import APP_SEGMENT, header, is_id, path_segment

_APPS = b"/v3/apps/"
_ENDED = "The account has ended, so nothing of it is reached; a PUT of the account undoes that."


def acting_caller(context: Context, scope: Scope, key: str) -> Caller:
    """The host as a caller of an account. Raises AccessDenied, ScopeMissing, NotFound, BadRequest."""
    host = host_of_key(context.instance, key, context.addresses.client(scope))
    try:
        host.require((HostScope.ACT,))
        caller = _caller(context, scope, host)
    except Exception:
        context.note_host_call(host, scope, None)
        raise
    context.note_host_call(host, scope, caller.account.id)
    return caller


def _caller(context: Context, scope: Scope, host: HostCaller) -> Caller:
    named = header(scope, b"holdfast-account")
    if named is not None:
        account = account_by_external_id(context.instance, unquote(named)).account
        if account.ended_at is not None:
            raise NotFound("ACCOUNT_NOT_FOUND", _ENDED)
    elif scope["raw_path"].startswith(_APPS):
        app_id = path_segment(scope, APP_SEGMENT)
        owner = context.instance.prepared.app_owner(app_id) if is_id(app_id) else None
        if owner is None:
            raise app_not_found()
        account = get_account(context.instance, owner)
        if account.ended_at is not None:
            raise NotFound("APP_NOT_FOUND", _ENDED)
    else:
        raise BadRequest(
            "INVALID_HOLDFAST_ACCOUNT",
            "An admin key acts for an account: name it in the header 'Holdfast-Account: <external id>'.",
        )
    return Caller(account, host.actor, ALL)
