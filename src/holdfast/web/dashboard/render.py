"""Pages as HTML: the templates, and the headers that hold what a page may load and do.

It must never put text into a page unescaped, or let a page run or load what is not ours.
"""

from __future__ import annotations

import gzip
import shlex
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar.types import Scope
from markupsafe import Markup

from holdfast.catalog.records import App, EventKind
from holdfast.service.language.texts import N_, spoken
from holdfast.service.people.callers import Caller
from holdfast.web.dashboard import words
from holdfast.web.dashboard.assets import assets
from holdfast.web.dashboard.viewer import bars, theme, theme_token
from holdfast.web.http.envelope import Answer, Headers
from holdfast.web.http.request import header

_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types holdfast"
)
_HEADERS: Headers = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", _POLICY),
    # With no-referrer a browser posts a form with `Origin: null`, which is refused as any other site's.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    (b"cache-control", b"no-store"),
    (b"vary", b"accept-encoding, accept-language"),
]
_EVENT_KINDS = " ".join((*EventKind, "progress", "gap"))
"""All kinds that a stream of events has."""

_PACKED_FROM = 1000
"""Bytes of a page from which it is compressed."""


class Frame(NamedTuple):
    """The values that the frame of a page shows. `who`: the person who is signed in; `zone`: of the times.

    `area`: `home` or `app`, whose tabs are shown; `tab`: the one that is open; `place`: the application's name.
    """

    who: str
    zone: str
    area: str = "home"
    tab: str = "account"
    place: str = ""
    address: str = ""
    """The path of the area's first page."""


class Tab(NamedTuple):
    """A tab of an application's pages."""

    name: str
    path: str
    text: str


APP_TABS = (
    Tab("backups", "", N_("Backups")),
    Tab("files", "/files", N_("Files")),
    Tab("schedule", "/schedule", N_("Schedule")),
    Tab("activity", "/activity", N_("Activity")),
    Tab("settings", "/settings", N_("Settings")),
)
"""The tabs of an application; `path` is what follows the path of its first page."""


def app_frame(caller: Caller, zone: str, app: App, tab: str) -> Frame:
    """The frame of a page of an application."""
    return Frame(caller.actor.name, zone, "app", tab, app.name, f"/apps/{app.id}")


@cache
def _templates() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        lambda message: spoken().texts.gettext(message),
        lambda one, many, count: spoken().texts.ngettext(one, many, count),
        newstyle=True,
    )
    made.globals.update(language=lambda: spoken().tag, theme=theme, theme_token=theme_token)
    made.globals.update(
        bars=bars, asset=assets().address, icon=_icon, words=words, app_tabs=APP_TABS, event_kinds=_EVENT_KINDS
    )
    made.globals.update(
        shell=shlex.quote  # in a command that a page prints: what somebody named may be a command too
    )
    return made


def _icon(name: str) -> Markup:
    address = f"{assets().address('icons.svg')}#{name}"
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}"/></svg>').format(address)


def page(scope: Scope, template: str, status: int = 200, more: Headers | None = None, **values: Any) -> Answer:
    """A page, compressed if the browser accepts that."""
    body = _templates().get_template(template).render(values).encode()
    headers = [*_HEADERS, *(more or [])]
    if len(body) >= _PACKED_FROM and "gzip" in (header(scope, b"accept-encoding") or ""):
        return Answer(status, gzip.compress(body, 5), [*headers, (b"content-encoding", b"gzip")])
    return Answer(status, body, headers)


def redirect(path: str, more: Headers) -> Answer:
    """See another page. The address that leads there is told to nobody."""
    headers: Headers = [(b"location", path.encode("ascii")), (b"referrer-policy", b"no-referrer")]
    return Answer(303, b"", [*headers, (b"cache-control", b"no-store"), *more])
