"""Rounds: the browser's way to a provider and back, by an authorization code with PKCE (RFC 6749, 7636, 9700).

State, nonce and verifier are of one round, which belongs to one browser, one provider and one purpose, and is used up
when the browser comes back. It must never send a browser anywhere but to the provider, or tell it what a provider said.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from holdfast.catalog.identities import rounds as rows
from holdfast.catalog.identities.records import Purpose as Purpose
from holdfast.catalog.identities.records import Round
from holdfast.service.errors import ServiceError
from holdfast.service.identities import id_tokens
from holdfast.service.identities.fetch import ProviderUnavailable, fetch
from holdfast.service.identities.id_tokens import Expected, Proved, TokenRefused
from holdfast.service.identities.providers import Configured, Endpoints, Providers
from holdfast.service.instance.sign_in.providers import ConfiguredDiscord
from holdfast.service.people.tokens import is_token, new_token, token_hash
from holdfast.units import MINUTE_NS, SECOND_NS

ROUND_NS = 10 * MINUTE_NS
"""A browser comes back within this time."""
CODE_CHARACTERS_MAX = 4096

_ON_THE_WAY = (Purpose.SIGN_IN, Purpose.ACCEPT, Purpose.LINK, Purpose.ELEVATE)


class RoundRefused(ServiceError):
    """A round that proves nothing. `detail` tells the operator why; the customer begins again."""

    http_status = 403

    def __init__(self, provider: Configured, why: str) -> None:
        super().__init__(
            "IDENTITY_REFUSED",
            f"Signing in with {label_of(provider)} did not work. Go back and begin again; if it fails again, tell your "
            "host.",
            f"A round with the provider {provider.name!r} was refused: {why}.",
        )


@dataclass(frozen=True, slots=True)
class Begun:
    """A round that has begun: the address to go to, and the token for the browser's cookie."""

    url: str
    token: str


@dataclass(frozen=True, slots=True)
class CameBack:
    """The things that a browser brings back, as its address has them."""

    state: str
    code: str
    error: str
    issuer: str


def label_of(provider: Configured) -> str:
    """Return a provider's name for people."""
    return provider.label or provider.name


def redirect_uri(providers: Providers, provider: Configured) -> str:
    """Return the address that a provider sends browsers back to, which is registered there."""
    return f"{providers.instance.config.base_url.rstrip('/')}/oidc/{provider.name}/callback"


def begin_round(
    providers: Providers,
    name: str,
    purpose: Purpose,
    return_to: str,
    *,
    session_id: str | None = None,
    invitation: str | None = None,
) -> Begun:
    """Begin a round. `session_id`: of who links or elevates; `invitation`: the one to accept.

    Raises NotFound (PROVIDER_NOT_FOUND), ProviderUnavailable.
    """
    provider = providers.get(name)
    endpoints = providers.endpoints(provider)
    now_ns = providers.instance.clock.now_ns()
    state, nonce, verifier, browser = (new_token() for _ in range(4))
    begun = Round(
        provider=name,
        purpose=purpose,
        nonce=nonce,
        verifier=verifier,
        session_id=session_id,
        invitation_hash=None if invitation is None else token_hash(invitation),
        identity_id=None,
        return_to=return_to,
        started_at=now_ns,
        ends_at=now_ns + ROUND_NS,
    )
    rows.add_round(providers.instance.catalog, begun, token_hash(state), token_hash(browser))
    fields = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri(providers, provider),
        "scope": "identify" if isinstance(provider, ConfiguredDiscord) else "openid profile",
        "state": state,
        "code_challenge": _challenge(verifier),
        "code_challenge_method": "S256",
    }
    if not isinstance(provider, ConfiguredDiscord):
        fields["nonce"] = nonce
        if purpose is Purpose.ELEVATE:
            fields |= {"prompt": "login", "max_age": "0"}
    joint = "&" if "?" in endpoints.authorization else "?"
    return Begun(f"{endpoints.authorization}{joint}{urlencode(fields, quote_via=quote)}", browser)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def end_round(providers: Providers, name: str, back: CameBack, browser: str | None) -> tuple[Round, Proved]:
    """Use a round up, and return it with the person whom the provider proves. `browser`: the token in its cookie.

    Raises NotFound (PROVIDER_NOT_FOUND), RoundRefused, ProviderUnavailable.
    """
    provider = providers.get(name)
    if browser is None or not is_token(browser) or not is_token(back.state):
        raise RoundRefused(provider, "the browser has no round, or another one's state")
    now_ns = providers.instance.clock.now_ns()
    ended = rows.take_round(
        providers.instance.catalog, name, _ON_THE_WAY, token_hash(back.state), token_hash(browser), now_ns
    )
    if ended is None:
        raise RoundRefused(provider, "the state is not of this browser, was used, or its ten minutes are over")
    endpoints = providers.endpoints(provider)
    if back.issuer != provider.issuer and (back.issuer or endpoints.names_itself):
        raise RoundRefused(provider, "the answer names another issuer")
    if back.error or not 0 < len(back.code) <= CODE_CHARACTERS_MAX:
        raise RoundRefused(provider, f"it answered with the error {back.error[:60]!r}")
    answer = _exchanged(providers, provider, endpoints, back.code, ended.verifier)
    try:
        return ended, _proved(providers, provider, endpoints, answer, ended)
    except TokenRefused as error:
        raise RoundRefused(provider, str(error)) from None


def _exchanged(
    providers: Providers, provider: Configured, endpoints: Endpoints, code: str, verifier: str
) -> dict[str, Any]:
    """Return the tokens that a provider gives for a code."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(providers, provider),
        "code_verifier": verifier,
    }
    authorization, secret = None, client_secret(provider)
    if secret and endpoints.takes_basic:
        both = f"{quote(provider.client_id, safe='')}:{quote(secret, safe='')}"
        authorization = "Basic " + base64.b64encode(both.encode()).decode()
    else:
        form |= {"client_id": provider.client_id, **({"client_secret": secret} if secret else {})}
    status, answer = fetch(provider, endpoints.token, form=form, authorization=authorization)
    if status != 200:
        raise RoundRefused(
            provider, f"it gave no token for the code (status {status}, {str(answer.get('error'))[:60]!r})"
        )
    return answer


def client_secret(provider: Configured) -> str:
    """Return our secret at a provider; empty for none. Raises ProviderUnavailable when its file cannot be read."""
    if not provider.client_secret_file:
        return ""
    try:
        return Path(provider.client_secret_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ProviderUnavailable(provider, f"{provider.client_secret_file} cannot be read ({why}).") from None


def _proved(
    providers: Providers, provider: Configured, endpoints: Endpoints, answer: dict[str, Any], ended: Round
) -> Proved:
    if endpoints.people is not None:
        return _proved_by_api(provider, endpoints, answer)
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise TokenRefused("it gave no ID token")
    claims = id_tokens.signed_claims(token, lambda key_id: providers.keys(provider, key_id), tuple(id_tokens.KEY_KINDS))
    now = providers.instance.clock.now_ns() / SECOND_NS
    return id_tokens.checked(claims, Expected(provider.issuer, provider.client_id, ended.nonce, now))


def _proved_by_api(provider: Configured, endpoints: Endpoints, answer: dict[str, Any]) -> Proved:
    """Return the person whose token a provider without ID tokens has just given to us, as its API tells."""
    token = answer.get("access_token")
    if endpoints.people is None or not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise TokenRefused("it gave no token")
    status, person = fetch(provider, endpoints.people, authorization=f"Bearer {token}")
    if status != 200:
        raise TokenRefused(f"its API answers with the status {status}")
    return Proved(id_tokens.checked_subject(person.get("id")), id_tokens.shown_label(person))
