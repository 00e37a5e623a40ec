"""Members and invitations over HTTP: made, changed, ended, and what nobody can do."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
from kit.keys import add_named_key
from kit.site import Site

from holdfast.catalog.people.keys import keys_of
from holdfast.catalog.people.members import enter_member, enter_person
from holdfast.catalog.people.records import Member, Person
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.keys import NewKey
from holdfast.schemas.people.members import NewMember
from holdfast.service.integrity.rebuild import rebuild
from holdfast.service.people.giving import giver_of, operator_giver
from holdfast.service.people.invitations import invite
from holdfast.service.people.keys import make_key
from holdfast.service.people.members import end_member, find_member
from holdfast.service.people.sessions import caller_of_session

MEMBERS = "/v3/members"
HERE = {"Sec-Fetch-Site": "same-origin"}


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def joined(site: Site, email: str, rights: str) -> Member:
    person = Person(email.encode().hex().ljust(32, "0")[:32], email, "", 0)
    member = Member(person.id[::-1], site.silver.account.id, person, rights, None, 0)
    with site.instance.catalog.write() as connection:
        enter_person(connection, person)
        enter_member(connection, member)
    return member


def owner_key(site: Site) -> str:
    return add_named_key(site.instance, site.silver.account.id, "owner")


def test_a_person_is_invited_changed_and_taken_back(site: Site, silver: httpx.Client) -> None:
    answer = silver.post(MEMBERS, json={"email": " Eva@Example.org ", "group": "view", "app_ids": [site.app.id]})
    made = answer.json()["response"]
    assert (answer.status_code, answer.headers["location"]) == (201, f"{MEMBERS}/{made['id']}")
    assert (made["email"], made["state"], made["group"]) == ("eva@example.org", "invited", "view")
    assert made["url"].startswith(f"{site.url}/invite/")
    assert silver.get(MEMBERS).json()["response"] == [{k: v for k, v in made.items() if k != "url"}]
    again = silver.post(MEMBERS, json={"email": "eva@example.org", "group": "view"}).json()["response"]
    with site.client() as http:
        assert http.get(made["url"]).status_code == 404, "the new one takes its place"
        changed = silver.patch(f"{MEMBERS}/{again['id']}", json={"group": "manager"}).json()["response"]
        assert (changed["group"], changed["app_ids"]) == ("manager", None)
        assert silver.delete(f"{MEMBERS}/{again['id']}").json()["response"] == {"id": again["id"]}
        assert http.get(again["url"]).status_code == 404
    assert refused(silver.delete(f"{MEMBERS}/{again['id']}")) == (404, "MEMBER_NOT_FOUND")
    assert refused(silver.patch(f"{MEMBERS}/{'f' * 32}", json={"group": "view"})) == (404, "MEMBER_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"group": "view"}, 400, "INVALID_EMAIL"),
        ({"email": "eva", "group": "view"}, 400, "INVALID_EMAIL"),
        ({"email": "a@b,c@d", "group": "view"}, 400, "INVALID_EMAIL"),
        ({"email": "e@x.org"}, 400, "INVALID_RIGHTS"),
        ({"email": "e@x.org", "group": "root"}, 400, "INVALID_GROUP"),
        ({"email": "e@x.org", "rights": ["backups.fly"]}, 400, "INVALID_RIGHTS"),
        ({"email": "e@x.org", "group": "view", "app_ids": ["f" * 32]}, 400, "INVALID_APP_IDS"),
        ({"email": "e@x.org", "group": "owner"}, 403, "PERMISSION_DENIED"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(
    silver: httpx.Client, body: Any, status: int, code: str
) -> None:
    assert refused(silver.post(MEMBERS, json=body)) == (status, code)
    assert silver.get(MEMBERS).json()["response"] == []


def test_a_member_is_not_invited_again_and_keeps_what_he_has(site: Site, silver: httpx.Client) -> None:
    joined(site, "ben@example.org", "maintain")
    again = {"email": "Ben@example.org", "group": "view"}
    assert refused(silver.post(MEMBERS, json=again)) == (409, "MEMBER_ALREADY")
    assert silver.get(MEMBERS).json()["response"][0]["group"] == "maintain"


def test_nobody_changes_or_ends_one_who_may_more(site: Site) -> None:
    admin, view = joined(site, "ben@example.org", "admin"), joined(site, "eva@example.org", "view")
    weak = add_named_key(site.instance, site.silver.account.id, "members.write backups.read " + " ".join(VIEW))
    with site.client(weak) as http:
        for request in ({"group": "view"}, {"rights": ["backups.read"]}):
            assert refused(http.patch(f"{MEMBERS}/{admin.id}", json=request)) == (403, "PERMISSION_DENIED")
        assert refused(http.delete(f"{MEMBERS}/{admin.id}")) == (403, "PERMISSION_DENIED")
        assert refused(http.patch(f"{MEMBERS}/{view.id}", json={"group": "admin"})) == (403, "PERMISSION_DENIED")
        assert http.patch(f"{MEMBERS}/{view.id}", json={"rights": ["backups.read"]}).status_code == 200


VIEW = ("schedule.read", "members.read", "keys.read", "webhooks.read", "account.read", "audit.read")


def test_the_last_owner_stays_one(site: Site) -> None:
    first = joined(site, "ana@example.org", "owner")
    with site.client(owner_key(site)) as http:
        path = f"{MEMBERS}/{first.id}"
        for answer in (
            http.delete(path),
            http.patch(path, json={"group": "admin"}),
            http.patch(path, json={"app_ids": [site.app.id]}),
        ):
            assert refused(answer) == (409, "LAST_OWNER")
        assert http.patch(path, json={"group": "owner"}).status_code == 200
        joined(site, "ben@example.org", "owner")
        assert http.delete(path).status_code == 200


def test_an_ended_member_loses_keys_sessions_invitations_and_streams(site: Site, silver: httpx.Client) -> None:
    url = silver.post(MEMBERS, json={"email": "eva@example.org", "group": "admin"}).json()["response"]["url"]
    with site.client() as browser:
        assert browser.post(url, headers=HERE).status_code == 303
        eva = caller_of_session(site.instance, browser.cookies["holdfast"], "127.0.0.1")
        wanted = NewMember(email="tom@example.org", group="view")
        invitation = invite(site.instance, eva.account, wanted, giver_of(eva)).url or ""
        key = make_key(site.instance, eva.account.id, NewKey(name="mine", group="view"), giver_of(eva)).api_key
        with site.client(key) as http, http.stream("GET", "/v3/events") as stream:
            assert stream.status_code == 200
            # As another process would do it: by a connection of its own to the catalog.
            member = find_member(site.instance, site.silver.account.id, "eva@example.org")
            end_member(site.instance, member, operator_giver(SYSTEM))
            began = time.monotonic()
            assert not [line for line in stream.iter_lines() if line.startswith("event")]
            assert time.monotonic() - began < 2, "it looks each second"
            assert refused(http.get("/v3/account")) == (401, "ACCESS_DENIED")
        assert browser.get("/account").status_code == 401
        assert browser.get(invitation).status_code == 404
    assert [found.name for found in keys_of(site.instance.catalog, site.silver.account.id)] == ["main"]
    assert silver.get(MEMBERS).json()["response"] == []


def test_a_changed_member_may_at_once_what_he_has_now(site: Site, silver: httpx.Client) -> None:
    made = silver.post(MEMBERS, json={"email": "eva@example.org", "group": "admin"}).json()["response"]
    with site.client() as browser:
        browser.post(made["url"], headers=HERE)
        eva = caller_of_session(site.instance, browser.cookies["holdfast"], "127.0.0.1")
        key = make_key(site.instance, eva.account.id, NewKey(name="mine", group="view"), giver_of(eva)).api_key
    with site.client(key) as http:
        assert http.get("/v3/account").status_code == 200
        silver.patch(f"{MEMBERS}/{made['id']}", json={"app_ids": [site.app.id]})
        assert refused(http.get("/v3/account")) == (403, "PERMISSION_DENIED")
        assert http.get(f"/v3/apps/{site.app.id}/backups").status_code == 200


def test_a_rebuild_brings_members_back(site: Site, silver: httpx.Client) -> None:
    made = silver.post(MEMBERS, json={"email": "eva@example.org", "group": "view"}).json()["response"]
    with site.client() as browser:
        browser.post(made["url"], headers=HERE)
    before = silver.get(MEMBERS).json()["response"]
    with site.instance.catalog.write() as connection:
        for table in ("sessions", "members", "people"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    rebuild(site.instance, SYSTEM)
    assert silver.get(MEMBERS).json()["response"] == before
