"""Linking and unlinking, elevation by a fresh proof, invitations, several accounts; and attempts to get further."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from kit.browser import HERE, OPENED, form_of, signed_in
from kit.identities import address_of, back, begun, elevated, link, linked, use_providers, went_round
from kit.oidc_provider import Provider, running_provider
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.service.doctor.diagnose import lines_of
from holdfast.service.doctor.sign_in import SIGN_IN_CHECKS
from holdfast.service.people.operators import add_operator
from holdfast.service.registry.accounts import NewAccount

GOOD = "seven rare otters sing"


@pytest.fixture
def provider(site: Site, tmp_path: Path) -> Iterator[Provider]:
    with running_provider() as made:
        use_providers(site, tmp_path, made)
        yield made


def set_password(http: httpx.Client) -> None:
    fields = form_of(http.get("/account/password"), "/account/password") | {"new": GOOD, "again": GOOD}
    assert http.post("/account/password", data=fields, headers=HERE).status_code == 303


def is_elevated(http: httpx.Client) -> bool:
    return http.get("/elevate").status_code == 303


def answer_of(status: int, body: bytes) -> tuple[int, bytes]:
    return status, body


def end_elevation(site: Site) -> None:
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE sessions SET elevated_until = 1")


def invited(site: Site, by: NewAccount, email: str) -> str:
    """The token of an invitation."""
    with site.client(by.api_key) as client:
        made = client.post("/v3/members", json={"email": email, "group": "view"}).json()["response"]
    return str(made["url"]).rpartition("/")[2]


def unlink(http: httpx.Client) -> httpx.Response:
    found = re.search(r'action="(/account/identities/\w+/unlink)"', http.get("/account/log-in").text)
    assert found is not None
    return http.post(found[1], data=form_of(http.get("/account/log-in"), found[1]), headers=HERE)


def test_the_last_way_in_is_not_unlinked_and_each_change_needs_elevation(site: Site, provider: Provider) -> None:
    with site.client() as http:
        linked(site, http, provider)
        assert (unlink(http).status_code, "<b>Example 1</b>" in http.get("/account/log-in").text) == (409, True)
        set_password(http)
        end_elevation(site)
        assert unlink(http).headers["location"] == "/elevate?return_to=/account/log-in"
        fields = form_of(http.get("/account/log-in"), "/oidc/host/link")
        begin = http.post("/oidc/host/link", data=fields, headers=HERE)
        assert begin.headers["location"] == "/elevate?return_to=/account/log-in"
        assert elevated(http, provider, return_to="/account").headers["location"] == "/account"
        assert unlink(http).status_code == 303
        assert "<b>Example 1</b>" not in http.get("/account/log-in").text
        assert went_round(http, provider).status_code == 403
    found = entries(site.instance.catalog, AuditFilter(), 9)
    assert [one.action for one in found][:3] == ["log_in.failed", "identity.unlinked", "session.elevated"]
    assert found[1].data["label"] == "ana"


def test_only_a_proof_of_this_moment_elevates(site: Site, provider: Provider) -> None:
    with site.client() as http:
        linked(site, http, provider)
    with site.client() as http:
        went_round(http, provider)
        assert not is_elevated(http), "the site may have known him since yesterday"
        before = http.cookies["holdfast"]
        old = provider.signed_in_at
        for claims in ({"auth_time": int(old)}, {"auth_time": None}, {"auth_time": int(time.time()) + 900}):
            provider.more_claims = claims
            assert elevated(http, provider).status_code in (403, 409), claims
        provider.more_claims = {}
        provider.changed = lambda given: {name: value for name, value in given.items() if name != "auth_time"}
        assert "did not prove just now" in elevated(http, provider).text
        provider.changed = lambda given: given
        provider.person = "eva"
        assert elevated(http, provider).status_code == 409, "another person"
        assert not is_elevated(http)
        provider.person = "ana"
        with site.client() as other:
            went_round(other, provider)
            fields = form_of(http.get("/elevate"), "/oidc/host/elevate")
            address = address_of(http.post("/oidc/host/elevate", data=fields, headers=HERE))
            other.cookies.set("holdfast-round", http.cookies["holdfast-round"])
            assert back(other, provider, address).status_code == 409, "another session"
        assert elevated(http, provider).status_code == 303
        assert (is_elevated(http), http.cookies["holdfast"] != before) == (True, True)


def test_an_invitation_is_accepted_by_a_site_once(site: Site, provider: Provider) -> None:
    token = invited(site, site.silver, "eva@example.org")
    with site.client() as http:
        page = http.get(f"/invite/{token}")
        fields = {"invitation": token}
        assert f'name="invitation" value="{token}"' in page.text
        assert "Accept with Example 1" in page.text
        assert went_round(http, provider, **fields).status_code == 303
        assert "eva@example.org" in http.get("/account").text
        assert went_round(http, provider, **fields).status_code == 404, "it was used"
    with site.client() as http:
        assert went_round(http, provider).status_code == 303
        assert "eva@example.org" in http.get("/account").text
        taken = went_round(http, provider, invitation=invited(site, site.silver, "bo@example.org"))
        assert (taken.status_code, "another person" in taken.text) == (409, True)
        set_password_of(site, http)
        provider.person = "mallory"
        token = invited(site, site.other, "eva@example.org")
        assert "another way in" in went_round(http, provider, invitation=token).text
        assert http.get(f"/invite/{token}").status_code == 200, "the invitation is still open"


def set_password_of(site: Site, http: httpx.Client) -> None:
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql(f"UPDATE sessions SET elevated_until = {time.time_ns() + 10**11}")
    set_password(http)


def join_other(site: Site, email: str) -> None:
    with site.instance.catalog.write() as connection:
        person = connection.exec_driver_sql("SELECT id FROM people WHERE email = ?", (email,)).scalar_one()
        connection.exec_driver_sql(
            "INSERT INTO members (id, account_id, person_id, rights, created_at) VALUES (?, ?, ?, 'owner', 1)",
            ("m" * 32, site.other.account.id, person),
        )


def test_an_identity_opens_the_accounts_in_which_it_was_linked(site: Site, provider: Provider) -> None:
    """Whoever invites somebody may open the invitation himself: he gets no further than to his own account."""
    victim, attacker = "eva@example.org", "mallory"
    provider.person = attacker
    with site.client() as http, site.client() as bad:
        token = invited(site, site.silver, victim)
        assert went_round(bad, provider, invitation=token).status_code == 303
        join_other(site, victim)
        signed_in(site, http, email=victim)
        with site.instance.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE members SET rights = 'owner'")
        set_password(http)
        with site.instance.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE passwords SET account_ids = NULL")
        again = went_round(bad, provider, return_to=f"/apps/{site.other_app.id}")
        assert again.status_code == 303
        assert bad.get(f"/apps/{site.other_app.id}").status_code == 404, "not the victim's other account"
        assert "/oidc/host/elevate" not in bad.get("/elevate").text
        end_elevation(site)
        path = "/oidc/host/elevate"
        token_of = form_of(bad.get("/elevate"), "/elevate")
        assert bad.post(path, data=token_of, headers=HERE).status_code == 403, "the token is of another form"
        fields = form_of(bad.get("/account/password"), "/account/password") | {"new": GOOD + "!", "again": GOOD + "!"}
        assert bad.post("/account/password", data=fields, headers=HERE).status_code == 401


def test_no_site_lets_an_operator_in_as_one(site: Site, provider: Provider) -> None:
    """One that opens all of a person's accounts opens accounts: an operator proves more than another site can."""
    with site.client() as http:
        linked(site, http, provider)
    add_operator(site.instance, site.silver.account.email, SYSTEM)
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE identities SET account_ids = NULL")
    with site.client() as http:
        assert went_round(http, provider, return_to="/operator").status_code == 303
        assert http.get("/account").status_code == 200
        assert http.get("/operator").status_code == 404


def test_whoever_has_several_accounts_chooses_one(site: Site, provider: Provider) -> None:
    with site.client() as http:
        linked(site, http, provider)
        set_password(http)
        join_other(site, site.silver.account.email)
        with site.instance.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE passwords SET account_ids = NULL")
        link(http, provider)
    with site.client() as http, site.client() as other:
        answer = went_round(http, provider)
        assert (answer.headers["location"], "holdfast" in http.cookies) == ("/oidc/host/account", False)
        page = http.get("/oidc/host/account", headers=OPENED)
        assert page.status_code == 200
        assert other.get("/oidc/host/account").status_code == 404
        body = {"account": site.other.account.id}
        assert other.post("/oidc/host/account", data=body, headers=HERE).status_code == 404
        assert http.post("/oidc/host/account", data={"account": "nobody"}, headers=HERE).status_code == 404
        assert http.post("/oidc/host/account", data=body, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert http.post("/oidc/host/account", data=body, headers=HERE).status_code == 303
        assert site.other.account.email in http.get("/account").text
        assert http.post("/oidc/host/account", data=body, headers=HERE).status_code == 404, "once"
        went_round(http, provider, return_to=f"/apps/{site.other_app.id}")
        assert site.other.account.email in http.get("/account").text, "the page tells the account"


def test_discord_signs_in_and_never_elevates(site: Site, tmp_path: Path) -> None:
    with running_provider() as discord, site.client() as http:
        use_providers(site, tmp_path, discord=discord)
        provider = discord
        assert "/oauth2/authorize" in begun(http, "discord")
        assert linked(site, http, provider, "discord").status_code == 303
        assert "<b>Discord</b>: ana" in http.get("/account/log-in").text
        end_elevation(site)
        assert "/oidc/discord/elevate" not in http.get("/elevate").text
        assert went_round(http, provider, "discord").status_code == 303
        path = "/oidc/discord/elevate"
        assert http.post(path, data={"form_token": ""}, headers=HERE).status_code == 403
        for person in (b'{"id": 7}', b'{"username": "ana"}', b'{"id": ""}'):
            provider.answers = {"/api/users/@me": partial(answer_of, 200, person)}
            assert went_round(http, provider, "discord").status_code == 403
        provider.answers = {"/api/users/@me": lambda: (401, b"{}")}
        assert went_round(http, provider, "discord").status_code == 403


def test_the_doctor_tells_of_secrets_that_others_read_and_of_providers_that_are_away(
    site: Site, provider: Provider, tmp_path: Path
) -> None:
    def found() -> str:
        return " ".join(line.message for check in SIGN_IN_CHECKS for line in lines_of(check, site.instance))

    secret = tmp_path / "client-secret"
    secret.chmod(0o644)
    assert f"Others may read {secret}" in found()
    secret.chmod(0o600)
    assert "can be reached" in found()
    provider.answers = {"/.well-known/openid-configuration": lambda: (503, b"{}")}
    assert "answers with the status 503" in found()
    secret.unlink()
    assert "cannot be read" in found()
