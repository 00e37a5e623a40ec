"""The host's panel signs people in: a link for one use, with no more than it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kit.admin_keys import admin_key
from kit.site import Site
from sqlalchemy import select

from holdfast.catalog.database.access_tables import sign_in_links
from holdfast.catalog.database.tables import accounts, apps
from holdfast.service.people.rights import Grant, Right
from holdfast.service.people.sessions import caller_of_session

LINKS = "/v3/admin/accounts/cust-1/sign-in-links"
OPENED = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}
EVA = {"email": "Eva@example.org", "name": "Eva"}


@pytest.fixture
def panel(site: Site) -> Iterator[httpx.Client]:
    """A client with a key of the host that signs in, and the host's ids for the account and its application."""
    with site.instance.catalog.write() as connection:
        of_account = accounts.update().where(accounts.c.id == site.silver.account.id)
        connection.execute(of_account.values(external_id="cust-1", name="Ana"))
        connection.execute(apps.update().where(apps.c.id == site.app.id).values(external_id="srv/1"))
        connection.execute(apps.update().where(apps.c.id == site.other_app.id).values(external_id="srv/2"))
    with site.client(admin_key(site.instance, "sign_in")) as http:
        yield http


def link(panel: httpx.Client, **body: Any) -> str:
    answer = panel.post(LINKS, json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()["response"]
    assert made.keys() == {"url", "expires_at"}
    return str(made["url"])


def test_the_accounts_own_person_comes_in_once(site: Site, panel: httpx.Client) -> None:
    url = link(panel)
    with site.client() as browser:
        assert browser.get(url, headers=OPENED).headers["location"] == "/"
        assert f"Signed in as {site.silver.account.email}" in browser.get("/account").text
    with site.client() as other:
        again = other.get(url, headers=OPENED)
        assert (again.status_code, "was used already" in again.text) == (404, True)


def test_a_person_has_what_the_link_gives_on_one_application(site: Site, panel: httpx.Client) -> None:
    with site.client() as browser:
        browser.get(link(panel, app="srv/1", rights=["backups.read"], person=EVA), headers=OPENED)
        shown = browser.get("/account").text
        assert "Signed in as eva@example.org" in shown
        assert re.findall(r'<li class="tag">([\w.]+)</li>', shown) == ["backups.read"]
        caller = caller_of_session(site.instance, browser.cookies["holdfast"], "")
        assert caller.grant == Grant(frozenset({Right.BACKUPS_READ}), frozenset({site.app.id}))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"person": EVA}, 400, "INVALID_RIGHTS"),
        ({"person": {"name": "Eva"}, "group": "view"}, 400, "INVALID_EMAIL"),
        ({"person": "eva"}, 400, "INVALID_PERSON"),
        ({"person": {**EVA, "name": "E\n"}, "group": "view"}, 400, "INVALID_NAME"),
        ({"group": "view", "rights": ["backups.read"]}, 400, "INVALID_RIGHTS"),
        ({"group": "gods"}, 400, "INVALID_GROUP"),
        ({"rights": []}, 400, "INVALID_RIGHTS"),
        ({"app": "srv/2"}, 400, "INVALID_APP"),
        ({"app": 7}, 400, "INVALID_APP"),
        ({"return_to": "//evil.example"}, 400, "INVALID_RETURN_TO"),
        ({"return_to": "/%5Cevil.example"}, 400, "INVALID_RETURN_TO"),
        ({"to": "/"}, 400, "INVALID_JSON_BODY"),
    ],
)
def test_what_is_refused_makes_no_link(
    site: Site, panel: httpx.Client, body: dict[str, Any], status: int, code: str
) -> None:
    answer = panel.post(LINKS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    with site.instance.catalog.read() as connection:
        assert connection.execute(select(sign_in_links)).all() == []


def test_accounts_that_cannot_be_signed_in_to(site: Site, panel: httpx.Client) -> None:
    assert panel.post(LINKS.replace("cust-1", "cust-2")).json()["code"] == "ACCOUNT_NOT_FOUND"
    with site.client(admin_key(site.instance, "accounts", "read", "act", name="other")) as other:
        assert other.post(LINKS).status_code == 403
        other.delete("/v3/admin/accounts/cust-1")
    assert panel.post(LINKS).json()["code"] == "ACCOUNT_ENDED"
