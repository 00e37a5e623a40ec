"""The sync over HTTP: lines in, lines out, refused as a whole before anything is changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kit.admin_keys import admin_key
from kit.site import Site

from holdfast.service.host import sync_lines
from holdfast.service.registry.account_record import read_record

SYNC = "/v3/admin/sync"


def lines(count: int) -> bytes:
    return b"".join(
        json.dumps({"type": "account", "external_id": f"a{n}", "email": f"a{n}@x.org", "plan": "Silver"}).encode()
        + b"\n"
        for n in range(count)
    )


def test_lines_are_answered_by_lines(site: Site) -> None:
    with site.client(admin_key(site.instance, "accounts", "apps")) as panel:
        for dry, result in (("?dry_run=true", "created"), ("", "created"), ("", "same")):
            answer = panel.post(SYNC + dry, content=lines(1200))
            assert answer.headers["content-type"] == "application/x-ndjson"
            found = [json.loads(line) for line in answer.text.splitlines()]
            assert [one["line"] for one in found] == list(range(1, 1201))
            assert {one["result"] for one in found} == {result}
        refused = panel.post(f"{SYNC}?end_missing=true", content=lines(1000))
        assert (refused.status_code, refused.json()["code"]) == (409, "TOO_MANY_MISSING")
        ended = panel.post(f"{SYNC}?end_missing=true&force=true", content=lines(1199)).text.splitlines()
        assert json.loads(ended[0]) == {"line": None, "type": "account", "external_id": "a1199", "result": "ended"}


def test_the_records_of_what_was_changed_are_written_behind_it(site: Site) -> None:
    with site.client(admin_key(site.instance, "accounts", "apps")) as panel:
        panel.post(SYNC, content=lines(3))
        ids = [panel.get(f"/v3/admin/accounts/a{n}").json()["response"]["id"] for n in range(3)]
        site.front.context.calls.shutdown(wait=True)
    assert [read_record(site.instance, one).account.external_id for one in ids] == ["a0", "a1", "a2"]


@pytest.mark.parametrize(
    ("scopes", "query", "status", "code"),
    [
        (("accounts",), "", 403, "PERMISSION_DENIED"),
        (("apps", "read"), "", 403, "PERMISSION_DENIED"),
        (("accounts", "apps"), "?dry_run=1", 400, "INVALID_DRY_RUN"),
        (("accounts", "apps"), "?force=", 400, "INVALID_FORCE"),
        (("accounts", "apps"), "", 413, "PAYLOAD_TOO_LARGE"),
    ],
)
def test_what_is_refused_as_a_whole(
    site: Site, monkeypatch: pytest.MonkeyPatch, scopes: tuple[str, ...], query: str, status: int, code: str
) -> None:
    monkeypatch.setattr(sync_lines, "LINES_MAX", 10)
    with site.client(admin_key(site.instance, *scopes)) as panel:
        answer: Any = panel.post(SYNC + query, content=lines(11))
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert panel.get("/v3/admin/accounts/a0").status_code in (403, 404)
