"""Authentication: the account of a request's API key, and the routes that its plan includes.

What it must never do: tell a missing account from a wrong key, or let a key into a log.
"""

from __future__ import annotations

from litestar.types import Scope

from holdfast.catalog.records import Account
from holdfast.service.errors import AccessDenied, app_not_found
from holdfast.service.registry.accounts import authenticate, require_api_backups
from holdfast.web.context import Context
from holdfast.web.http.errors import KeyRefused
from holdfast.web.http.request import header, is_id, path_segment

KEY_CHARS_MAX = 256

APP_SEGMENT, BACKUP_SEGMENT = 2, 4
"""Their places in the path `/v3/apps/{app_id}/backups/{ref}`."""

_CHALLENGE = [(b"www-authenticate", b"Bearer")]


def given_key(scope: Scope) -> str | None:
    """The key in `Authorization: <key>` or `Authorization: Bearer <key>`."""
    value = header(scope, b"authorization")
    if value is None:
        return None
    value = value.strip()
    scheme, _, rest = value.partition(" ")
    return (rest.strip() if scheme.lower() == "bearer" else value) or None


def require_account(context: Context, scope: Scope) -> Account:
    """The account of the request's key. Raises ACCESS_DENIED, or KEEP_CALM after too many wrong keys."""
    key = given_key(scope)
    if key is None:
        raise KeyRefused(
            "ACCESS_DENIED", "This route needs an API key, in the header 'Authorization: <api key>'.", _CHALLENGE
        )
    try:
        if len(key) > KEY_CHARS_MAX:
            raise AccessDenied
        # Inline on the loop: one look-up by a unique index, cheaper than the way to a thread and back.
        return authenticate(context.instance, key)
    except AccessDenied as denied:
        refusal = KeyRefused(denied.code, denied.message, _CHALLENGE)
        raise context.refuse_after_failure(context.key_throttle, scope, refusal) from None


def shows_key_of(context: Context, scope: Scope, account_id: str) -> bool:
    """True if the request, which needs no key, has that of this account all the same."""
    key = given_key(scope)
    if key is None or len(key) > KEY_CHARS_MAX:
        return False
    try:
        return authenticate(context.instance, key).id == account_id
    except AccessDenied:
        return False


def require_backups(context: Context, scope: Scope) -> Account:
    """The account, if its plan includes the backups in the API. Raises UPGRADE_REQUIRED too."""
    account = require_account(context, scope)
    require_api_backups(context.instance, account)
    return account


def requested_app(context: Context, scope: Scope) -> tuple[Account, str]:
    """The account of the key, and the id of the application in the path, which is one of its own.

    Inline on the loop, as the list's hot path needs it. Raises APP_NOT_FOUND, and Unavailable without the store, too.
    """
    account = require_backups(context, scope)
    app_id = path_segment(scope, APP_SEGMENT)
    if not is_id(app_id) or context.instance.prepared.app_owner(app_id) != account.id:
        raise app_not_found()
    context.require_store()
    return account, app_id


def requested_backup(scope: Scope) -> str:
    """The backup in the path, by its name or its id, which may not exist."""
    return path_segment(scope, BACKUP_SEGMENT)
