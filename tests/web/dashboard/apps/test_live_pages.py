"""`/live` and the parts of pages that change by themselves: for whoever is signed in, as long as they are."""

from __future__ import annotations

import re

import httpx
import pytest
from kit.browser import HERE, form_of, signed_in
from kit.site import Site

from holdfast.web import event_hub
from holdfast.web.api import events


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_hub, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(events, "KEY_SECONDS", 0.1)


def test_the_stream_tells_what_happens_until_the_session_ends(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    form = form_of(http.get("/account"), "/logout")
    with http.stream("GET", f"/live?app={site.app.id}", headers=HERE) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        lines = (line for line in answer.iter_lines() if line != "event: progress")
        site.take(site.other_app)
        site.take()
        kinds = [next(line for line in lines if line.startswith("event: ")) for _ in range(3)]
        assert kinds == [f"event: backup.{what}" for what in ("queued", "started", "finished")]
        with site.client(cookies=dict(http.cookies)) as other:
            assert other.post("/logout", data=form, headers=HERE).status_code == 303
        assert all(not line.startswith("event") for line in lines), "it ends"
    assert http.get("/live?after=0", headers=HERE).status_code == 401


def test_the_stream_is_for_pages_of_this_site_and_ones_own(site: Site, http: httpx.Client) -> None:
    assert http.get("/live").status_code == 401
    with site.client(site.silver.api_key) as silver:
        assert silver.get("/live").status_code == 401, "no key opens a page"
    signed_in(site, http)
    assert http.get("/live", headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
    assert http.get("/live?after=x").status_code == 400
    for app_id in (site.other_app.id, "f" * 32):
        assert http.get(f"/live?app={app_id}").json()["code"] == "APP_NOT_FOUND"


def test_the_parts_are_as_in_the_page(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    backup = site.take(name="<b>")
    address = f"/apps/{site.app.id}"
    page = http.get(address).text
    row = http.get(f"{address}/backups/{backup.id}/row").text
    assert re.sub(r"\s+", "", row) in re.sub(r"\s+", "", page)
    hero = http.get(f"{address}/hero")
    assert "<h1" in hero.text
    assert "form_token" in hero.text
    assert "<html" not in hero.text
    assert "content-security-policy" in hero.headers
    assert http.get(f"/apps/{site.other_app.id}/hero").status_code == 404
