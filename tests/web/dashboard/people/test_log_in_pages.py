"""Signing in by a password as a browser does it: the way in, the bounds on trying, elevation, several accounts."""

from __future__ import annotations

import re

import httpx
import pytest
from argon2 import PasswordHasher
from kit.browser import HERE, OPENED, form_of, operator_signed_in, signed_in
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.people import passwords as rows
from holdfast.catalog.people.members import enter_member
from holdfast.catalog.people.records import Member
from holdfast.catalog.records import AuditFilter
from holdfast.service.people.sessions import ELEVATED_NS
from holdfast.web.http.throttle import Throttle

GOOD, OTHER = "seven rare otters sing", "eight quiet herons wait"


def set_password(http: httpx.Client, new: str = GOOD, **more: str) -> httpx.Response:
    fields = form_of(http.get("/account/password"), "/account/password")
    fields |= {"new": new, "again": new, **more}
    return http.post("/account/password", data=fields, headers=HERE)


def log_in(http: httpx.Client, email: str, password: str = GOOD, return_to: str = "/") -> httpx.Response:
    fields = {"email": email, "password": password, "return_to": return_to}
    return http.post("/login", data=fields, headers=HERE)


def end_elevation(site: Site) -> None:
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET elevated_until = 1")


@pytest.fixture
def email(site: Site) -> str:
    """Of a person with the password GOOD."""
    with site.client() as http:
        signed_in(site, http)
        assert set_password(http).status_code == 303
    return site.silver.account.email


def test_whoever_came_by_a_link_sets_a_password_and_signs_in_by_it(site: Site, http: httpx.Client) -> None:
    signed_in(site, http)
    for bad, sentence in (("short", "at least 12"), ("Password1234", "first that are tried"), ("1" * 20, "first")):
        answer = set_password(http, bad)
        assert (answer.status_code, sentence in answer.text) == (400, True), bad
    assert "not the same" in set_password(http, again=OTHER).text
    assert set_password(http).status_code == 303
    with site.client() as other:
        to = f"/apps/{site.app.id}"
        opened = other.get(to, headers={**OPENED, "Sec-Fetch-Site": "none"})
        assert (opened.status_code, opened.headers["location"]) == (303, f"/login?return_to={to}")
        assert 'name="return_to" value="' + to in other.get(opened.headers["location"]).text
        done = log_in(other, f" {site.silver.account.email.upper()}", return_to=to)
        assert (done.status_code, done.headers["location"]) == (303, to)
        assert other.get(to).status_code == 200
        assert other.get("/login").status_code == 303, "he is signed in"
    actions = [one.action for one in entries(site.instance.catalog, AuditFilter(), 20)]
    assert actions[:3] == ["session.created", "password.set", "session.created"]


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(
    site: Site, http: httpx.Client, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[str] = []
    check = PasswordHasher.verify

    def noted(own: PasswordHasher, known: str, given: str) -> bool:
        verified.append(known)
        return check(own, known, given)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    monkeypatch.delattr(PasswordHasher, "hash")  # to make a hash for nobody would take as long again, the first time
    answers = [log_in(http, one, OTHER) for one in (email, "nobody@example.org", "no address")]
    shown = {re.sub(r'value="[^"]*"', "", answer.text) for answer in answers}
    assert ([one.status_code for one in answers], len(shown)) == ([401] * 3, 1)
    assert len({one.rpartition("$p=1$")[0] for one in verified}) == 1, "the same work for each"
    assert (len(verified), verified[0] != verified[1]) == (3, True)
    failed = entries(site.instance.catalog, AuditFilter(action="log_in."), 9)
    assert [one.actor.name for one in failed] == ["", "nobody@example.org", email]
    assert OTHER not in str(failed)


def test_tries_are_bounded_by_person_and_by_address(site: Site, http: httpx.Client, email: str) -> None:
    context = site.front.context
    context.password_throttle = Throttle(burst=2, per_second=1e-6)
    assert [log_in(http, email, OTHER).status_code for _ in range(3)] == [401, 401, 429]
    assert log_in(http, email).status_code == 429, "a right one is not looked at: else each guess would be answered"
    assert log_in(http, "nobody@example.org", OTHER).status_code == 401
    context.password_throttle = Throttle(burst=2, per_second=1e-6)
    context.log_in_throttle = Throttle(burst=2, per_second=1e-6)
    assert [log_in(http, f"{n}@example.org", OTHER).status_code for n in range(3)] == [401, 401, 429]
    context.log_in_throttle = Throttle(burst=2, per_second=1e-6)
    assert [log_in(http, email).status_code for _ in range(4)] == [303] * 4, "right ones are given back"
    failed = entries(site.instance.catalog, AuditFilter(action="log_in."), 20)
    assert len(failed) == 5, "what is refused unseen is not entered"


def test_a_token_that_somebody_gave_the_browser_is_never_taken(site: Site, http: httpx.Client, email: str) -> None:
    with site.client() as attacker:
        signed_in(site, attacker)
        planted = attacker.cookies["holdfast"]
        http.cookies.set("holdfast", planted, domain="127.0.0.1", path="/")
        assert log_in(http, email).status_code == 303
        assert http.cookies["holdfast"] != planted
        assert attacker.get("/account").status_code == 401, "the session that the browser had has ended"
    end_elevation(site)
    before = http.cookies["holdfast"]
    fields = form_of(http.get("/elevate"), "/elevate") | {"password": GOOD}
    assert http.post("/elevate", data=fields, headers=HERE).status_code == 303
    with site.client() as old:
        old.cookies.set("holdfast", before)
        assert old.get("/account").status_code == 401
    assert http.get("/account").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example",
        "//evil.example",
        r"/\evil.example",
        "/%2f/evil.example",
        "/a\r\nX: y",
        "javascript:x",
        "/login",
    ],
)
def test_signing_in_leads_to_no_other_site(site: Site, http: httpx.Client, email: str, path: str) -> None:
    assert f'value="{path}"' not in http.get("/login", params={"return_to": path}).text
    assert log_in(http, email, return_to=path).headers["location"] == "/"
    assert http.get("/elevate", params={"return_to": path}).headers["location"] == "/"


def test_forms_of_signing_in_come_from_here(site: Site, http: httpx.Client, email: str) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    fields = {"email": email, "password": GOOD}
    assert http.post("/login", data=fields, headers=elsewhere).status_code == 403
    assert "set-cookie" not in http.post("/login", data=fields, headers={"Origin": "null"}).headers
    log_in(http, email)
    form = form_of(http.get("/account/password"), "/account/password") | {"new": OTHER, "again": OTHER}
    assert http.post("/account/password", data=form, headers=elsewhere).status_code == 403
    assert http.post("/account/password", data=form | {"form_token": ""}, headers=HERE).status_code == 403
    for path in ("/elevate", "/login/account"):
        assert http.post(path, data={"password": GOOD}, headers=HERE).status_code == 403
    with site.client() as other:
        assert log_in(other, email).status_code == 303, "it is still the same"


def test_a_password_is_changed_with_the_old_one_and_ends_the_other_sessions(
    site: Site, http: httpx.Client, email: str
) -> None:
    log_in(http, email)
    with site.client() as other:
        log_in(other, email)
        end_elevation(site)
        assert "Present password" in http.get("/account/password").text
        assert set_password(http, OTHER).status_code == 401
        assert set_password(http, OTHER, old=OTHER).status_code == 401
        failed = entries(site.instance.catalog, AuditFilter(action="password_change."), 9)
        assert [(one.action, one.actor.name) for one in failed] == [("password_change.failed", email)]
        assert set_password(http, OTHER, old=GOOD).status_code == 303
        assert (http.get("/account").status_code, other.get("/account").status_code) == (200, 401)
        assert (log_in(other, email).status_code, log_in(other, email, OTHER).status_code) == (401, 303)


def test_an_elevated_session_is_one_of_the_last_15_minutes(site: Site, http: httpx.Client, email: str) -> None:
    signed_in(site, http)
    with site.instance.catalog.read() as connection:
        (until,) = connection.exec_driver_sql(
            "SELECT elevated_until FROM sessions ORDER BY created_at DESC LIMIT 1"
        ).one()
    assert until is None, "a host's link is not the password of whoever has one"
    asked = http.get("/elevate?return_to=/account")
    assert "Password of" in asked.text
    wrong = http.post("/elevate", data=form_of(asked, "/elevate") | {"password": OTHER}, headers=HERE)
    assert (wrong.status_code, "not the right one" in wrong.text) == (401, True)
    fields = form_of(asked, "/elevate") | {"password": GOOD, "return_to": "/account"}
    done = http.post("/elevate", data=fields, headers=HERE)
    assert (done.status_code, done.headers["location"]) == (303, "/account")
    with site.instance.catalog.read() as connection:
        (until,) = connection.exec_driver_sql(
            "SELECT elevated_until FROM sessions ORDER BY created_at DESC LIMIT 1"
        ).one()
    assert 0 < until - site.instance.clock.now_ns() <= ELEVATED_NS
    actions = [one.action for one in entries(site.instance.catalog, AuditFilter(), 2)]
    assert actions == ["session.elevated", "elevation.failed"]


def join_other(site: Site, email: str) -> None:
    """Make a person a member of the other account too."""
    found = rows.credentials_by_email(site.instance.catalog, email)
    assert found is not None
    with site.instance.catalog.write() as connection:
        enter_member(connection, Member("9" * 32, site.other.account.id, found.person, "view", None, 1))


def test_a_password_set_by_an_invitation_opens_no_other_account(site: Site, silver: httpx.Client) -> None:
    """Whoever invites somebody may open the invitation himself, and would be in all of his accounts."""
    with site.client() as attacker:
        url = silver.post("/v3/members", json={"email": "eva@example.org", "group": "view"}).json()["response"]["url"]
        attacker.post(url, headers=HERE)
        join_other(site, "eva@example.org")
        assert set_password(attacker).status_code == 303
    with site.client() as http:
        assert log_in(http, "eva@example.org", return_to=f"/apps/{site.other_app.id}").status_code == 303
        assert http.get(f"/apps/{site.other_app.id}").status_code == 404
        assert site.other.account.email not in http.get("/login/account").text
        token = form_of(http.get("/login/account"), "/login/account") | {"account": site.other.account.id}
        assert http.post("/login/account", data=token, headers=HERE).status_code == 404


def test_who_has_several_accounts_chooses(site: Site, http: httpx.Client, email: str) -> None:
    join_other(site, email)
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE passwords SET account_ids = NULL")
    done = log_in(http, email)
    assert done.headers["location"] == "/login/account"
    shown = http.get("/login/account")
    assert {site.silver.account.email, site.other.account.email} <= set(re.findall(r"[\w.]+@[\w.]+", shown.text))
    fields = form_of(shown, "/login/account") | {"account": site.other.account.id}
    before = http.cookies["holdfast"]
    assert http.post("/login/account", data=fields, headers=HERE).status_code == 303
    assert http.cookies["holdfast"] != before
    assert (http.get(f"/apps/{site.other_app.id}").status_code, http.get(f"/apps/{site.app.id}").status_code) == (
        200,
        404,
    )
    page = f"/apps/{site.app.id}"
    assert log_in(http, email, return_to=page).headers["location"] == page, "the address tells the account"
    end_elevation(site)
    assert http.get("/login/account").headers["location"] == "/elevate?return_to=/login/account"


def test_an_operator_has_a_password_too(site: Site, http: httpx.Client) -> None:
    operator_signed_in(site, http)
    assert set_password(http).status_code == 303
    with site.client() as other:
        done = log_in(other, "rui@example.org")
        assert (done.status_code, done.headers["location"]) == (303, "/operator")
        assert other.get("/operator", follow_redirects=True).status_code == 200
        assert other.get(f"/apps/{site.app.id}").status_code == 404
