"""The files that pages load: styles, script, font, icons. Their addresses have the sum of their content.

A browser keeps each for a year: what changes has another address. The font and the icons are made when the package is
built (`hatch_assets.py`); without them pages show the system's letters and no icons.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.web.auth import OPEN
from holdfast.web.http.envelope import Answer, Headers
from holdfast.web.http.errors import route_not_found
from holdfast.web.http.request import header

AnyRequest = Request[Any, Any, Any]

STATIC_PATH = "/static/"
_HERE = Path(__file__).parent
_STYLES = (
    "base",
    "frame",
    "parts",
    "forms",
    "sign_in",
    "apps",
    "schedule",
    "files",
    "giving",
    "operator",
    "live",
    "restore",
    "help",
    "settings",
)
"""The style sheets, in the order in which they are joined."""

_SCRIPTS = ("app", "live", "choices", "upload", "keys", "passkeys")
"""The parts of the module, in the order in which they are joined."""

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".woff2": b"font/woff2",
}
_PACKED = frozenset({".css", ".js", ".svg"})
"""The kinds that are sent compressed; a font is compressed already."""

_HEADERS: Headers = [
    (b"cache-control", b"public, max-age=31536000, immutable"),
    (b"content-security-policy", b"default-src 'none'"),
    (b"vary", b"accept-encoding"),
]


class Asset(NamedTuple):
    """A file as it is sent; `packed`: with gzip, for who accepts that."""

    plain: Answer
    packed: Answer


class Assets:
    """All files, by their addresses."""

    def __init__(self, files: Iterable[tuple[str, bytes]]) -> None:
        self._by_address: dict[str, Asset] = {}
        self._addresses: dict[str, str] = {}
        for name, body in files:
            self._add(name, self._linked(body) if name.endswith(".css") else body)

    def address(self, name: str) -> str:
        """The address of a file by its name; that of a file which is not there leads nowhere."""
        return self._addresses.get(name, STATIC_PATH + name)

    def answer(self, address: str, accepts: str) -> Answer | None:
        """The file at an address, for a browser that accepts these encodings."""
        found = self._by_address.get(address)
        if found is None:
            return None
        return found.packed if "gzip" in accepts else found.plain

    def _linked(self, style: bytes) -> bytes:
        """A style sheet with the addresses of the files that it names."""
        for name, address in self._addresses.items():
            style = style.replace(f"url({name})".encode(), f"url({address})".encode())
        return style

    def _add(self, name: str, body: bytes) -> None:
        stem, dot, suffix = name.rpartition(".")
        address = f"{STATIC_PATH}{stem}.{hashlib.sha256(body).hexdigest()[:12]}{dot}{suffix}"
        headers = [(b"content-type", _TYPES[dot + suffix]), *_HEADERS]
        plain = packed = Answer(200, body, headers)
        if dot + suffix in _PACKED:
            packed = Answer(200, gzip.compress(body, 9, mtime=0), [*headers, (b"content-encoding", b"gzip")])
        self._addresses[name] = address
        self._by_address[address] = Asset(plain, packed)


@cache
def assets() -> Assets:
    """The files of this installation. The style sheets come last: they name the others."""
    folder, built = _HERE / "assets", _HERE / "built"
    paths = [*sorted(built.glob("*.woff2")), *sorted(built.glob("*.svg")), *sorted(folder.glob("*.svg"))]
    files = [(path.name, path.read_bytes()) for path in paths]
    styles = b"\n".join((folder / "css" / f"{name}.css").read_bytes() for name in _STYLES)
    script = b"\n".join((folder / f"{name}.js").read_bytes() for name in _SCRIPTS)
    return Assets([*files, ("app.css", styles), ("app.js", script)])


def asset_routes() -> list[HTTPRouteHandler]:
    """The handler."""

    @get(f"{STATIC_PATH}{{file:str}}", opt=OPEN)
    async def asset(request: AnyRequest) -> Answer:
        found = assets().answer(request.scope["path"], header(request.scope, b"accept-encoding") or "")
        if found is None:
            raise route_not_found()
        return found

    return [asset]
