"""Requests to providers: small JSON answers, from addresses that were checked, within seconds.

Redirects are not followed. It must never put an answer's text, or a secret, into an error that a customer sees.
"""

from __future__ import annotations

import ssl
import time
from typing import Any
from urllib.parse import urlencode

import httpcore
import msgspec

from holdfast.service.errors import Invalid, ServiceError
from holdfast.service.instance.sign_in.providers import Provider
from holdfast.service.notify.egress import Egress, NotReachable, system_resolve
from holdfast.service.notify.network import CheckedNetwork, tls_context
from holdfast.service.notify.webhook import Target, parse_url

SECONDS_MAX = 8.0
ANSWER_BYTES_MAX = 256 * 1024

_USER_AGENT = b"Holdfast/1"


class ProviderUnavailable(ServiceError):
    """A provider cannot be reached, or does not answer as one does. `detail` tells the operator why."""

    http_status = 503

    def __init__(self, provider: Provider, why: str) -> None:
        label = provider.label or provider.name
        super().__init__(
            "PROVIDER_UNAVAILABLE",
            f"{label} does not answer at the moment; try again in a minute, or sign in another way.",
            f"The provider {provider.name!r}: {why}",
        )


def address_of(provider: Provider, url: object, what: str) -> Target:
    """Return a URL that a provider names, taken apart. Raises ProviderUnavailable for one that may not be asked."""
    if not isinstance(url, str):
        raise ProviderUnavailable(provider, f"its configuration has no {what}.")
    try:
        return parse_url(url, allow_http=provider.allow_private)
    except Invalid as error:
        raise ProviderUnavailable(provider, f"its {what} cannot be used: {error.message}") from None


def fetch(
    provider: Provider,
    target: Target,
    *,
    form: dict[str, str] | None = None,
    authorization: str | None = None,
) -> tuple[int, dict[str, Any]]:
    """Ask a provider by GET, or by POST with a form; return status and the JSON object. Raises ProviderUnavailable."""
    body = None if form is None else urlencode(form).encode()
    headers = [(b"host", target.authority.encode()), (b"accept", b"application/json"), (b"user-agent", _USER_AGENT)]
    if body is not None:
        headers += [
            (b"content-type", b"application/x-www-form-urlencoded"),
            (b"content-length", b"%d" % len(body)),
        ]
    if authorization is not None:
        headers.append((b"authorization", authorization.encode("latin-1")))
    url = httpcore.URL(
        scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
    )
    tls = tls_context() if target.scheme == "https" else None  # it takes 20 ms to load
    network = CheckedNetwork(Egress(provider.allow_private, system_resolve), time.monotonic() + SECONDS_MAX)
    try:
        with (
            httpcore.ConnectionPool(tls, network_backend=network, max_connections=1) as pool,
            pool.stream("GET" if body is None else "POST", url, headers=headers, content=body) as answer,
        ):
            content = _read(provider, answer)
    except NotReachable as refused:
        raise ProviderUnavailable(provider, f"{target.shown}: {refused}") from None
    except httpcore.TimeoutException:
        raise ProviderUnavailable(provider, f"{target.shown} took longer than {SECONDS_MAX:g} s.") from None
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
        raise ProviderUnavailable(provider, f"{target.shown} cannot be reached ({error}).") from None
    if 300 <= answer.status < 400:
        raise ProviderUnavailable(provider, f"{target.shown} answers with a redirect, which is not followed.")
    if answer.status >= 500:
        raise ProviderUnavailable(provider, f"{target.shown} answers with the status {answer.status}.")
    return answer.status, _object(provider, target, content)


def _read(provider: Provider, answer: httpcore.Response) -> bytes:
    content = bytearray()
    for chunk in answer.iter_stream():
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise ProviderUnavailable(provider, f"its answer is longer than {ANSWER_BYTES_MAX // 1024} KiB.")
    return bytes(content)


def _object(provider: Provider, target: Target, content: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ProviderUnavailable(provider, f"{target.shown} does not answer with a JSON object.")
    return found
