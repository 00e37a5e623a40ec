"""Every route with the right that it needs, and what each group may do, as one table that people have read."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import pytest
from kit.keys import add_named_key
from kit.site import Site

from holdfast.service.people.rights import GROUPS, Right
from holdfast.web.app import routes
from holdfast.web.auth import need_of
from holdfast.web.context import Context

GIVES_ALL = {("POST", "/v3/account/key")}
"""Who asks gets what has all rights, and must have them himself."""

GOLDEN = Path(__file__).parent / "golden" / "rights.txt"


def route_table(context: Context) -> str:
    """Method, path and needed rights of each route, and the groups that have them."""
    lines = []
    for handler in routes(context):
        need = need_of(handler)
        assert need is not None, f"{sorted(handler.paths)} declares no right"
        rights = "the host: " + " | ".join(need.scopes) if need.scopes else " | ".join(need.rights) or "open to all"
        rights = "an operator's session" if need.is_operators else rights
        note = " (filtered)" if need.is_filtered else ""
        groups = [name for name, has in GROUPS.items() if not need.rights or has & set(need.rights)]
        groups = [] if need.scopes or need.is_operators else groups
        for method in sorted(handler.http_methods):
            for path in sorted(handler.paths):
                lines.append(f"{method:6} {path:60} {rights + note:50} {' '.join(groups)}".rstrip())
    return "\n".join(sorted(lines, key=lambda line: line[7:])) + "\n"


def test_every_route_has_its_right(site: Site) -> None:
    made = route_table(site.front.context)
    if os.environ.get("HOLDFAST_GOLDEN") == "write":
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(made)
    assert made == GOLDEN.read_text(), "HOLDFAST_GOLDEN=write writes it anew, after you have read the difference"


def needed(site: Site) -> list[tuple[str, str, tuple[Right, ...]]]:
    """Method, path and rights of each route of the API that needs a key, on things that exist."""
    backup = site.take()
    given = {"app_id": site.app.id, "backup": backup.id, "job_id": backup.id}
    found = []
    for handler in routes(site.front.context):
        need = need_of(handler)
        assert need is not None
        if need.rights and all(path.startswith("/v3/") for path in handler.paths):
            for path in handler.paths:
                for name, value in given.items():
                    path = path.replace(f"{{{name}:str}}", value)
                if "/snapshots" in path:
                    path += "?wait=0"  # its answer would be held
                found += [(str(method), path, need.rights) for method in handler.http_methods]
    return found


def test_without_its_right_a_route_refuses_and_with_it_alone_it_does_not(site: Site) -> None:
    every = set(Right)
    for method, path, rights in needed(site):
        if path == "/v3/events":
            continue  # its answer has no end
        others = " ".join(every - set(rights))
        with site.client(add_named_key(site.instance, site.silver.account.id, others)) as lacking:
            answer = lacking.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (403, "PERMISSION_DENIED"), f"{method} {path}"
            assert any(right in answer.json()["message"] for right in rights)
        with site.client(add_named_key(site.instance, site.silver.account.id, " ".join(rights))) as having:
            status = having.request(method, path).status_code
            assert (status == 403) if (method, path) in GIVES_ALL else (status not in (401, 403)), f"{method} {path}"


@pytest.fixture
def app_key(site: Site) -> str:
    """A key for another application than the site's, with all rights."""
    return add_named_key(site.instance, site.silver.account.id, "owner", app_ids=("f" * 32,))


def test_a_key_for_other_applications_sees_none_of_this_one(site: Site, app_key: str) -> None:
    backup = site.take()
    with site.client(app_key) as http:
        for method, path, _ in needed(site):
            if site.app.id in path:
                answer = http.request(method, path)
                assert (answer.status_code, answer.json()["code"]) == (404, "APP_NOT_FOUND"), f"{method} {path}"
        assert http.get("/v3/apps").json()["response"] == []
        assert http.get("/v3/backups").json()["response"] == []
        assert http.get("/v3/jobs").json()["response"] == []
        assert http.get(f"/v3/jobs/{backup.id}").json()["code"] == "JOB_NOT_FOUND"
        for path in ("/v3/account", "/v3/webhooks"):
            assert http.get(path).json()["code"] == "PERMISSION_DENIED", "the account is not its business"


def test_without_the_right_to_download_no_key_is_shown(site: Site, silver: httpx.Client) -> None:
    backup = site.take()
    path = f"/v3/apps/{site.app.id}/backups"
    with site.client(add_named_key(site.instance, site.silver.account.id, "view")) as http:
        for asked in (path, f"{path}?limit=5"):
            assert [b["key"] for b in http.get(asked).json()["response"]] == [""]
        for asked in (f"{path}?view=full", "/v3/backups"):
            assert [(b["key"], b["url"]) for b in http.get(asked).json()["response"]] == [("", None)]
        shown = http.get(f"{path}/{backup.id}").json()["response"]
        assert (shown["key"], shown["url"]) == ("", None)
    assert len(silver.get(path).json()["response"][0]["key"]) == 40, "another key's answer is not the same"


def test_networks_and_an_end(site: Site, silver: httpx.Client) -> None:
    account = site.silver.account.id
    here = add_named_key(site.instance, account, "view", networks=("127.0.0.0/8",))
    elsewhere = add_named_key(site.instance, account, "view", networks=("192.0.2.0/24", "2001:db8::/32"))
    ended = add_named_key(site.instance, account, "view", ends_at=site.instance.clock.now_ns() - 1)
    path = f"/v3/apps/{site.app.id}/backups"
    for key, status in ((here, 200), (elsewhere, 401), (ended, 401)):
        with site.client(key) as http:
            assert http.get(path).status_code == status
