"""`/metrics`: the instance's figures for Prometheus. Only the operator reaches it; to all others it does not exist.

A request is the operator's if it carries `metrics_token` (`Authorization: Bearer ...`). Without that setting it must
come from this machine, to an instance whose `base_url` is on this machine too: the requests of a proxy come from here
as well, and not every proxy says for whom.

This is a plain ASGI application, not a route of Litestar, which would answer a stranger's POST with 405.
"""

from __future__ import annotations

import ipaddress
from secrets import compare_digest
from urllib.parse import urlsplit

from litestar.types import HTTPScope, Receive, Scope, Send
from prometheus_client.exposition import choose_encoder

from holdfast.service.instance.config import Config
from holdfast.web.context import Context
from holdfast.web.http.addresses import peer_of
from holdfast.web.http.envelope import Answer
from holdfast.web.http.errors import MethodRefused, route_not_found
from holdfast.web.http.request import header

METRICS_PATH = b"/metrics"

_OF_PROXIES = {b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip"}


async def serve_metrics(context: Context, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """Answer one request. Raises ApiError, CatalogError."""
    if not is_operator(context.instance.config, scope):
        raise route_not_found()
    if scope["method"] not in ("GET", "HEAD"):
        raise MethodRefused("METHOD_NOT_ALLOWED", "The metrics know only GET and HEAD.", [(b"allow", b"GET, HEAD")])
    encode, media_type = choose_encoder(header(scope, b"accept") or "")
    body = await context.call(encode, context.statistics)
    headers = [(b"content-type", media_type.encode("ascii")), (b"cache-control", b"no-store")]
    await Answer(200, body, headers)(scope, receive, send)


def is_operator(config: Config, scope: Scope) -> bool:
    """True if the caller may see the metrics."""
    if config.metrics_token:
        shown = (header(scope, b"authorization") or "").removeprefix("Bearer ")
        return compare_digest(shown.encode("utf-8", "replace"), config.metrics_token.encode("ascii"))
    is_through_proxy = any(name in _OF_PROXIES for name, _ in scope["headers"])
    return not is_through_proxy and all(
        map(_is_this_machine, (peer_of(scope), urlsplit(config.base_url).hostname or ""))
    )


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
