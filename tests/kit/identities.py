"""Signing in by another site, as a browser does it."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from holdfast.service.instance.sign_in.providers import ConfiguredDiscord, ConfiguredOidc, ConfiguredSignIn
from kit.browser import HERE, OPENED, form_of, signed_in
from kit.oidc_provider import CLIENT, SECRET, Provider
from kit.site import Site


def use_providers(site: Site, folder: Path, *providers: Provider, **more: Any) -> None:
    """Have the site sign people in by providers, named `host`, `host2` ...; by Discord as `discord=Provider`."""
    secret = folder / "client-secret"
    secret.write_text(SECRET + "\n")
    common: dict[str, Any] = {"client_id": CLIENT, "client_secret_file": str(secret), "allow_private": True} | more
    discord: Provider | None = common.pop("discord", None)
    found = tuple(
        ConfiguredOidc(name=f"host{n or ''}", label=f"Example {n + 1}", issuer=one.url, **common)
        for n, one in enumerate(providers)
    )
    made = ConfiguredSignIn(
        oidc=found, discord=None if discord is None else ConfiguredDiscord(url=discord.url, **common)
    )
    site.instance.config = msgspec.structs.replace(site.instance.config, sign_in=made)


def address_of(answer: httpx.Response) -> str:
    """The provider's address that a page leads to."""
    assert answer.status_code == 200, answer.text
    found = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', answer.text)
    assert found is not None, answer.text
    return html.unescape(found[1])


def begun(http: httpx.Client, name: str = "host", **fields: str) -> str:
    """Press the button of a provider; return the provider's address."""
    return address_of(http.post(f"/oidc/{name}", data=fields, headers=HERE))


def back(http: httpx.Client, provider: Provider, address: str) -> httpx.Response:
    """Go to the provider, and come back with what it gives."""
    callback = urlsplit(provider.authorize(address))
    return http.get(f"{callback.path}?{callback.query}", headers=OPENED)


def went_round(http: httpx.Client, provider: Provider, name: str = "host", **fields: str) -> httpx.Response:
    """Sign in by a provider."""
    return back(http, provider, begun(http, name, **fields))


def linked(site: Site, http: httpx.Client, provider: Provider, name: str = "host", **more: Any) -> httpx.Response:
    """Open a sign-in link, and link the person of a provider; `http` is signed in then."""
    signed_in(site, http, **more)
    return link(http, provider, name)


def link(http: httpx.Client, provider: Provider, name: str = "host") -> httpx.Response:
    """Link the person of a provider on the page of the account."""
    path = f"/oidc/{name}/link"
    fields = form_of(http.get("/account/log-in"), path)
    return back(http, provider, address_of(http.post(path, data=fields, headers=HERE)))


def elevated(http: httpx.Client, provider: Provider, name: str = "host", return_to: str = "/") -> httpx.Response:
    """Prove oneself by a provider again."""
    path = f"/oidc/{name}/elevate"
    fields = form_of(http.get("/elevate"), path) | {"return_to": return_to}
    return back(http, provider, address_of(http.post(path, data=fields, headers=HERE)))
