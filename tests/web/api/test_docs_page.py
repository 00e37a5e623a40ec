"""The documentation page in a real browser: it shows the routes, and asks no other host for anything."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

CHROMIUM = shutil.which("chromium")


def requested_by(origin: str, net_log: Path) -> set[str]:
    """The URLs that pages of an origin asked for (Chromium's own calls home have no such initiator)."""
    # One event per line; the log's end is missing when Chromium was in a hurry, so it is not read as a whole.
    lines = [line.strip().rstrip(",") for line in net_log.read_text().splitlines() if '"url"' in line]
    events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    asked = [event.get("params", {}) for event in events]
    return {params["url"] for params in asked if params.get("initiator") == origin and "url" in params}


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_shows_the_api_and_asks_nobody_else(server_url: str, tmp_path: Path) -> None:
    net_log = tmp_path / "net.json"
    command = [
        str(CHROMIUM),
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
        *("--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", f"--log-net-log={net_log}"),
        *("--virtual-time-budget=10000", "--dump-dom", f"{server_url}/docs"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert 'data-path="/v3/apps/{app_id}/backups"' in done.stdout
    assert "Content Security Policy" not in done.stderr
    asked = requested_by(server_url, net_log)
    assert f"{server_url}/openapi.json" in asked
    assert {urlsplit(url).netloc for url in asked if not url.startswith("data:")} == {urlsplit(server_url).netloc}


def test_the_page_has_a_policy_without_foreign_hosts_and_without_inline_scripts(http: httpx.Client) -> None:
    policy = http.get("/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy


def test_only_listed_files_are_served(http: httpx.Client) -> None:
    assert http.get("/docs/swagger-ui.css").headers["content-type"].startswith("text/css")
    for name in ("swagger-editor.js", "..%2f__init__.py", "index.css"):
        answer = http.get(f"/docs/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "ROUTE_NOT_FOUND")
