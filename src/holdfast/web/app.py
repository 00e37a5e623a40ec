"""The web application: sends a request to the API or to the downloads, and turns every failure into an envelope.

Litestar has no routing by host name, and a download needs the raw path and query; so `Front` comes first. It is also
the one place that sees every request: its id, its security headers, its line in the log, and whether the server is
shutting down.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from holdfast.service.instance.home import Instance
from holdfast.web.api.account import account_routes
from holdfast.web.api.audit import audit_routes
from holdfast.web.api.backups import backup_routes
from holdfast.web.api.browse import browse_routes
from holdfast.web.api.compat.snapshots import snapshot_routes
from holdfast.web.api.compat.users import user_routes
from holdfast.web.api.docs_page import docs_routes
from holdfast.web.api.events import event_routes
from holdfast.web.api.host.accounts import host_account_routes
from holdfast.web.api.host.apps import host_app_routes
from holdfast.web.api.host.sign_in import host_sign_in_routes
from holdfast.web.api.host.sync import host_sync_routes
from holdfast.web.api.imports import import_routes
from holdfast.web.api.jobs import job_routes
from holdfast.web.api.metrics import METRICS_PATH, serve_metrics
from holdfast.web.api.open import open_routes
from holdfast.web.api.people.account_erasure import account_erasure_routes
from holdfast.web.api.people.account_export import account_export_routes
from holdfast.web.api.people.account_secrets import account_secret_routes
from holdfast.web.api.people.keys import key_routes
from holdfast.web.api.people.links import link_routes
from holdfast.web.api.people.members import member_routes
from holdfast.web.api.schedule import schedule_routes
from holdfast.web.api.webhooks import webhook_routes
from holdfast.web.auth import check_routes
from holdfast.web.context import Context
from holdfast.web.dashboard.apps.activity_pages import activity_page_routes
from holdfast.web.dashboard.apps.app_pages import app_routes
from holdfast.web.dashboard.apps.backup_pages import backup_page_routes
from holdfast.web.dashboard.apps.comparisons import Comparisons
from holdfast.web.dashboard.apps.home_pages import home_routes
from holdfast.web.dashboard.apps.job_pages import job_page_routes
from holdfast.web.dashboard.apps.live_pages import live_routes
from holdfast.web.dashboard.apps.restore_pages import restore_page_routes
from holdfast.web.dashboard.apps.schedule_pages import schedule_page_routes
from holdfast.web.dashboard.assets import asset_routes
from holdfast.web.dashboard.files.diff_pages import diff_page_routes
from holdfast.web.dashboard.files.file_pages import file_page_routes
from holdfast.web.dashboard.files.folder_pages import folder_page_routes
from holdfast.web.dashboard.identities.linking_pages import linking_routes
from holdfast.web.dashboard.identities.round_pages import round_routes
from holdfast.web.dashboard.notices.endpoint_pages import endpoint_page_routes
from holdfast.web.dashboard.notices.notice_pages import notice_page_routes
from holdfast.web.dashboard.operator.routes import operator_routes
from holdfast.web.dashboard.people.account_pages import account_page_routes
from holdfast.web.dashboard.people.erase_pages import erase_page_routes
from holdfast.web.dashboard.people.export_pages import export_page_routes
from holdfast.web.dashboard.people.forgotten_pages import forgotten_routes
from holdfast.web.dashboard.people.help_pages import help_page_routes
from holdfast.web.dashboard.people.key_pages import key_page_routes
from holdfast.web.dashboard.people.log_in_pages import log_in_routes
from holdfast.web.dashboard.people.member_pages import member_page_routes
from holdfast.web.dashboard.people.password_pages import password_routes
from holdfast.web.dashboard.people.plan_pages import plan_page_routes
from holdfast.web.dashboard.people.preferences_pages import preferences_page_routes
from holdfast.web.dashboard.people.sign_in_pages import INVITATION_SEGMENT, sign_in_routes
from holdfast.web.dashboard.proofs.code_pages import code_routes
from holdfast.web.dashboard.proofs.factor_pages import factor_routes
from holdfast.web.dashboard.proofs.passkey_pages import passkey_routes
from holdfast.web.dashboard.settings.settings_pages import settings_page_routes
from holdfast.web.downloads import parse_link, serve_download
from holdfast.web.event_hub import EventHub
from holdfast.web.http.envelope import SECURITY_HEADERS, Answer
from holdfast.web.http.errors import (
    RouteMissing,
    allowed_methods,
    answer_error,
    has_left,
    internal_error,
    known_error,
    unavailable,
)
from holdfast.web.http.request import BODY_BYTES_MAX, check_host, header, routing_path
from holdfast.web.http.request_metrics import Kind
from holdfast.web.streaming import ASKED_FOR_HEAD


def create_app(instance: Instance) -> Front:
    """The ASGI application of an instance. Starts no threads by itself."""
    context = Context(instance)
    return Front(context, routed(routes(context)))


def routed(handlers: Sequence[HTTPRouteHandler]) -> Litestar:
    """The ASGI application of some routes; to make it costs 0.3 s of CPU for all of ours."""
    check_routes(handlers)
    return Litestar(
        route_handlers=handlers,
        exception_handlers={Exception: _hand_up},
        request_max_body_size=BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )


def routes(context: Context) -> list[HTTPRouteHandler]:
    """All routes: those of the API, and the pages."""
    event_hub = EventHub(context)
    return [*_api_routes(context, event_hub), *_page_routes(context, event_hub)]


def _api_routes(context: Context, event_hub: EventHub) -> list[HTTPRouteHandler]:
    return [
        *backup_routes(context),
        *job_routes(context),
        *event_routes(context, event_hub),
        *browse_routes(context),
        *schedule_routes(context),
        *import_routes(context),
        *account_routes(context),
        *key_routes(context),
        *account_secret_routes(context),
        *account_erasure_routes(context),
        *account_export_routes(context),
        *link_routes(context),
        *member_routes(context),
        *webhook_routes(context),
        *audit_routes(context),
        *user_routes(context),
        *snapshot_routes(context),
        *host_account_routes(context),
        *host_app_routes(context),
        *host_sign_in_routes(context),
        *host_sync_routes(context),
        *open_routes(context),
        *docs_routes(context),
    ]


def _page_routes(context: Context, event_hub: EventHub) -> list[HTTPRouteHandler]:
    comparisons = Comparisons(context)
    return [
        *sign_in_routes(context),
        *log_in_routes(context),
        *password_routes(context),
        *code_routes(context),
        *factor_routes(context),
        *passkey_routes(context),
        *forgotten_routes(context),
        *round_routes(context),
        *linking_routes(context),
        *account_page_routes(context),
        *key_page_routes(context),
        *member_page_routes(context),
        *plan_page_routes(context),
        *erase_page_routes(context),
        *export_page_routes(context),
        *help_page_routes(context),
        *preferences_page_routes(context),
        *notice_page_routes(context),
        *endpoint_page_routes(context),
        *home_routes(context),
        *app_routes(context),
        *backup_page_routes(context),
        *restore_page_routes(context, comparisons),
        *job_page_routes(context),
        *schedule_page_routes(context),
        *activity_page_routes(context),
        *settings_page_routes(context),
        *folder_page_routes(context),
        *file_page_routes(context),
        *diff_page_routes(context, comparisons),
        *live_routes(context, event_hub),
        *operator_routes(context),
        *asset_routes(),
    ]


def _hand_up(_request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar's handler of errors: they are answered by `Front`, in one place."""
    raise error


# Litestar has no HEAD, and its own OPTIONS names the methods of one handler only; as an unknown method it names all.
_ASKED_AS = {"HEAD": "GET", "OPTIONS": "?"}


class Front:
    """The outermost application of a process."""

    def __init__(self, context: Context, api: ASGIApp) -> None:
        self.context = context
        self.api = api
        config = context.instance.config
        base, backups = urlsplit(config.base_url).hostname, urlsplit(config.downloads_url).hostname
        self._backups_host = backups.encode("ascii") if backups and backups != base else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. Lifespan goes through to Litestar; there are no websockets."""
        if scope["type"] == ScopeType.HTTP:
            await self._answer(scope, receive, send)
        elif scope["type"] != ScopeType.WEBSOCKET:
            await self.api(scope, receive, send)
            self.context.close()

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        context = self.context
        request_id = secrets.token_hex(8)
        started = context.now()
        status = sent = 0

        async def send_on(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                _complete(message, request_id)
            elif message["type"] == "http.response.body":
                sent += len(message["body"])
            await send(message)

        context.in_flight += 1
        try:
            await self._dispatch(scope, receive, send_on, request_id)
        except Exception as error:
            if has_left(error):
                return
            known = known_error(error)
            if known is None or status:
                context.log.error("request_failed", request_id=request_id, path=_path(scope), exc_info=error)
            if status:  # too late for another answer: the server closes the connection
                return
            answer = answer_error(known) if known is not None else internal_error(request_id)
            await answer(scope, receive, send_on)
        finally:
            context.in_flight -= 1
            seconds = context.now() - started
            context.request_metrics.note(_kind(scope), status, seconds, sent)
            context.log.info(
                "request",
                request_id=request_id,
                method=scope["method"],
                path=_path(scope),
                status=status,
                ms=round(seconds * 1000, 1),
                client=context.addresses.client(scope),
            )

    async def _dispatch(self, scope: HTTPScope, receive: Receive, send: Send, request_id: str) -> None:
        if self.context.draining:
            error = unavailable("The server is shutting down; try again in a moment.")
            error.headers.append((b"connection", b"close"))
            raise error
        check_host(scope)
        raw_path = scope["raw_path"]
        if self._backups_host is None or self._is_backups_host(scope):
            link = parse_link(raw_path, scope["query_string"])
            if link is not None:
                await serve_download(self.context, link, scope, receive, send, request_id)
                return
            if self._backups_host is not None:
                raise RouteMissing("ROUTE_NOT_FOUND", "Only downloads of backups have their address here.")
        if raw_path == METRICS_PATH:
            await serve_metrics(self.context, scope, receive, send)
            return
        method = scope["method"]
        inner = cast("HTTPScope", {**scope, "path": routing_path(raw_path), "method": _ASKED_AS.get(method, method)})
        if method == "HEAD":
            inner["extensions"] = {**(scope.get("extensions") or {}), ASKED_FOR_HEAD: {}}
        try:
            await self.api(inner, receive, _without_body(send) if method == "HEAD" else send)
        except MethodNotAllowedException as error:
            if method != "OPTIONS":
                raise
            await Answer(204, b"", allowed_methods(error))(scope, receive, send)

    def _is_backups_host(self, scope: HTTPScope) -> bool:
        host = (header(scope, b"host") or "").lower()
        name = host[: host.index("]") + 1].strip("[]") if host.startswith("[") else host.partition(":")[0]
        return name.encode("latin-1") == self._backups_host


def _kind(scope: HTTPScope) -> Kind:
    """Return the kind of a request, as the metrics count it."""
    if scope["raw_path"].startswith(b"/v3/"):
        return "api"
    return "other" if parse_link(scope["raw_path"], b"") is None else "download"


def _path(scope: HTTPScope) -> str:
    """The path for the log: never the query, which may be a key, or the token of an invitation."""
    raw_path = scope["raw_path"]
    if not raw_path.startswith(b"/v3/") and INVITATION_SEGMENT in routing_path(raw_path).split("/")[:-1]:
        return f"/{INVITATION_SEGMENT}/..."
    return raw_path.decode("latin-1")[:500]


def _complete(start: HTTPResponseStartEvent, request_id: str) -> None:
    """Add what every answer has. The request's id only to our own faults: otherwise equal answers stay equal."""
    own = [(b"x-request-id", request_id.encode("ascii"))] if start["status"] >= 500 else []
    given = [*start["headers"]]
    has_policy = any(name == b"referrer-policy" for name, _ in given)  # a page with a form has one of its own
    start["headers"] = [*given, *(SECURITY_HEADERS[:1] if has_policy else SECURITY_HEADERS), *own]


def _without_body(send: Send) -> Send:
    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return send_head
