"""An operator looks at an account as its people do: he changes nothing and gets no file or secret; it is audited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import httpx
import msgspec
import pytest
from kit.browser import HERE, OPERATOR_EMAIL, form_of, operator_signed_in, signed_in
from kit.site import Site, start_site
from kit.world import FakeClock
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, AuditFilter
from holdfast.service.people.operators import remove_operator
from holdfast.service.people.views import VIEW_NS
from holdfast.service.registry.accounts import get_account
from holdfast.service.retention.erase import erase_account

STOP = "/operator/stop-looking"
BAR = "as their people do"


@pytest.fixture
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a clock that the test moves."""
    yield from start_site(tmp_path_factory.mktemp("site"), clock=FakeClock())


@pytest.fixture
def operator(watched: Site) -> Iterator[httpx.Client]:
    """An operator who looks at the first account, which has a backup."""
    watched.take()
    with watched.client() as http:
        operator_signed_in(watched, http)
        looks(watched, http)
        yield http


def looks(site: Site, http: httpx.Client) -> httpx.Response:
    path = f"/operator/accounts/{site.silver.account.id}"
    return http.post(f"{path}/look", data=form_of(http.get(path), f"{path}/look"), headers=HERE)


def posts(site: Site) -> Iterator[str]:
    """The paths of all forms, with ids of what is there."""
    backup = site.take()
    ids = {"app_id": site.app.id, "backup": backup.id, "account_id": site.silver.account.id, "job_id": backup.id}
    for route in cast(Litestar, site.front.api).routes:
        handlers = [one for one in getattr(route, "route_handlers", ()) if isinstance(one, HTTPRouteHandler)]
        if any("POST" in one.http_methods and "dashboard" in one.fn.__module__ for one in handlers):
            yield re.sub(r"{(\w+):str}", lambda match: ids.get(match[1], "x" * 32), route.path)


def test_every_page_says_so_and_the_audit_has_it(watched: Site, operator: httpx.Client) -> None:
    backup = watched.take()
    app = f"/apps/{watched.app.id}"
    for path in (app, f"{app}/files", f"{app}/activity", f"{app}/backups/{backup.id}", "/account", "/account/keys"):
        page = operator.get(path, follow_redirects=True)
        assert (page.status_code, BAR in page.text) == (200, True), path
    for path in ("/account/people", "/account/plan", "/account/export", "/notices", "/help", "/operator", "/elevate"):
        page = operator.get(path, follow_redirects=True)
        assert (page.status_code, BAR in page.text) == (200, True), path
    stopped = operator.post(STOP, data=form_of(operator.get("/notices"), STOP), headers=HERE)
    assert stopped.headers["location"] == f"/operator/accounts/{watched.silver.account.id}"
    assert operator.get(app).status_code == 404
    assert BAR not in operator.get("/operator").text
    found = [
        (one.action, one.actor.name)
        for one in entries(watched.instance.catalog, AuditFilter(watched.silver.account.id), 20)
        if "view" in one.action
    ]
    assert found == [("account.view_ended", OPERATOR_EMAIL), ("account.view_begun", OPERATOR_EMAIL)]


def test_every_form_is_refused_but_that_of_stopping(watched: Site, operator: httpx.Client) -> None:
    above = entries(watched.instance.catalog, AuditFilter(), 1)[0].seq
    paths = set(posts(watched)) - {STOP, "/operator/sign-out"}
    above = entries(watched.instance.catalog, AuditFilter(), 1)[0].seq
    assert len(paths) > 40
    for path in sorted(paths):
        for headers in (HERE, {"Sec-Fetch-Site": "cross-site"}):
            answer = operator.post(path, data={"form_token": "x", "email": "a@example.org"}, headers=headers)
            assert answer.status_code in (403, 404), path
        answer = operator.post(path, data={"form_token": "x"}, headers=HERE)
        assert "stop looking first" in answer.text, path
    assert entries(watched.instance.catalog, AuditFilter(), 1)[0].seq == above, "nothing was changed"
    assert operator.get("/notices").status_code == 200, "and he still looks"


def test_no_file_and_no_secret_is_shown(watched: Site, operator: httpx.Client) -> None:
    backup = watched.take()
    app, here = f"/apps/{watched.app.id}", f"backup={backup.id}&path=hello.txt"
    for page in ("file", "content", "picture"):
        assert operator.get(f"{app}/{page}?{here}").status_code == 403, page
    assert operator.get(f"{app}/ticked?backup={backup.id}&paths=hello.txt").status_code == 403
    assert operator.get(f"{app}/restore?backup={backup.id}").status_code == 403
    assert operator.get("/account/erase").status_code == 403
    for path in (app, f"{app}/backups/{backup.id}", "/account/keys", "/notices", "/account/export"):
        text = operator.get(path).text
        for secret in (watched.silver.api_key, ".zip?", "/account/main-key/show"):
            assert secret not in text, (path, secret)


def test_it_ends_by_itself_and_with_whoever_or_whatever_it_needs(watched: Site, operator: httpx.Client) -> None:
    app, clock = f"/apps/{watched.app.id}", watched.instance.clock
    assert isinstance(clock, FakeClock)
    clock.ns += VIEW_NS - 1
    assert operator.get(app).status_code == 200
    clock.ns += 1
    assert operator.get(app).status_code == 404
    assert operator.get("/").headers["location"] == "/operator"
    looks(watched, operator)
    assert operator.get(app).status_code == 200
    watched.instance.config = msgspec.structs.replace(watched.instance.config, operators_view_accounts=False)
    assert operator.get(app).status_code == 404
    path = f"/operator/accounts/{watched.silver.account.id}"
    assert f"{path}/look" not in operator.get(path).text


def test_it_cannot_be_had_where_the_host_does_not_allow_it(watched: Site) -> None:
    with watched.client() as http:
        operator_signed_in(watched, http)
        path = f"/operator/accounts/{watched.silver.account.id}"
        form = form_of(http.get(path), f"{path}/look")
        watched.instance.config = msgspec.structs.replace(watched.instance.config, operators_view_accounts=False)
        assert http.post(f"{path}/look", data=form, headers=HERE).status_code == 409
        assert http.get(f"/apps/{watched.app.id}").status_code == 404


def test_an_operator_who_is_removed_meanwhile_sees_nothing(watched: Site, operator: httpx.Client) -> None:
    remove_operator(watched.instance, OPERATOR_EMAIL, SYSTEM)
    assert operator.get(f"/apps/{watched.app.id}").status_code in (303, 401)


def test_an_account_that_is_erased_meanwhile_is_shown_no_more(watched: Site, operator: httpx.Client) -> None:
    erase_account(watched.instance, get_account(watched.instance, watched.silver.account.id), SYSTEM)
    assert operator.get("/notices").status_code == 404
    assert operator.get("/operator").status_code == 200


def test_two_tabs_show_one_account_and_another_one_needs_a_stop(watched: Site, operator: httpx.Client) -> None:
    other = f"/operator/accounts/{watched.other.account.id}"
    form = form_of(operator.get(other), f"{other}/look")
    assert operator.post(f"{other}/look", data=form, headers=HERE).status_code == 403
    assert operator.get(f"/apps/{watched.other_app.id}").status_code == 404
    assert operator.get(f"/apps/{watched.app.id}").status_code == 200


def test_no_cookie_and_no_session_of_an_account_gets_there(watched: Site, operator: httpx.Client) -> None:
    with watched.client() as http:
        signed_in(watched, http)
        path = f"/operator/accounts/{watched.other.account.id}"
        assert http.post(f"{path}/look", data={"form_token": "x"}, headers=HERE).status_code == 404
        assert http.get(f"/apps/{watched.other_app.id}").status_code == 404
    with watched.client(watched.silver.api_key) as api:
        api.cookies = operator.cookies
        assert api.get(f"/v3/apps/{watched.other_app.id}/backups").status_code == 404
    with watched.client() as api:
        api.cookies = operator.cookies
        assert api.get(f"/v3/apps/{watched.app.id}/backups").status_code == 401
