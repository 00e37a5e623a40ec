"""The passkeys of whoever is signed in, as `/account/log-in` lists them."""

from __future__ import annotations

from typing import Any

from holdfast.service.credentials import passkeys as service
from holdfast.service.credentials.ceremony import Unfit, party_of
from holdfast.service.language.texts import N_, _
from holdfast.service.people.callers import Caller
from holdfast.service.people.operators import OperatorCaller
from holdfast.web.context import Context
from holdfast.web.dashboard import words
from holdfast.web.dashboard.access import PROOFS_PATH, account_of
from holdfast.web.dashboard.providers import passkey_form
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of

PASSKEYS_PATH = f"{PROOFS_PATH}/passkeys"

_UNFIT = {
    Unfit.IS_ADDRESS: N_(
        "This site is reached by an IP address, and passkeys belong to a name; ask your host for one."
    ),
    Unfit.IS_PLAIN: N_(
        "This site is reached without HTTPS, and browsers offer no passkeys there; ask your host for it."
    ),
}


def change_path(passkey_id: str, change: str) -> str:
    """The path of the form that renames or removes a passkey."""
    return f"{PASSKEYS_PATH}/{passkey_id}/{change}"


def passkey_values(context: Context, caller: Caller | OperatorCaller, token: str) -> dict[str, Any]:
    """The values of `_passkeys.html`."""
    instance = context.instance
    found, party = service.own_passkeys(instance, caller, account_of(caller)), party_of(instance.config.base_url)
    now, zone = instance.clock.now_ns(), zone_of(instance)
    host = None if isinstance(party, Unfit) else party.host
    lines = []
    for one in found:
        paths = {change: change_path(one.id, change) for change in ("rename", "remove")}
        lines.append(
            {
                "id": one.id,
                "name": one.name,
                "since": words.when(one.created_at, now, zone),
                "used": "" if one.used_at is None else words.when(one.used_at, now, zone),
                "other_host": "" if one.host == host else one.host,
                "paths": paths,
                "tokens": {change: form_token(token, path) for change, path in paths.items()},
            }
        )
    return {
        "lines": lines,
        "form": passkey_form(context, PASSKEYS_PATH, token),
        "unfit": _(_UNFIT[party]) if isinstance(party, Unfit) else "",
        "next_name": _("Passkey %(n)s", n=len(found) + 1),
        "name_max": service.NAME_CHARACTERS_MAX,
    }
