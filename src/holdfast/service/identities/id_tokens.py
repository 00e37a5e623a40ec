"""ID tokens (OpenID Connect Core 1.0, 3.1.3.7): signed by the issuer, for us, for this round, just now.

It must never let a token say by itself how it is checked: only asymmetric signatures count, by the issuer's keys.
"""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key

# It is the name by which all signers of today call Ed25519.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

KEY_KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    **dict.fromkeys(("EdDSA", "Ed25519"), "OKP"),
}
"""The algorithms that count, each with the kind of its keys. None of them can be forged with a public key."""

SKEW_SECONDS = 60
"""The clocks of issuer and instance may differ by at most this much."""
AGE_SECONDS_MAX = 600
TOKEN_CHARACTERS_MAX = 16_384
SUBJECT_CHARACTERS_MAX = 255
LABEL_CHARACTERS_MAX = 100
FRESH_SECONDS = 5


class TokenRefused(Exception):
    """A token that proves nothing; the message is for the operator."""


@dataclass(frozen=True, slots=True)
class Proved:
    """A person, as an issuer has just proved him. `authenticated_after`: seconds between his proof and the token.

    None where the issuer does not tell.
    """

    subject: str
    label: str
    authenticated_after: int | None = None


@dataclass(frozen=True, slots=True)
class Expected:
    """The values that a token must have. `now`: seconds since 1970."""

    issuer: str
    client_id: str
    nonce: str
    now: float


def signed_claims(
    token: str, keys_of: Callable[[str | None], Sequence[Key]], algorithms: Sequence[str]
) -> dict[str, Any]:
    """Return the claims of a token whose signature is right. `keys_of`: called with the id of the key, if it names one.

    Raises TokenRefused.
    """
    if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii():
        raise TokenRefused("the token is too long")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefused(f"it is not a signed token ({error})") from None
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise TokenRefused(f"the algorithm {str(algorithm)[:20]!r} is not one that counts")
    if key_id is not None and not isinstance(key_id, str):
        raise TokenRefused("the id of its key is not text")
    for key in keys_of(key_id):
        if key.key_type != KEY_KINDS[algorithm] or key.dict_value.get("alg", algorithm) != algorithm:
            continue
        try:
            payload = jws.deserialize_compact(token.encode(), key, algorithms=[algorithm]).payload
            claims = msgspec.json.decode(payload or b"")
        except (JoseError, ValueError, TypeError, RecursionError):
            continue
        if isinstance(claims, dict):
            return claims
    raise TokenRefused("the signature is by no key of the issuer")


def checked(claims: dict[str, Any], expected: Expected) -> Proved:
    """Return whom the claims of an ID token prove. Raises TokenRefused."""
    if claims.get("iss") != expected.issuer:
        raise TokenRefused(f"its issuer is {str(claims.get('iss'))[:100]!r}")
    audience, party = claims.get("aud"), claims.get("azp")
    ours = [audience] if isinstance(audience, str) else audience
    if not isinstance(ours, list) or expected.client_id not in ours:
        raise TokenRefused("it is for another client (aud)")
    if (party is None and len(ours) > 1) or (party is not None and party != expected.client_id):
        raise TokenRefused("it was made for another client (azp)")
    made_at, ends_at = seconds_of(claims, "iat"), seconds_of(claims, "exp")
    if ends_at <= expected.now - SKEW_SECONDS:
        raise TokenRefused("it has ended (exp)")
    if not expected.now - AGE_SECONDS_MAX <= made_at <= expected.now + SKEW_SECONDS:
        raise TokenRefused("it was not made just now (iat); the clocks may differ")
    if "nbf" in claims and seconds_of(claims, "nbf") > expected.now + SKEW_SECONDS:
        raise TokenRefused("it does not count yet (nbf)")
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise TokenRefused("it is of another round (nonce)")
    after = made_at - seconds_of(claims, "auth_time") if "auth_time" in claims else None
    return Proved(checked_subject(claims.get("sub")), shown_label(claims), after)


def seconds_of(claims: dict[str, Any], name: str) -> int:
    """Return a time among the claims, in seconds since 1970. Raises TokenRefused."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise TokenRefused(f"it has no time {name}")
    return int(value)


def checked_subject(subject: object) -> str:
    """Return a person's id at an issuer. Raises TokenRefused."""
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX or not subject.isprintable():
        raise TokenRefused("it names nobody (sub)")
    return subject


def shown_label(claims: dict[str, Any]) -> str:
    """Return the name that a person has there, for people to see; it proves nothing."""
    for name in ("preferred_username", "username", "name", "sub", "id"):
        value = claims.get(name)
        if isinstance(value, str) and value.strip():
            return "".join(c for c in value if c.isprintable()).strip()[:LABEL_CHARACTERS_MAX] or "?"
    return "?"


def is_fresh(proved: Proved, round_seconds: float) -> bool:
    """Return True if a person proved himself within a round that took some seconds, by the issuer's own clock."""
    after = proved.authenticated_after
    return after is not None and -FRESH_SECONDS <= after <= round_seconds + FRESH_SECONDS
