"""`/metrics`: for the operator alone; to everybody else there is no such route."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from kit.site import Site
from prometheus_client.parser import text_string_to_metric_families

from holdfast.web.api.metrics import is_operator

TOKEN = "a-token-of-the-operator"


def values(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def configure(site: Site, **changes: object) -> None:
    site.instance.config = msgspec.structs.replace(site.instance.config, **changes)


def assert_there_is_none(http: httpx.Client, **headers: str) -> None:
    """Whatever is asked, it answers as any route that was never made does."""
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        asked = http.request(method, "/metrics", headers=headers)
        other = http.request("GET" if method == "OPTIONS" else method, "/metricz", headers=headers)
        assert (asked.status_code, asked.content) == (404, other.content)


def test_this_machine_sees_what_the_web_process_and_the_instance_did(site: Site, http: httpx.Client) -> None:
    backup = site.take()
    length = len(http.get(site.link(backup)).content)
    http.get("/v3/nothing")
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = values(answer.text)
    assert found["holdfast_http_response_bytes_total['download']"] == length
    assert found["holdfast_http_requests_total['2xx', 'download']"] == 1
    assert found["holdfast_http_requests_total['4xx', 'api']"] == 1
    assert found["holdfast_http_request_duration_seconds_count['download']"] == 1
    assert found["holdfast_backups['successful']"] == 1
    again = values(http.get("/metrics").text)
    assert again["holdfast_http_requests_total['2xx', 'other']"] == 1


def test_openmetrics_is_given_to_who_asks_for_it(http: httpx.Client) -> None:
    answer = http.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")


def test_it_has_no_other_methods(http: httpx.Client) -> None:
    answer = http.post("/metrics")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    assert http.head("/metrics").status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_who_comes_through_a_proxy_finds_nothing(http: httpx.Client, name: str) -> None:
    assert_there_is_none(http, **{name: "127.0.0.1"})


def test_of_a_public_instance_not_even_this_machine_sees_it_without_a_token(site: Site, http: httpx.Client) -> None:
    configure(site, base_url="https://backups.example.org")
    assert_there_is_none(http)


def test_other_machines_find_nothing(site: Site) -> None:
    scope: Any = {"headers": [], "client": ("192.0.2.7", 4711)}
    assert not is_operator(site.instance.config, scope)
    scope["client"] = ("::1", 4711)
    assert is_operator(site.instance.config, scope)


def test_with_a_token_it_is_the_only_way(site: Site, http: httpx.Client) -> None:
    configure(site, metrics_token=TOKEN, base_url="https://backups.example.org")
    assert http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert_there_is_none(http)
    assert_there_is_none(http, Authorization=f"Bearer {TOKEN}x")
    assert_there_is_none(http, Authorization=site.silver.api_key)


def test_a_catalog_that_is_away_is_said_so(site: Site, http: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    site.instance.catalog.close()
    (site.instance.home / "catalog.sqlite").write_bytes(b"no database" * 1000)
    for suffix in ("-wal", "-shm"):
        (site.instance.home / f"catalog.sqlite{suffix}").unlink(missing_ok=True)
    answer = http.get("/metrics")
    assert answer.status_code in (500, 503)
    assert "Traceback" not in answer.text
