"""Providers, identities and passkeys as pages show them."""

from __future__ import annotations

from typing import Any

from holdfast.schemas.times import local_time
from holdfast.service.credentials.passkeys import is_offered
from holdfast.service.identities.linking import Identity
from holdfast.service.identities.providers import Configured
from holdfast.service.identities.rounds import label_of
from holdfast.web.context import Context
from holdfast.web.dashboard.session import form_token
from holdfast.web.dashboard.viewer import zone_of

ROUND_PATH = "/oidc"
UNLINK_PATH = "/account/identities"


def start_path(name: str, purpose: str = "") -> str:
    """The path of the form that begins a round: to sign in, or for `link` or `elevate`."""
    return f"{ROUND_PATH}/{name}" + (f"/{purpose}" if purpose else "")


def unlink_path(identity_id: str) -> str:
    """The path of the form that unlinks an identity."""
    return f"{UNLINK_PATH}/{identity_id}/unlink"


def buttons(context: Context, kind: str, **fields: str) -> list[dict[str, Any]]:
    """The buttons that sign somebody in, one a provider; each form has the fields. `kind`: `sign_in` or `accept`."""
    return [
        {"label": label_of(one), "kind": kind, "action": start_path(one.name), "fields": fields}
        for one in context.providers.all
    ]


def elevation_buttons(found: list[Configured], token: str, return_to: str) -> list[dict[str, Any]]:
    """The buttons that elevate a session, one a provider."""
    made = []
    for one in found:
        action = start_path(one.name, "elevate")
        fields = {"form_token": form_token(token, action), "return_to": return_to}
        made.append({"label": label_of(one), "kind": "elevate", "action": action, "fields": fields})
    return made


def passkey_form(context: Context, action: str, token: str, **fields: str) -> dict[str, Any] | None:
    """The form that a passkey sends, with its fields; None where this site can have no passkeys.

    `token`: of the session; empty when nobody is signed in.
    """
    if not is_offered(context.instance):
        return None
    return {"action": action, "fields": fields | ({"form_token": form_token(token, action)} if token else {})}


def linked(context: Context, identities: list[Identity], token: str) -> dict[str, Any]:
    """The identities of whoever is signed in, and the providers that he may link: the values of `_identities.html`."""
    zone, labels = zone_of(context.instance), {one.issuer: label_of(one) for one in context.providers.all}

    def day(at: int | None) -> str:
        return "" if at is None else f"{local_time(at, zone):%Y-%m-%d %H:%M}"

    shown = []
    for one in identities:
        path = unlink_path(one.id)
        shown.append(
            {
                "name": one.label,
                "site": labels.get(one.issuer, one.issuer),
                "since": day(one.created_at),
                "used": day(one.used_at),
                "path": path,
                "token": form_token(token, path),
            }
        )
    offered = []
    for provider in context.providers.all:
        path = start_path(provider.name, "link")
        offered.append({"label": label_of(provider), "path": path, "token": form_token(token, path)})
    return {"linked": shown, "linkable": offered}
