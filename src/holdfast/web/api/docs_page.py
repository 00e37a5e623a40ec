"""`/docs`: the documentation of the API as Swagger UI, and `/openapi.json` that it shows.

The files of Swagger UI come from the package `swagger-ui-py` (Apache-2.0); only those on the list below are served.
It must never load anything from another host, or run a script that stands in a page.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler

from holdfast.web.api.openapi.document import document
from holdfast.web.auth import OPEN
from holdfast.web.context import Context
from holdfast.web.http import request as inputs
from holdfast.web.http.envelope import JSON_HEADERS, Answer, Headers
from holdfast.web.http.errors import route_not_found
from holdfast.web.http.etags import with_etag

AnyRequest = Request[Any, Any, Any]

_PAGE = b"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast API v3</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<main id="docs"></main>
<noscript>This page needs JavaScript; <a href="/openapi.json">openapi.json</a> has the same.</noscript>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""

_START = b"""SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [SwaggerUIBundle.plugins.DownloadUrl],
});
"""

_TYPES = {
    "swagger-ui.css": b"text/css; charset=utf-8",
    "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
    "favicon-32x32.png": b"image/png",
}

_PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Swagger UI sets style attributes and draws its icons from data: URLs; scripts come from files of ours only."""


@cache
def _static_folder() -> Path:
    # Found without importing the package: it would import web frameworks that are not there.
    spec = find_spec("swagger_ui")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("The package swagger-ui-py is not installed.")
    return Path(spec.origin).parent / "static"


@cache
def _file(name: str) -> Answer:
    headers: Headers = [(b"content-type", _TYPES[name]), (b"cache-control", b"public, max-age=3600")]
    return Answer(200, (_static_folder() / name).read_bytes(), headers)


def docs_routes(context: Context) -> list[HTTPRouteHandler]:
    """The page, its files and the document."""
    config = context.instance.config

    @cache
    def described() -> Answer:
        return Answer(200, msgspec.json.encode(document(config.base_url, config.downloads_url)), JSON_HEADERS)

    @get("/openapi.json", opt=OPEN)
    async def openapi(request: AnyRequest) -> Answer:
        return with_etag(await context.call(described), request.scope)

    @get("/docs", opt=OPEN)
    async def page() -> Answer:
        headers: Headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-security-policy", _PAGE_POLICY),
            (b"cache-control", b"no-cache"),
        ]
        return Answer(200, _PAGE, headers)

    @get("/docs/{file:str}", opt=OPEN)
    async def part(request: AnyRequest) -> Answer:
        name = inputs.path_segment(request.scope, 1)
        if name == "start.js":
            return Answer(200, _START, [(b"content-type", b"text/javascript; charset=utf-8")])
        if name not in _TYPES:
            raise route_not_found()
        return await context.call(_file, name)

    return [openapi, page, part]
