"""Webhooks: one signed POST, by the Standard Webhooks scheme (https://www.standardwebhooks.com, version 1.0.0).

The signature is an HMAC-SHA-256 of `<id>.<timestamp>.<body>`; a secret is written `whsec_<base64>`. The connection is
made to an address that `Egress` has checked; redirects are not followed, only the status and `Retry-After` of the
answer are used, and the whole takes at most SECONDS_MAX.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import ssl
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpcore

from holdfast.service.errors import Invalid
from holdfast.service.notify.egress import Egress, NotReachable
from holdfast.service.notify.network import CheckedNetwork, tls_context
from holdfast.units import SECOND_NS

SECONDS_MAX = 15.0
ANSWER_BYTES_MAX = 4096
URL_CHARACTERS_MAX = 2048
SECRET_PREFIX = "whsec_"
_SECRET_BYTES = 32
_RETRY_AFTER = re.compile(r"[0-9]{1,6}")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_USER_AGENT = b"Holdfast-Webhooks/1"


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook's URL, taken apart once: what is checked is what is connected to."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """Host, and port where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _port_of(self.scheme) else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The part that may be shown: paths of webhooks are often secret."""
        return f"{self.scheme}://{self.authority}" + ("" if self.path == "/" else "/...")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an attempt. `status`: the HTTP status, where there was one; `error`: one sentence, None when it
    was taken; `retry_after`: seconds that the receiver asks for."""

    status: int | None
    error: str | None
    retry_after: int = 0


def new_secret() -> str:
    """A fresh secret of 256 bits."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>`. `timestamp`: seconds since 1970."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def parse_url(url: str, *, allow_http: bool) -> Target:
    """A webhook's URL. Raises Invalid (URL)."""
    if len(url) > URL_CHARACTERS_MAX:
        raise Invalid("url", f"url must have at most {URL_CHARACTERS_MAX} characters.")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise Invalid("url", "url must be of visible ASCII characters; write others percent-encoded.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid("url", "url must be like https://host/path.") from None
    if parts.scheme == "http" and not allow_http:
        raise Invalid("url", "url must begin with https://, so that nobody reads along.")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or port == 0:
        raise Invalid("url", "url must be like https://host/path.")
    if "@" in parts.netloc:
        raise Invalid("url", "url must have no user and password; the signature says who sends.")
    if "#" in url:
        raise Invalid("url", "url must have no fragment (#...).")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _port_of(parts.scheme), path)


def _port_of(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def post(
    target: Target,
    message_id: str,
    body: bytes,
    secrets: Sequence[str],
    *,
    now_ns: int,
    egress: Egress,
    seconds: float = SECONDS_MAX,
    tls: ssl.SSLContext | None = None,
) -> Outcome:
    """Send a message once, signed with each of the secrets. Never raises for what the receiver does."""
    timestamp = now_ns // SECOND_NS
    signatures = " ".join(signature(secret, message_id, timestamp, body) for secret in secrets)
    headers = [
        (b"host", target.authority.encode()),
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"user-agent", _USER_AGENT),
        (b"webhook-id", message_id.encode()),
        (b"webhook-timestamp", b"%d" % timestamp),
        (b"webhook-signature", signatures.encode()),
    ]
    url = httpcore.URL(
        scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
    )
    network = CheckedNetwork(egress, time.monotonic() + seconds)
    try:
        with (
            httpcore.ConnectionPool(
                ssl_context=tls or tls_context(), network_backend=network, max_connections=1
            ) as pool,
            pool.stream("POST", url, headers=headers, content=body) as answer,
        ):
            outcome = _judged(answer)
            _drain(answer.iter_stream())
            return outcome
    except NotReachable as refused:
        return Outcome(None, str(refused))
    except httpcore.TimeoutException:
        return Outcome(None, f"The receiver took longer than {seconds:g} s.")
    except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError, OSError) as error:
        return Outcome(None, _network_error(error))


def _judged(answer: httpcore.Response) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return Outcome(status, None)
    if 300 <= status < 400:
        return Outcome(status, f"The receiver answered with a redirect ({status}), which is not followed.")
    given = next((value for name, value in answer.headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    wait = int(given) if _RETRY_AFTER.fullmatch(given) else 0
    return Outcome(status, f"The receiver answered with the status {status}.", wait)


def _drain(chunks: Iterable[bytes]) -> None:
    """Read a little of the answer's body, so that a receiver that sends it first is not cut off; look at none."""
    left = ANSWER_BYTES_MAX
    try:
        for chunk in chunks:
            left -= len(chunk)
            if left <= 0:
                return
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        return  # the status is there, and nothing else counts


def _network_error(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or "the TLS handshake failed"
            return f"The receiver's certificate or its TLS can't be used: {reason}."
        if isinstance(cause, ConnectionRefusedError):
            return "The receiver refused the connection."
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ProtocolError):
        return "The receiver did not answer with HTTP."
    return "The connection to the receiver failed."
