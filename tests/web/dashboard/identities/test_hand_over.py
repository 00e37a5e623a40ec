"""A host hands people over by tokens of its own: the guide's example, and each token that opens nothing."""

from __future__ import annotations

import io
import json
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import OctKey, OKPKey
from kit.admin_keys import admin_key
from kit.browser import HERE, OPENED
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import ActorKind, AuditFilter
from holdfast.service.instance.sign_in.hand_over import ConfiguredHandOver
from holdfast.service.instance.sign_in.providers import ConfiguredSignIn

GUIDE = (Path(__file__).parents[4] / "docs" / "host.md").read_text()
ISSUER = "https://panel.example.com"


def trust(site: Site, *keys: str) -> None:
    hosts = tuple(ConfiguredHandOver(issuer=ISSUER, public_key=key) for key in keys)
    sign_in = ConfiguredSignIn(hand_over=hosts)
    site.instance.config = msgspec.structs.replace(site.instance.config, sign_in=sign_in)


@pytest.fixture
def key(site: Site) -> OKPKey:
    """The host's key; the account `ana` is there."""
    made = OKPKey.generate_key("Ed25519")
    trust(site, OKPKey.generate_key("Ed25519").as_pem(private=False).decode(), made.as_pem(private=False).decode())
    with site.client(admin_key(site.instance, "accounts")) as panel:
        body = {"email": "ana@example.com", "plan": "Silver"}
        assert panel.put("/v3/admin/accounts/ana", json=body).is_success
    return made


def token_of(site: Site, key: OKPKey, **claims: Any) -> str:
    given = {"iss": ISSUER, "aud": site.url, "sub": "ana", "jti": str(time.time_ns()), "exp": int(time.time()) + 60}
    given = {name: value for name, value in (given | claims).items() if value is not None}
    return jws.serialize_compact({"alg": "Ed25519"}, json.dumps(given), key, algorithms=["Ed25519"])


def opened(http: httpx.Client, token: str) -> httpx.Response:
    return http.get("/in", params={"token": token}, headers=OPENED)


def test_the_guides_example_signs_in_once(site: Site, http: httpx.Client, tmp_path: Path, key: OKPKey) -> None:
    make, sign = re.findall(r"```sh\n(.*?)```", GUIDE, re.S)
    given = {"BASE": site.url, "APP": site.app.id, "PATH": "/usr/bin:/bin"}

    def shell(lines: str) -> str:
        run = subprocess.run(
            ["sh", "-euc", lines], cwd=tmp_path, env=given, capture_output=True, text=True, timeout=60, check=True
        )
        return run.stdout.strip()

    trust(site, shell(make))
    url = shell(sign)
    assert url.startswith(f"{site.url}/in?token=")
    seen = http.get(url)
    assert ("one_button" not in seen.text, "Sign in" in seen.text, seen.status_code) == (True, True, 200)
    done = http.get(url, headers=OPENED)
    assert (done.status_code, done.headers["location"]) == (303, f"/apps/{site.app.id}")
    assert (done.headers["cache-control"], done.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "ana@example.com" in http.get("/account").text
    with site.client() as other:
        assert other.get(url, headers=OPENED).status_code == 403
    made = entries(site.instance.catalog, AuditFilter(action="sign_in_link.created"), 1)[0]
    assert (made.actor.kind, made.actor.name) == (ActorKind.HOST, ISSUER)


def test_a_token_is_used_once_and_only_by_a_person(
    site: Site, http: httpx.Client, key: OKPKey, log: io.BytesIO
) -> None:
    token = token_of(site, key)
    assert "set-cookie" not in http.get("/in", params={"token": token}).headers
    assert http.post("/in", data={"token": token}, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403

    def one(_: int) -> int:
        with site.client() as own:
            return opened(own, token).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(one, range(4))) == [303, 403, 403, 403]
    assert http.post("/in", data={"token": token_of(site, key)}, headers=HERE).status_code == 303
    assert "it was used before" in log.getvalue().decode()
    assert token not in log.getvalue().decode()


def test_a_token_that_is_not_right_opens_nothing(site: Site, key: OKPKey, log: io.BytesIO) -> None:
    now = int(time.time())
    other = OKPKey.generate_key("Ed25519")
    pem = key.as_pem(private=False)
    shared = OctKey.import_key(key.as_bytes(private=False) if not pem else b"x" * 64)
    body = token_of(site, key).split(".")[1]
    wrong: dict[str, str] = {
        "another key": token_of(site, other),
        "another issuer": token_of(site, key, iss="https://evil.example"),
        "another instance": token_of(site, key, aud="https://other.example"),
        "no audience": token_of(site, key, aud=None),
        "ended": token_of(site, key, exp=now - 1),
        "an hour": token_of(site, key, exp=now + 3600),
        "for ever": token_of(site, key, exp=None),
        "no id": token_of(site, key, jti=None),
        "a number": token_of(site, key, jti=7),
        "nobody": token_of(site, key, sub="cust-9"),
        "another's person": token_of(site, key, person={"email": "eva@example.org"}),
        "more rights": token_of(site, key, group="god"),
        "another site": token_of(site, key, return_to="//evil.example"),
        "another's app": token_of(site, key, app="nothing"),
        "symmetric": jws.serialize_compact({"alg": "HS256"}, b"{}", shared, algorithms=["HS256"]),
        "unsigned": f"eyJhbGciOiJub25lIn0.{body}.",
        "no token": "x",
        "empty": "",
        "long": "a." * 9_000,
    }
    answers = set()
    for name, token in wrong.items():
        with site.client() as http:
            answer = http.post("/in", data={"token": token}, headers=HERE)
            assert (answer.status_code, "set-cookie" in answer.headers) == (403, False), name
            answers.add(answer.text)
    assert len(answers) == 1, "all are told the same"
    with site.client() as http:
        rights = {"person": {"email": "eva@example.org"}, "group": "view", "return_to": "/account"}
        assert opened(http, token_of(site, key, **rights)).headers["location"] == "/account"
        assert "eva@example.org" in http.get("/account").text
        site.instance.config = msgspec.structs.replace(site.instance.config, sign_in=ConfiguredSignIn())
        assert opened(http, token_of(site, key)).status_code == 403
