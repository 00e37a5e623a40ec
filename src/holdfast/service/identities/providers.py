"""The providers of an instance: their endpoints and keys, asked for once an hour.

It must never take an endpoint from anything but the issuer's own document, or ask for keys as often as a stranger's
token says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, OKPKey, RSAKey

from holdfast.service.errors import NotFound
from holdfast.service.identities.fetch import ProviderUnavailable, address_of, fetch
from holdfast.service.instance.home import Instance
from holdfast.service.instance.sign_in.providers import ConfiguredDiscord, ConfiguredOidc
from holdfast.service.notify.webhook import Target

DISCOVERY_PATH = "/.well-known/openid-configuration"
KEPT_SECONDS = 3600.0
FAILED_SECONDS = 5.0
"""A provider that did not answer is not asked again for this long."""
KEYS_AGAIN_SECONDS = 60.0
"""For a key that is not known, the keys are asked for again at most this often."""
KEYS_MAX = 50
RSA_BITS_MIN = 2048

Configured = ConfiguredOidc | ConfiguredDiscord


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a provider. `authorization`: where browsers go; the others are asked from here.

    `keys`: None without ID tokens, `people`: None with them. `takes_basic`: our secret goes into a header, else into
    the form. `names_itself`: its answers to browsers have `iss` (RFC 9207).
    """

    authorization: str
    token: Target
    keys: Target | None
    people: Target | None
    takes_basic: bool
    names_itself: bool


@dataclass(frozen=True, slots=True)
class _Keys:
    by_id: tuple[Key, ...]
    fetched_at: float


class Providers:
    """The providers that the configuration names, with what was learned of each; for all threads of a process."""

    def __init__(self, instance: Instance, now: Callable[[], float] = time.monotonic) -> None:
        self.instance = instance
        self._now = now
        self._endpoints: dict[Configured, tuple[Endpoints | ProviderUnavailable, float]] = {}
        self._keys: dict[Target, _Keys] = {}

    @property
    def all(self) -> tuple[Configured, ...]:
        """All of them."""
        return self.instance.config.sign_in.providers

    def get(self, name: str) -> Configured:
        """Return one by its name. Raises NotFound (PROVIDER_NOT_FOUND)."""
        for provider in self.all:
            if provider.name == name:
                return provider
        raise NotFound("PROVIDER_NOT_FOUND", "Nobody signs in here by a site of this name.")

    def endpoints(self, provider: Configured) -> Endpoints:
        """Return the addresses of a provider. Raises ProviderUnavailable."""
        known, until = self._endpoints.get(provider, (None, 0.0))
        if known is None or self._now() >= until:
            try:
                known, kept = discover(provider), KEPT_SECONDS
            except ProviderUnavailable as error:
                known, kept = error, FAILED_SECONDS
            self._endpoints[provider] = known, self._now() + kept
        if isinstance(known, ProviderUnavailable):
            raise ProviderUnavailable(provider, known.detail.partition(": ")[2])
        return known

    def keys(self, provider: Configured, key_id: str | None) -> tuple[Key, ...]:
        """Return the keys that may sign a token: the one that it names, or all. Raises ProviderUnavailable."""
        where = self.endpoints(provider).keys
        if where is None:
            return ()
        known = self._keys.get(where)
        age = 0.0 if known is None else self._now() - known.fetched_at
        found = () if known is None else _named(known.by_id, key_id)
        if known is None or age >= KEPT_SECONDS or (not found and age >= KEYS_AGAIN_SECONDS):
            status, answer = fetch(provider, where)
            if status != 200:
                raise ProviderUnavailable(provider, f"its keys are answered with the status {status}.")
            known = self._keys[where] = _Keys(_usable(answer.get("keys")), self._now())
            found = _named(known.by_id, key_id)
        return found


def _named(keys: tuple[Key, ...], key_id: str | None) -> tuple[Key, ...]:
    return keys if key_id is None else tuple(key for key in keys if key.dict_value.get("kid") == key_id)


def _usable(found: object) -> tuple[Key, ...]:
    """Return the public keys for signatures; others, and those that are too short, are passed over."""
    usable = []
    for one in found[:KEYS_MAX] if isinstance(found, list) else ():
        if not isinstance(one, dict) or one.get("kty") not in ("RSA", "EC", "OKP") or one.get("use", "sig") != "sig":
            continue
        try:
            key = JWKRegistry.import_key({name: value for name, value in one.items() if name not in ("d", "key_ops")})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if isinstance(key, RSAKey) and key.public_key.key_size < RSA_BITS_MIN:
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            usable.append(key)
    return tuple(usable)


def discover(provider: Configured) -> Endpoints:
    """Ask a provider for its addresses. Raises ProviderUnavailable."""
    base = provider.issuer.rstrip("/")
    if isinstance(provider, ConfiguredDiscord):
        return Endpoints(
            f"{base}/oauth2/authorize",
            address_of(provider, f"{base}/api/oauth2/token", "url"),
            None,
            address_of(provider, f"{base}/api/users/@me", "url"),
            takes_basic=True,
            names_itself=False,
        )
    status, found = fetch(provider, address_of(provider, base + DISCOVERY_PATH, "issuer"))
    if status != 200:
        raise ProviderUnavailable(provider, f"its configuration is answered with the status {status}.")
    if found.get("issuer") != provider.issuer:
        raise ProviderUnavailable(provider, f"it names itself {found.get('issuer')!r}; set issuer to exactly that.")
    address_of(provider, found.get("authorization_endpoint"), "authorization_endpoint")
    ways = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return Endpoints(
        str(found["authorization_endpoint"]),
        address_of(provider, found.get("token_endpoint"), "token_endpoint"),
        address_of(provider, found.get("jwks_uri"), "jwks_uri"),
        None,
        takes_basic=isinstance(ways, list) and "client_secret_basic" in ways,
        names_itself=found.get("authorization_response_iss_parameter_supported") is True,
    )
