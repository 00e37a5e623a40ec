"""A small provider of OpenID Connect, which also speaks as Discord does, and lies when it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, Key, RSAKey

CLIENT, SECRET = "holdfast", "a secret: with marks"
Claims = dict[str, Any]


@dataclass
class Asked:
    """What a browser asked the provider for, under a code."""

    fields: dict[str, str]
    at: float


@dataclass
class Provider:
    """The provider that runs, the person who is signed in there, and its lies.

    `changed`: called with the claims of each ID token; `signed`: in place of signing them. `answers`: by path, in place
    of the usual JSON.
    """

    url: str
    person: str = "ana"
    key: Key = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "alg": "ES256"}))
    changed: Callable[[Claims], Claims] = lambda claims: claims
    signed: Callable[[Claims], str] | None = None
    answers: dict[str, Callable[[], tuple[int, bytes]]] = field(default_factory=dict)
    more_claims: Claims = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, Asked] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    signed_in_at: float = field(default_factory=lambda: time.time() - 3000)

    def use_rsa(self) -> None:
        """Sign with another key from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": "two", "alg": "RS256"})

    def document(self) -> dict[str, Any]:
        """The configuration that it publishes."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "authorization_response_iss_parameter_supported": True,
            **self.more,
        }

    def authorize(self, address: str) -> str:
        """Do what its pages do with whoever is signed in there: return the address that it leads back to."""
        fields = dict(parse_qsl(urlsplit(address).query))
        assert fields["client_id"] == CLIENT
        if fields.get("prompt") == "login":
            self.signed_in_at = time.time()
        code = secrets.token_urlsafe(16)
        self.codes[code] = Asked(fields, time.time())
        return f"{fields['redirect_uri']}?{urlencode({'code': code, 'state': fields['state'], 'iss': self.url})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Answer a code with tokens: once, to our client, who knows the verifier."""
        expected = f"{CLIENT}:{SECRET}"
        given = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if unquote(given) != expected or asked is None or form["redirect_uri"] != asked.fields["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        if challenge.rstrip(b"=").decode() != asked.fields["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = self.changed(
            {
                "iss": self.url,
                "aud": CLIENT,
                "sub": f"sub-{self.person}",
                "preferred_username": self.person,
                "exp": now + 300,
                "iat": now,
                "auth_time": int(self.signed_in_at),
                "nonce": asked.fields.get("nonce", ""),
                **self.more_claims,
            }
        )
        return 200, {"access_token": f"at-{self.person}", "id_token": (self.signed or self.sign)(claims)}

    def sign(self, claims: Claims, **header: Any) -> str:
        """Sign claims as an ID token."""
        algorithm = str(self.key.dict_value["alg"])
        protected = {"alg": algorithm, "kid": self.key.kid, **header}
        return jws.serialize_compact(protected, json.dumps(claims), self.key, algorithms=[algorithm])


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        provider, path = self.provider, urlsplit(self.path).path
        provider.asked.append(path)
        if path == "/authorize" or path == "/oauth2/authorize":
            self.send_response(302)
            self.send_header("Location", provider.authorize(self.path))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif path in provider.answers:
            self._answer(*provider.answers[path]())
        elif path == "/.well-known/openid-configuration":
            self._json(200, provider.document())
        elif path == "/keys":
            self._json(200, {"keys": [{**provider.key.as_dict(private=False), "use": "sig"}]})
        elif path == "/api/users/@me" and self.headers["Authorization"] == f"Bearer at-{provider.person}":
            self._json(200, {"id": f"id-{provider.person}", "username": provider.person, "email": "x@example.org"})
        else:
            self._json(404, {})

    def do_POST(self) -> None:
        provider, path = self.provider, urlsplit(self.path).path
        provider.asked.append(path)
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if path in provider.answers:
            self._answer(*provider.answers[path]())
        else:
            self._json(*provider.token(form, self.headers["Authorization"] or ""))

    def _json(self, status: int, value: Any) -> None:
        self._answer(status, json.dumps(value).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", body.decode())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def running_provider() -> Iterator[Provider]:
    """Run a provider."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = Handler.provider = Provider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
