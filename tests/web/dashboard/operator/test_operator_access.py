"""Who reaches the operator's pages: an operator's session alone; for everybody else they do not exist."""

from __future__ import annotations

import re

import httpx
import pytest
from kit.browser import HERE, OPENED, OPERATOR_EMAIL, form_of, operator_signed_in, signed_in
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.people.ended import delete_ended
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.service.errors import Conflict, Invalid, NotFound
from holdfast.service.people import operators
from holdfast.service.people.operators import LINK_NS, add_operator, list_operators, make_operator_link, remove_operator
from holdfast.web.app import routes
from holdfast.web.auth import need_of

DOCTOR = "/operator/doctor"


def operator_paths(site: Site) -> list[tuple[str, str]]:
    """Method and path of each of the operator's routes, with ids that nothing has."""
    found = []
    for handler in routes(site.front.context):
        need = need_of(handler)
        for path in handler.paths:
            assert need is not None
            assert need.is_operators == path.startswith("/operator"), path
            if need.is_operators:
                found += [(str(method), re.sub(r"{\w+:str}", "f" * 32, path)) for method in handler.http_methods]
    return found


def test_for_whoever_is_signed_in_to_an_account_none_of_the_pages_exists(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    paths = operator_paths(site)
    assert len(paths) >= 3
    for method, path in paths:
        answer, never = (http.request(method, one, headers=HERE) for one in (path, "/operatr"))
        assert (answer.status_code, answer.text) == (404, never.text), f"{method} {path}"
        assert {name for name in answer.headers if name != "date"} == {name for name in never.headers if name != "date"}


def test_without_a_session_each_page_asks_to_sign_in(site: Site, http: httpx.Client, silver: httpx.Client) -> None:
    for method, path in operator_paths(site):
        for client in (http, silver):  # no key opens a page
            assert client.request(method, path, headers=HERE).status_code == 401, f"{method} {path}"


def test_a_link_opens_once_and_for_fifteen_minutes(site: Site, http: httpx.Client) -> None:
    answer = operator_signed_in(site, http)
    assert answer.headers["location"] == "/operator"
    shown = http.get(DOCTOR)
    assert (shown.status_code, OPERATOR_EMAIL in shown.text) == (200, True)
    (operator,) = list_operators(site.instance)
    assert operator.seen_at is not None
    late = make_operator_link(site.instance, operator, SYSTEM)
    assert delete_ended(site.instance.catalog, late.ends_at) == 0, "it still opens"
    now_ns = site.instance.clock.now_ns()
    assert 0 < late.ends_at - now_ns <= LINK_NS
    assert delete_ended(site.instance.catalog, late.ends_at + 1) == 1
    with site.client() as other:
        assert other.get(str(answer.request.url), headers=OPENED).status_code == 404, "it is used up"
        assert other.get(late.url, headers=OPENED).status_code == 404, "it has ended"
        assert other.get(DOCTOR).status_code == 401


def test_an_operator_is_no_customer(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    assert http.get("/").headers["location"] == "/operator"
    for path in ("/account", f"/apps/{site.app.id}", f"/apps/{site.app.id}?show=failed"):
        assert http.get(path).status_code == 404, path
    assert http.get("/v3/account").status_code == 401, "no route of the API takes a session"


def test_whoever_is_removed_is_out_at_once(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    link = make_operator_link(site.instance, list_operators(site.instance)[0], SYSTEM)
    remove_operator(site.instance, OPERATOR_EMAIL.upper(), SYSTEM)
    assert http.get(DOCTOR).status_code == 401
    assert http.get(link.url, headers=OPENED).status_code == 404
    actions = [one.action for one in entries(site.instance.catalog, AuditFilter(action="operator."), 9)]
    assert actions == ["operator.removed", "operator.added"]


def test_a_member_of_an_account_may_be_an_operator_too(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    email = site.silver.account.email
    add_operator(site.instance, email, SYSTEM)
    assert http.get(DOCTOR).status_code == 404, "his session is one of the account"
    remove_operator(site.instance, email, SYSTEM)
    assert http.get("/account").status_code == 200, "he stays a member, and signed in"


def test_signing_out_ends_the_session_and_no_other_site_does_it(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    path = "/operator/sign-out"
    form = form_of(http.get(DOCTOR), path)
    cookie = http.cookies["holdfast"]
    assert http.post(path, data=form).status_code == 403, "no page of ours sent it"
    assert http.post(path, data={"form_token": "0" * 128}, headers=HERE).status_code == 403
    assert http.post(path, data=form, headers=HERE).status_code == 303
    assert http.get(DOCTOR, headers={"Cookie": f"holdfast={cookie}"}).status_code == 401
    actions = [one.action for one in entries(site.instance.catalog, AuditFilter(action="session."), 9)]
    assert actions == ["session.ended", "session.created"]


def test_what_cannot_be_is_refused(site: Site) -> None:
    add_operator(site.instance, OPERATOR_EMAIL, SYSTEM)
    with pytest.raises(Conflict, match="is an operator already"):
        add_operator(site.instance, OPERATOR_EMAIL.upper(), SYSTEM)
    with pytest.raises(NotFound, match="is an operator"):
        operators.get_operator(site.instance, "nobody@example.org")
    with pytest.raises(Invalid):
        add_operator(site.instance, "no address", SYSTEM)


def test_the_doctor_runs_when_asked_and_is_a_text_too(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    form = form_of(http.get(DOCTOR), DOCTOR)
    assert http.post(DOCTOR, data=form, headers=HERE).headers["location"] == DOCTOR
    shown, text = http.get(DOCTOR).text, http.get(f"{DOCTOR}.txt")
    assert "holdfast key export" in shown or "worst first" in shown
    assert text.headers["content-type"].startswith("text/plain")
    for line in text.text.splitlines():
        name = line[9:].partition(":")[0]
        assert not line.startswith(("problem", "warning", "ok")) or name in shown
