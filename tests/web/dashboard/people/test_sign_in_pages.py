"""Signing in as a browser does it: links and invitations that are used once, the session, its forms, its end."""

from __future__ import annotations

import io
import re

import httpx
import msgspec
import pytest
from kit.browser import HERE, OPENED, form_of, link, signed_in
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import AuditFilter
from holdfast.service.people.sessions import AGE_NS_MAX, IDLE_NS
from holdfast.service.registry.backups import list_backups
from holdfast.web.http.errors import cross_site

ACCOUNT = "/account"


def test_a_link_ends_on_a_page_that_says_who_is_signed_in(site: Site, http: httpx.Client) -> None:
    answer = signed_in(site, http, return_to="/apps/x")
    assert (answer.headers["location"], answer.headers["cache-control"]) == ("/", "no-store")
    assert answer.headers.get_list("referrer-policy") == ["no-referrer"]
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"holdfast=[\w-]{43}; Path=/; Max-Age=7776000; HttpOnly; SameSite=Lax", cookie)
    shown = http.get(ACCOUNT)
    assert f"Signed in as {site.silver.account.email}" in shown.text
    assert shown.headers.get_list("referrer-policy") == ["same-origin"]
    assert "frame-ancestors 'none'" in shown.headers["content-security-policy"]


def test_a_cookie_over_https_is_bound_to_its_host(site: Site, http: httpx.Client) -> None:
    url = link(site).partition("/in?")[2]
    site.instance.config = msgspec.structs.replace(site.instance.config, base_url="https://holdfast.test")
    cookie = http.get(f"/in?{url}", headers=OPENED).headers["set-cookie"]
    assert cookie.startswith("__Host-holdfast=")
    assert cookie.endswith("; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {**OPENED, "Sec-Fetch-Mode": "no-cors"},
        {**OPENED, "Sec-Fetch-Dest": "iframe"},
        {**OPENED, "Sec-Purpose": "prefetch;prerender"},
        {**OPENED, "Purpose": "prefetch"},
    ],
)
def test_what_only_looks_at_a_link_does_not_use_it_up(site: Site, http: httpx.Client, headers: dict[str, str]) -> None:
    url = link(site)
    assert http.head(url, headers=OPENED).status_code == 200
    looked = http.get(url, headers=headers)
    assert (looked.status_code, "set-cookie" in looked.headers) == (200, False)
    ticket = {"ticket": url.partition("=")[2]}
    assert http.post("/in", data=ticket).status_code == 403, "it says nowhere that a page of ours sent it"
    assert http.post("/in", data=ticket, headers={"Origin": "null"}).status_code == 403
    assert http.post("/in", data=ticket, headers={"Origin": site.url}).status_code == 303, "the page's button"
    again = http.get(url, headers=OPENED)
    assert (again.status_code, "used already" in again.text) == (404, True)


def test_an_invitation_is_accepted_once_by_its_button(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    made = silver.post("/v3/members", json={"email": "Eva@example.org", "group": "view"}).json()["response"]
    shown = http.get(made["url"], headers=OPENED)
    assert "eva@example.org, you are invited" in shown.text
    assert http.post(made["url"], headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert http.post(made["url"], headers=HERE, follow_redirects=True).status_code == 200
    assert "Signed in as eva@example.org" in http.get(ACCOUNT).text
    (member,) = silver.get("/v3/members").json()["response"]
    assert (member["id"], member["state"], member["expires_at"]) == (made["id"], "active", None)
    assert http.post(made["url"], headers=HERE).status_code == 404
    assert http.get(made["url"]).status_code == 404


def test_no_route_of_the_api_takes_the_cookie(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    path = f"/v3/apps/{site.app.id}/backups"
    for answer in (http.get(path), http.get("/v3/account"), http.post(path, headers=HERE), http.get("/v3/events")):
        assert (answer.status_code, answer.json()["code"]) == (401, "ACCESS_DENIED")
    assert list_backups(site.instance, site.app.id) == []


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}])
def test_a_form_comes_from_here(site: Site, http: httpx.Client, headers: dict[str, str]) -> None:
    signed_in(site, http)
    form = form_of(http.get(ACCOUNT), "/logout")
    answer = http.post("/logout", data=form, headers=headers)
    refusal = cross_site()
    assert (answer.status_code, refusal.code, refusal.message in answer.text) == (403, "CROSS_SITE_REQUEST", True)
    assert http.get(ACCOUNT).status_code == 200


def test_sessions_are_seen_ended_and_signed_out(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    with site.client() as other:
        signed_in(site, other)
        shown = http.get(ACCOUNT)
        (path,) = re.findall(r'action="(/account/sessions/\w+/end)"', shown.text)
        assert http.post(path, headers=HERE).status_code == 403, "without the form's token"
        assert http.post(path, data=form_of(shown, path)).status_code == 403, "from elsewhere"
        assert http.post(path, data=form_of(shown, path), headers=HERE).status_code == 303
        assert other.get(ACCOUNT).status_code == 401
    out = http.post("/logout", data=form_of(shown, "/logout"), headers=HERE)
    assert (out.status_code, "Max-Age=0" in out.headers["set-cookie"]) == (303, True)
    assert http.get(ACCOUNT).status_code == 401
    actions = [one.action for one in entries(site.instance.catalog, AuditFilter(action="session."), 9)]
    assert actions == ["session.ended", "session.ended", "session.created", "session.created"]


def test_a_session_ends_unused_and_at_last_in_any_case(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    with site.instance.catalog.write() as connection:
        now_ns = site.instance.clock.now_ns()
        connection.exec_driver_sql(f"UPDATE sessions SET seen_at = {now_ns - 10**12}, ends_at = {now_ns + 10**12}")
    assert http.get(ACCOUNT).status_code == 200
    seen, created, ends = 0, 0, 0
    for _ in range(2000):
        with site.instance.catalog.read() as connection:
            seen, created, ends = connection.exec_driver_sql("SELECT seen_at, created_at, ends_at FROM sessions").one()
        if seen >= now_ns:
            break
    assert now_ns + IDLE_NS <= ends <= created + AGE_NS_MAX
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql(f"UPDATE sessions SET ends_at = {now_ns}")
    assert http.get(ACCOUNT).status_code == 401


def test_the_log_has_no_ticket_and_no_token(
    site: Site, silver: httpx.Client, http: httpx.Client, log: io.BytesIO
) -> None:
    url = silver.post("/v3/members", json={"email": "eva@example.org", "group": "view"}).json()["response"]["url"]
    token, ticket = url.rpartition("/")[2], link(site).partition("=")[2]
    for path in (f"/invite/{token}", f"/%69nvite/{token}", f"//invite/{token}", f"/in?ticket={ticket}"):
        http.get(site.url + path, headers=OPENED)
    assert b"/invite/..." in log.getvalue()
    assert token.encode() not in log.getvalue()
    assert ticket.encode() not in log.getvalue()
