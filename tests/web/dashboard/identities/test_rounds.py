"""Signing in by a provider of OpenID Connect: a good round, and each way in which one is not."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import ECKey
from kit.browser import HERE, OPENED
from kit.identities import back, begun, link, linked, use_providers, went_round
from kit.oidc_provider import Claims, Provider, running_provider
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import AuditFilter
from holdfast.service.identities import fetch
from holdfast.web.dashboard.session import form_token


@pytest.fixture
def provider(site: Site, tmp_path: Path) -> Iterator[Provider]:
    with running_provider() as made:
        use_providers(site, tmp_path, made)
        yield made


def actions(site: Site, count: int) -> list[str]:
    return [one.action for one in entries(site.instance.catalog, AuditFilter(), count)]


def test_whoever_linked_a_site_signs_in_by_it(site: Site, provider: Provider) -> None:
    with site.client() as http:
        assert linked(site, http, provider).headers["location"] == "/account/log-in"
        page = http.get("/account/log-in").text
        assert "<b>Example 1</b>: ana" in page
        assert "not used yet" in page
    to = f"/apps/{site.app.id}"
    with site.client() as http:
        assert 'action="/oidc/host"' in http.get("/login").text
        address = begun(http, return_to=to)
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["redirect_uri"] == f"{site.url}/oidc/host/callback"
        assert (asked["code_challenge_method"], asked["response_type"], "prompt" in asked) == ("S256", "code", False)
        done = back(http, provider, address)
        assert (done.status_code, done.headers["location"]) == (303, to)
        assert done.headers["referrer-policy"] == "no-referrer"
        assert http.get(to).status_code == 200
        assert "holdfast-round" not in http.cookies
        assert http.get("/account/password").text.count('name="old"') == 0, "he has none yet"
        answer = http.post("/oidc/host/link", data={"form_token": ""}, headers=HERE)
        assert answer.status_code == 403
    assert actions(site, 3) == ["session.created", "identity.linked", "session.created"]
    newest = entries(site.instance.catalog, AuditFilter(action="session.created"), 1)[0]
    assert newest.data["by"] == "identity host"


def test_an_unknown_identity_gets_a_page_that_says_what_to_do(site: Site, provider: Provider) -> None:
    """Also one whose e-mail address is a customer's."""
    provider.changed = lambda claims: claims | {"email": site.silver.account.email, "email_verified": True}
    with site.client() as http:
        answer = went_round(http, provider)
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
        assert "Sign in by your password" in answer.text
        assert http.get("/account").status_code == 401
    assert actions(site, 1) == ["log_in.failed"]


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(header: Claims, claims: Claims) -> str:
    """Return the part of a token that is signed."""
    return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}"


def lies(provider: Provider) -> dict[str, dict[str, Any]]:
    """By name: what a provider, or whoever pretends to be one, does."""
    assert isinstance(provider.key, ECKey)
    public = provider.key.as_pem(private=False)

    def by_public_key(claims: Claims) -> str:
        signed = compact({"alg": "HS256", "kid": provider.key.kid}, claims)
        return f"{signed}.{encoded(hmac.digest(public, signed.encode(), 'sha256'))}"

    def unsigned(claims: Claims) -> str:
        return compact({"alg": "none"}, claims) + "."

    def by_other(claims: Claims) -> str:
        other = Provider("")
        return other.sign(claims, kid=provider.key.kid)

    def with_own_key(claims: Claims) -> str:
        other = Provider("")
        return other.sign(claims, kid="unknown", jwk=other.key.as_dict(private=False))

    def cut(claims: Claims) -> str:
        head, _, signature = provider.sign(claims).split(".")
        body = provider.sign(claims | {"sub": "sub-eva"}).split(".")[1]
        return f"{head}.{body}.{signature}"

    now = int(time.time())
    changes: dict[str, Claims] = {
        "another client": {"aud": "other"},
        "several, not made for us": {"aud": ["holdfast", "other"]},
        "made for another": {"aud": ["holdfast", "other"], "azp": "other"},
        "another round": {"nonce": "x" * 43},
        "no round": {"nonce": None},
        "ended": {"exp": now - 61, "iat": now - 300},
        "of yesterday": {"iat": now - 86_400},
        "of tomorrow": {"iat": now + 86_400},
        "no end": {"exp": None},
        "an end that is true": {"exp": True},
        "another issuer": {"iss": "https://evil.example"},
        "its issuer with a slash": {"iss": provider.url + "/"},
        "not yet": {"nbf": now + 3600},
        "nobody": {"sub": ""},
        "a number": {"sub": 7},
    }
    found: dict[str, dict[str, Any]] = {
        name: {"changed": lambda claims, change=change: claims | change} for name, change in changes.items()
    }

    def short(claims: Claims) -> str:
        return "a.b"

    def long(claims: Claims) -> str:
        return "x" * 20_000

    for forge in (by_public_key, unsigned, by_other, with_own_key, cut, short, long):
        found[forge.__name__ + str(len(found))] = {"signed": forge}
    return found


def test_a_token_that_is_not_for_this_round_signs_nobody_in(site: Site, provider: Provider) -> None:
    with site.client() as http:
        linked(site, http, provider)
    for name, lie in lies(provider).items():
        with site.client() as http:
            for field, value in lie.items():
                setattr(provider, field, value)
            answer = went_round(http, provider)
            assert (answer.status_code, "did not work" in answer.text) == (403, True), name
            assert "holdfast" not in http.cookies, name
            provider.changed, provider.signed = lambda claims: claims, None
            site.front.context.log_in_throttle.forget("127.0.0.1")
    with site.client() as http:
        assert went_round(http, provider).status_code == 303
        address = begun(http)
        provider.use_rsa()
        site.front.context.providers._now = lambda: time.monotonic() + 61
        assert back(http, provider, address).status_code == 303, "a new key is asked for"
        provider.asked.clear()
        provider.signed = lambda claims: provider.sign(claims, kid="three")
        assert [went_round(http, provider).status_code for _ in range(3)] == [403] * 3
        assert provider.asked.count("/keys") == 0, "an unknown key is asked for once a minute"


def test_code_and_state_are_of_one_browser_and_used_once(site: Site, provider: Provider, tmp_path: Path) -> None:
    with site.client() as http, site.client() as victim, running_provider() as second:
        use_providers(site, tmp_path, provider, second)
        linked(site, http, provider)
        callback = urlsplit(provider.authorize(begun(http)))
        way = f"{callback.path}?{callback.query}"
        assert victim.get(way, headers=OPENED).status_code == 403, "without the cookie"
        begun(victim)
        assert victim.get(way, headers=OPENED).status_code == 403, "with that of another round"
        assert "holdfast" not in victim.cookies
        assert http.get(way.replace("/host/", "/host1/"), headers=OPENED).status_code == 403, "at another provider"
        cookie = http.cookies["holdfast-round"]
        assert http.get(way, headers=OPENED).status_code == 303
        http.cookies.set("holdfast-round", cookie)
        assert http.get(way, headers=OPENED).status_code == 403, "again"
        fields = dict(parse_qsl(callback.query))
        address = begun(http)
        mine = dict(parse_qsl(urlsplit(provider.authorize(address)).query))
        used = {**mine, "code": fields["code"]}
        assert http.get("/oidc/host/callback", params=used, headers=OPENED).status_code == 403, "a code of before"
        mixed = dict(parse_qsl(urlsplit(second.authorize(begun(http))).query))
        assert http.get("/oidc/host/callback", params=mixed, headers=OPENED).status_code == 403, "of another issuer"
        without = {name: value for name, value in mixed.items() if name != "iss"}
        assert http.get("/oidc/host/callback", params=without, headers=OPENED).status_code == 403
        begun(http)
        denied = {"error": "access_denied", "error_description": "<b>Call 555", "state": mine["state"]}
        answer = http.get("/oidc/host/callback", params=denied, headers=OPENED)
        assert (answer.status_code, "555" in answer.text) == (403, False)
        assert http.post("/oidc/host", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert http.post("/oidc/nobody", headers=HERE).status_code == 404


@pytest.mark.parametrize("path", ["https://evil.example", "//evil.example", r"/\evil.example", "/%2f/evil.example"])
def test_a_round_leads_to_no_other_site(site: Site, provider: Provider, path: str) -> None:
    with site.client() as http:
        linked(site, http, provider)
        assert went_round(http, provider, return_to=path).headers["location"] == "/"


def test_a_provider_that_does_not_answer_as_one_keeps_nobody_waiting(
    site: Site, provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SECONDS_MAX", 0.5)
    known = "/.well-known/openid-configuration"
    document = provider.document()

    def told(**more: Any) -> tuple[int, bytes]:
        return 200, json.dumps({**document, **more}).encode()

    def slow() -> tuple[int, bytes]:
        time.sleep(0.7)
        return told()

    wrong = {
        "slow": slow,
        "huge": lambda: (200, b'{"a": "' + b"x" * 300_000 + b'"}'),
        "deep": lambda: (200, b"[" * 100_000),
        "no JSON": lambda: (200, b"<html>"),
        "a list": lambda: (200, b"[]"),
        "away": lambda: (503, b"{}"),
        "missing": lambda: (404, b"{}"),
        "elsewhere": lambda: (302, b"http://127.0.0.1:1/"),
        "another issuer": lambda: told(issuer="https://evil.example"),
        "a script": lambda: told(authorization_endpoint="javascript:alert(1)"),
        "a file": lambda: told(token_endpoint="file:///etc/passwd"),
        "a low port": lambda: told(token_endpoint="http://127.0.0.1:22/"),
        "no keys": lambda: told(jwks_uri=None),
    }
    with site.client() as http:
        for name, lie in wrong.items():
            site.front.context.providers._endpoints.clear()
            site.front.context.providers._keys.clear()
            provider.answers = {known: lie}
            answer = http.post("/oidc/host", headers=HERE)
            if name == "a low port":
                answer = http.get(urlsplit(provider.authorize(begun(http))).path, headers=OPENED)
                assert answer.status_code == 403, name
                continue
            assert (answer.status_code, "does not answer" in answer.text) == (503, True), name
            assert "127.0.0.1" not in answer.text, name
        provider.asked.clear()
        assert [http.post("/oidc/host", headers=HERE).status_code for _ in range(2)] == [503, 503]
        assert provider.asked == [], "it is not asked again at once"
        site.front.context.providers._endpoints.clear()
        provider.answers = {"/token": lambda: (302, b"http://127.0.0.1:1/")}
        assert went_round(http, provider).status_code == 503
        provider.answers = {}
        assert http.get("/login").status_code == 200
        use_providers(site, tmp_path, provider, allow_private=False)
        provider.asked.clear()
        assert (http.post("/oidc/host", headers=HERE).status_code, provider.asked) == (503, [])
        assert http.get("/login").status_code == 200


def test_an_identity_is_one_persons(site: Site, provider: Provider) -> None:
    with site.client() as http, site.client() as other:
        linked(site, http, provider)
        member = {"email": "eva@example.org", "rights": "view"}
        assert "signs in another person" in linked(site, other, provider, **member).text
        found = re.search(r"/account/identities/\w+/unlink", http.get("/account/log-in").text)
        assert found is not None
        fields = {"form_token": form_token(other.cookies["holdfast"], found[0])}
        assert other.post(found[0], data=fields, headers=HERE).status_code == 404, "another's"
        provider.person = "eva"
        assert link(other, provider).status_code == 303
    assert actions(site, 2) == ["identity.linked", "session.created"]
