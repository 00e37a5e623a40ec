"""The files that pages load: there, the same everywhere, kept by browsers, and named by nothing that is not there."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path

import httpx

import holdfast.web.dashboard as dashboard
from holdfast.web.dashboard.assets import assets

FOLDER = Path(dashboard.__file__).parent
FONT_SHA256 = "6b6d4f82cca6ff1b609d34843355bc7afd5459a799aff96491a5df4e3609e4de"


def test_the_font_is_the_one_that_was_looked_at() -> None:
    assert hashlib.sha256((FOLDER / "built" / "geist.woff2").read_bytes()).hexdigest() == FONT_SHA256
    assert {path.name for path in (FOLDER / "built").glob("*LICENSE*")} == {"geist-LICENSE.txt", "lucide-LICENSE.txt"}


def test_every_icon_that_a_page_names_is_there() -> None:
    drawn = set(re.findall(r'<symbol id="([a-z0-9-]+)"', (FOLDER / "built" / "icons.svg").read_text()))
    named = {name for path in FOLDER.rglob("*.html") for name in re.findall(r"icon\('([a-z0-9-]+)'", path.read_text())}
    assert named
    assert named <= drawn


def test_templates_have_no_styles_and_no_scripts_of_their_own() -> None:
    for path in FOLDER.rglob("*.html"):
        assert not re.search(r"\sstyle=|\son\w+=|\|\s*safe|<script(?! type=\"module\" src=)", path.read_text()), path


def test_what_a_page_loads_is_kept_for_a_year_and_sent_compressed(http: httpx.Client) -> None:
    shown = http.get("/in?ticket=x").text
    addresses = set(re.findall(r'(?:href|src)="(/static/[^"#]+)"', shown))
    assert len(addresses) == 3
    style = http.get(assets().address("app.css")).text
    addresses |= set(re.findall(r"url\((/static/[^)]+)\)", style)) | {assets().address("icons.svg")}
    assert any(address.endswith(".woff2") for address in addresses)
    for address in addresses:
        answer = http.get(address)
        assert (answer.status_code, "immutable" in answer.headers["cache-control"]) == (200, True), address
        assert ("content-encoding" in answer.headers) == (not address.endswith(".woff2")), address
        plain = http.get(address, headers={"Accept-Encoding": "identity"})
        assert (plain.content, "content-encoding" in plain.headers) == (answer.content, False)
    weight = sum(len(gzip.compress(http.get(address).content)) for address in addresses)
    assert weight < 70_000, "a first visit is at most 80 kB, its page among it"


def test_only_what_is_on_the_list_is_sent(http: httpx.Client) -> None:
    for path in ("/static/app.css", "/static/../render.py", "/static/%2e%2e%2frender.py", "/static/geist-LICENSE.txt"):
        assert http.get(path).status_code == 404
