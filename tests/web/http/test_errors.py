"""Every error of API.md that this version can give, each in the envelope."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import httpx
import pytest
from kit.site import WAIT_SECONDS, Site

from holdfast.catalog.records import SYSTEM
from holdfast.service.registry.keys import rotate_key

UNKNOWN_ID = "0" * 32


def check(answer: httpx.Response, status: int, code: str) -> dict[str, str]:
    body: dict[str, str] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert list(body) == ["status", "code", "message"]
    assert body["status"] == "error"
    assert re.fullmatch(r"[A-Z'][^\n]{10,}[.]", body["message"][0].upper() + body["message"][1:])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    return body


def private_routes(app_id: str, backup: str = UNKNOWN_ID) -> Iterator[tuple[str, str]]:
    yield from (("GET", "/v3/account"), ("GET", "/v3/apps"), ("GET", "/v3/backups"), ("GET", f"/v3/apps/{app_id}"))
    yield from ((method, f"/v3/apps/{app_id}/backups") for method in ("GET", "POST"))
    yield from ((method, f"/v3/apps/{app_id}/backups/{backup}") for method in ("GET", "PATCH", "DELETE"))


def raw(value: str | bytes) -> bytes:
    """A header's value as it is sent."""
    return value if isinstance(value, bytes) else value.encode()


def test_without_a_good_key_nothing_is_told(site: Site, http: httpx.Client) -> None:
    old = site.silver.api_key
    rotate_key(site.instance, site.silver.account, SYSTEM)
    for method, path in private_routes(site.app.id):
        for key in (None, "", "Bearer", "hf_nonsense", old, f"Bearer {old}", "x" * 5000, "ÿ".encode("latin-1")):
            answer = http.request(method, path, headers=[] if key is None else [(b"authorization", raw(key))])
            check(answer, 401, "ACCESS_DENIED")
            assert answer.headers["www-authenticate"] == "Bearer"


def test_a_lower_plan_has_no_backups_in_the_api(site: Site) -> None:
    with site.client(site.bronze.api_key) as bronze:
        for method, path in private_routes(site.app.id):
            if "backups" in path:
                check(bronze.request(method, path), 402, "UPGRADE_REQUIRED")


def test_what_is_anothers_answers_as_what_never_was(site: Site, silver: httpx.Client) -> None:
    theirs = site.take(site.other_app)
    site.take()
    for (method, path), (_, never) in zip(
        private_routes(site.other_app.id, theirs.id), private_routes(UNKNOWN_ID, theirs.id), strict=True
    ):
        if path == never:
            continue
        answer, expected = silver.request(method, path), silver.request(method, never)
        check(answer, 404, "APP_NOT_FOUND")
        assert answer.content == expected.content
        for one in (answer, expected):
            one.headers.pop("date")
        assert answer.headers == expected.headers
    mine = f"/v3/apps/{site.app.id}/backups"
    for method, body in (("GET", None), ("PATCH", {"name": "other"}), ("DELETE", None)):
        answer, expected = (silver.request(method, f"{mine}/{one}", json=body) for one in (theirs.id, UNKNOWN_ID))
        check(answer, 404, "BACKUP_NOT_FOUND")
        assert answer.content == expected.content
    for path in (f"{mine}?after={{}}", "/v3/backups?limit=1&after={}"):
        check(silver.get(path.format(theirs.id)), 404, "BACKUP_NOT_FOUND")
        assert silver.get(path.format(theirs.id)).content == silver.get(path.format(UNKNOWN_ID)).content


@pytest.mark.parametrize("path", ["/nothing", "/v3", "/apps", "/v3/apps/x/y/z", "/v4/apps", "/%ff", "/docs/../secret"])
def test_unknown_routes(http: httpx.Client, path: str) -> None:
    check(http.get(path), 404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v3/apps/{app}/backups", "GET, HEAD, OPTIONS, POST"),
        ("/v3/apps/{app}/backups/x", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/v3/account", "GET, HEAD, OPTIONS"),
        ("/v3/plans", "GET, HEAD, OPTIONS"),
        ("/docs", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
def test_other_methods(site: Site, http: httpx.Client, path: str, allowed: str) -> None:
    path = path.format(app=site.app.id)
    for method in ("PUT", "TRACE", "PURGE"):
        answer = http.request(method, path)
        check(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == allowed
    options = http.options(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allowed, b"")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("limit=0", "INVALID_LIMIT"),
        ("limit=201", "INVALID_LIMIT"),
        ("limit=ten", "INVALID_LIMIT"),
        ("limit=", "INVALID_LIMIT"),
        ("limit=1.5", "INVALID_LIMIT"),
        ("limit=-1", "INVALID_LIMIT"),
        ("limit=٣", "INVALID_LIMIT"),
        ("limit=1&limit=2", "INVALID_LIMIT"),
        ("after=x", "INVALID_AFTER"),
        ("view=all", "INVALID_VIEW"),
        ("view=", "INVALID_VIEW"),
        ("&".join(f"x{n}=1" for n in range(51)), "INVALID_QUERY"),
    ],
)
def test_bad_queries_name_the_field(site: Site, silver: httpx.Client, query: str, code: str) -> None:
    check(silver.get(f"/v3/apps/{site.app.id}/backups?{query}"), 400, code)


def test_a_query_that_no_route_knows_is_passed_over(site: Site, silver: httpx.Client) -> None:
    assert silver.get(f"/v3/apps/{site.app.id}/backups?utm_source=x&x&y=%ff").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "INVALID_JSON_BODY"),
        (b"[]", "INVALID_JSON_BODY"),
        (b"null", "INVALID_JSON_BODY"),
        (b"\xff\xfe", "INVALID_JSON_BODY"),
        (b"[" * 30_000, "INVALID_JSON_BODY"),
        (b'{"nmae": "x"}', "INVALID_JSON_BODY"),
        (b'{"name": 1}', "INVALID_NAME"),
        (b'{"name": null}', "INVALID_NAME"),
        (b'{"name": ""}', "INVALID_NAME"),
        (b'{"name": "a/b"}', "INVALID_NAME"),
        (b'{"name": "\\u0000"}', "INVALID_NAME"),
        (b'{"name": "' + b"x" * 300 + b'"}', "INVALID_NAME"),
        (b'{"is_locked": "yes"}', "INVALID_IS_LOCKED"),
        (b'{"is_locked": null}', "INVALID_IS_LOCKED"),
    ],
)
def test_bad_bodies(site: Site, silver: httpx.Client, body: bytes, code: str) -> None:
    path = f"/v3/apps/{site.app.id}/backups"
    check(silver.post(path, content=body), 400, code)
    backup = site.take(name="one")
    check(silver.patch(f"{path}/{backup.id}", content=body), 400, code)
    assert [item["name"] for item in silver.get(path).json()["response"]] == ["one"]


@pytest.mark.parametrize("until", ["tomorrow", "2024-12-07", "2030-01-01T00:00:00", "2030-13-01T00:00:00Z", "", 5])
def test_bad_times(site: Site, silver: httpx.Client, until: str | int) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    check(silver.patch(path, json={"locked_until": until}), 400, "INVALID_LOCKED_UNTIL")


@pytest.mark.parametrize("wait", ["91", "-1", "soon", "", "1e1"])
def test_bad_waits_start_nothing(site: Site, silver: httpx.Client, wait: str) -> None:
    check(silver.post(f"/v3/apps/{site.app.id}/backups?wait={wait}"), 400, "INVALID_WAIT")
    assert site.queued() == []


@pytest.mark.parametrize("key", ["", "x" * 256, b"\xe4"])
def test_bad_idempotency_keys(site: Site, silver: httpx.Client, key: str | bytes) -> None:
    answer = silver.post(f"/v3/apps/{site.app.id}/backups", headers=[(b"idempotency-key", raw(key))])
    check(answer, 400, "INVALID_IDEMPOTENCY_KEY")


def test_a_body_that_is_too_large(site: Site, silver: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    path = f"/v3/apps/{site.app.id}/backups"
    check(silver.post(path, content=b" " * 70_000), 413, "PAYLOAD_TOO_LARGE")
    check(silver.post(path, content=endless()), 413, "PAYLOAD_TOO_LARGE")
    assert site.queued() == []


def test_too_many_wrong_keys_from_one_address(
    site: Site, http: httpx.Client, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = site.front.context.now()
    monkeypatch.setattr(site.front.context, "now", lambda: now)  # a slow machine must not win attempts back meanwhile
    wrong = {"Authorization": "hf_wrong"}
    answers = [http.get("/v3/account", headers=wrong) for _ in range(102)]
    check(answers[0], 401, "ACCESS_DENIED")
    check(answers[-1], 429, "KEEP_CALM")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert silver.get("/v3/account").status_code == 200, "a right key is never held back"
    check(http.get("/v3/account"), 401, "ACCESS_DENIED")


def test_a_catalog_that_cannot_be_reached(site: Site, silver: httpx.Client) -> None:
    assert silver.get("/v3/account").status_code == 200
    catalog = site.instance.home / "catalog.sqlite"
    site.instance.catalog.close()
    catalog.rename(catalog.with_suffix(".away"))
    catalog.mkdir()
    for path in ("/v3/apps", "/readyz"):
        answer = silver.get(path)
        body = check(answer, 503, "UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
        assert str(catalog) not in body["message"]
    assert silver.get("/healthz").status_code == 200


def test_what_is_no_http_is_answered_in_the_envelope_too(site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    for request in (b"FOO BAR\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"x: %s\r\n" % (b"y" * 1000) * 200):
        with socket.create_connection((host, int(port)), timeout=WAIT_SECONDS) as connection:
            connection.sendall(request)
            head = connection.recv(4096)
            assert head.startswith(b"HTTP/1.1 400 ")
            assert b'"code":"INVALID_HTTP_REQUEST"' in head


def test_a_host_that_is_none(http: httpx.Client) -> None:
    check(http.get("/healthz", headers={"Host": "a b"}), 400, "INVALID_HOST")
