"""Hand-over: a host's panel signs a person in by a token (JWT, EdDSA) that it has signed itself, without a call to us.

A token names the account by the host's own id, ends within a minute and opens once. It must never open for another
instance, or tell whoever shows it which accounts there are.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
from joserfc.jwk import JWKRegistry

from holdfast.catalog.identities.rounds import use_token
from holdfast.catalog.records import Actor, ActorKind
from holdfast.schemas.people.sign_in import NewSignInLink
from holdfast.service.errors import ServiceError
from holdfast.service.host.sign_in import sign_in_link
from holdfast.service.identities.id_tokens import TokenRefused, seconds_of, signed_claims
from holdfast.service.instance.home import Instance
from holdfast.service.instance.sign_in.hand_over import ConfiguredHandOver
from holdfast.service.people.sign_in import SignedIn, open_sign_in_link
from holdfast.units import SECOND_NS

SECONDS_MAX = 60
SKEW_SECONDS = 10
"""The clocks of host and instance may differ by at most this much."""
ID_CHARACTERS_MAX = 255
ALGORITHMS = ("EdDSA", "Ed25519")
_WANTED = ("app", "group", "rights", "person", "return_to")
"""The claims that say the same as the fields of a sign-in link."""


class HandOverRefused(ServiceError):
    """A token that signs nobody in. `detail` tells the operator why."""

    http_status = 403

    def __init__(self, why: str) -> None:
        super().__init__(
            "HAND_OVER_REFUSED",
            "This way in was used already, or its minute is over; go back to your host's panel and open it again.",
            f"A hand-over was refused: {why}.",
        )


def open_hand_over(instance: Instance, token: str, ip: str, agent: str, old_token: str | None) -> SignedIn:
    """Use a token up and begin the session that it gives. `old_token`: as of a link. Raises HandOverRefused."""
    try:
        host, claims = _verified(instance, token)
        account, wanted, token_id, ends_at = _checked(instance, claims)
    except TokenRefused as error:
        raise HandOverRefused(str(error)) from None
    key = hashlib.sha256(f"{host.issuer}\0{token_id}".encode()).digest()
    now_ns = instance.clock.now_ns()
    if not use_token(instance.catalog, key, (ends_at + SKEW_SECONDS) * SECOND_NS, now_ns):
        raise HandOverRefused("it was used before")
    try:
        made = sign_in_link(instance, account, wanted, Actor(ActorKind.HOST, "hand-over", host.issuer[:320], ip))
        return open_sign_in_link(instance, made.url.partition("ticket=")[2], ip, agent, old_token)
    except ServiceError as error:
        raise HandOverRefused(error.detail.rstrip(".")) from None


def _verified(instance: Instance, token: str) -> tuple[ConfiguredHandOver, dict[str, Any]]:
    """Return the claims of a token, and the host whose key has signed it."""
    refused = TokenRefused("no host is configured in [[sign_in.hand_over]]")
    for host in instance.config.sign_in.hand_over:
        x = base64.urlsafe_b64encode(host.key).rstrip(b"=").decode()
        key = JWKRegistry.import_key({"kty": "OKP", "crv": "Ed25519", "x": x})
        try:
            claims = signed_claims(token, lambda _, key=key: (key,), ALGORITHMS)  # type: ignore[misc]
        except TokenRefused as error:
            refused = error
            continue
        if claims.get("iss") == host.issuer:
            return host, claims
        refused = TokenRefused("its issuer (iss) is not the one of its key")
    raise refused


def _checked(instance: Instance, claims: dict[str, Any]) -> tuple[str, NewSignInLink, str, int]:
    """Return the account's external id, what is wanted of it, the token's id and its end (seconds)."""
    now = instance.clock.now_ns() / SECOND_NS
    audience = claims.get("aud")
    ours = instance.config.base_url.rstrip("/")
    if ours not in (audience if isinstance(audience, list) else [audience]):
        raise TokenRefused(f"it is for another instance (aud); this one is {ours}")
    ends_at = seconds_of(claims, "exp")
    if not now < ends_at <= now + SECONDS_MAX + SKEW_SECONDS:
        raise TokenRefused(f"its end (exp) must be at most {SECONDS_MAX} s ahead; the clocks may differ")
    if "nbf" in claims and seconds_of(claims, "nbf") > now + SKEW_SECONDS:
        raise TokenRefused("it does not count yet (nbf)")
    account, token_id = claims.get("sub"), claims.get("jti")
    for text in (account, token_id):
        if not isinstance(text, str) or not 0 < len(text) <= ID_CHARACTERS_MAX:
            raise TokenRefused("it needs the account's external id (sub) and an id of its own (jti)")
    try:
        wanted = msgspec.convert({name: claims[name] for name in _WANTED if name in claims}, NewSignInLink)
    except msgspec.ValidationError as error:
        raise TokenRefused(f"a claim is not what it must be: {error}") from None
    return str(account), wanted, str(token_id), ends_at
