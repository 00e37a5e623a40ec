"""Keys with rights of their own: made, used, changed and ended as a customer does it; the main key and its overlap."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import pytest
from kit.keys import add_named_key
from kit.site import Site

from holdfast.catalog.people.keys import keys_of
from holdfast.catalog.people.members import enter_member, enter_person
from holdfast.catalog.people.records import Member, Person
from holdfast.service.people import keys as operations
from holdfast.service.registry.account_record import read_record

NEVER = "f" * 32
KEYS = "/v3/keys"


def made(http: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = http.post(KEYS, json={"name": "bot", "group": "view", **body})
    assert answer.status_code == 201, answer.text
    response: dict[str, Any] = answer.json()["response"]
    assert answer.headers["location"] == f"{KEYS}/{response['id']}"
    return response


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def audited(site: Site, *columns: str) -> list[Any]:
    with site.instance.catalog.read() as connection:
        return list(connection.exec_driver_sql(f"SELECT {', '.join(columns)} FROM audit ORDER BY seq").all())


def test_a_key_is_made_shown_once_and_may_what_it_was_given(site: Site, silver: httpx.Client) -> None:
    key = made(silver, name="  panel ", group="view", app_ids=[site.app.id], networks=["127.0.0.1"], expires_in=3600)
    assert key["key"].startswith(key["start"])
    assert len(key["start"]) == 8
    (main, listed) = silver.get(KEYS).json()["response"]
    assert (main["is_main"], main["name"], main["group"], main["made_by"]["kind"]) == (True, "main", "main", "system")
    assert listed == {name: value for name, value in key.items() if name != "key"}
    assert (listed["name"], listed["group"], listed["app_ids"]) == ("panel", "view", [site.app.id])
    assert (listed["networks"], listed["is_main"]) == (["127.0.0.1/32"], False)
    assert listed["rights"] == [
        *("backups.read", "schedule.read", "members.read", "keys.read", "webhooks.read", "account.read", "audit.read"),
    ]
    assert (listed["made_by"]["kind"], listed["made_by"]["name"], listed["made_by"]["id"]) == (
        "key",
        "main",
        main["id"],
    )
    assert listed["expires_at"] > listed["created_at"]
    with site.client(key["key"]) as http:
        assert http.get(f"/v3/apps/{site.app.id}/backups").status_code == 200
        assert refused(http.post(f"/v3/apps/{site.app.id}/backups")) == (403, "PERMISSION_DENIED")
        assert refused(http.get("/v3/account")) == (403, "PERMISSION_DENIED")
    texts = str(audited(site, "data"))
    assert key["key"] not in texts
    assert key["key"] not in str(keys_of(site.instance.catalog, site.silver.account.id))


def test_the_last_use_is_told_to_the_hour(site: Site, silver: httpx.Client) -> None:
    key = made(silver)
    with site.client(key["key"]) as http:
        assert http.get("/v3/account").status_code == 200
    for _ in range(200):
        used_at = silver.get(KEYS).json()["response"][-1]["last_used_at"]
        if used_at is not None:
            break
        threading.Event().wait(0.02)
    assert used_at[14:19] == "00:00"


def test_a_key_is_changed_in_what_is_given_only(site: Site, silver: httpx.Client) -> None:
    key = made(silver, networks=["192.0.2.0/24"], app_ids=[site.app.id])
    path = f"{KEYS}/{key['id']}"
    with site.client(key["key"]) as http:
        assert refused(http.get("/v3/apps")) == (401, "ACCESS_DENIED")
        changed = silver.patch(path, json={"networks": None, "rights": ["backups.create", "backups.read"]}).json()
        assert changed["response"]["rights"] == ["backups.read", "backups.create"]
        assert (changed["response"]["group"], changed["response"]["name"]) == (None, "bot")
        assert changed["response"]["app_ids"] == [site.app.id]
        assert http.get("/v3/apps").status_code == 200
    renamed = silver.patch(path, json={"name": "ci", "app_ids": None, "expires_in": 60}).json()["response"]
    assert (renamed["name"], renamed["app_ids"], renamed["expires_at"] is None) == ("ci", None, False)
    assert silver.patch(path, json={"expires_in": None}).json()["response"]["expires_at"] is None
    assert refused(silver.patch(path, json={})) == (400, "INVALID_BODY")
    last = json.loads(audited(site, "data")[-2][0])
    assert (last["before"]["name"], last["after"]["name"]) == ("bot", "ci")


def test_an_ended_key_opens_nothing_and_its_streams_end(site: Site, silver: httpx.Client) -> None:
    key = made(silver)
    with site.client(key["key"]) as http, http.stream("GET", "/v3/events") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        # As another process would do it: by a connection of its own to the catalog.
        other = operations.get_key(site.instance, site.silver.account.id, key["id"])
        operations.end_key(site.instance, other, other.made_by)
        began = time.monotonic()
        assert not [line for line in lines if line.startswith("event")], "it ends, and told nothing"
        assert time.monotonic() - began < 2, "it looks each second"
        assert refused(http.get("/v3/account")) == (401, "ACCESS_DENIED")
    assert refused(silver.delete(f"{KEYS}/{key['id']}")) == (404, "KEY_NOT_FOUND")


def test_one_that_is_over_is_not_there(site: Site, silver: httpx.Client) -> None:
    add_named_key(site.instance, site.silver.account.id, "view", ends_at=site.instance.clock.now_ns() - 1)
    ended = keys_of(site.instance.catalog, site.silver.account.id)[-1]
    assert [key["is_main"] for key in silver.get(KEYS).json()["response"]] == [True]
    assert refused(silver.delete(f"{KEYS}/{ended.id}")) == (404, "KEY_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_NAME"),
        ({"name": "x\n"}, "INVALID_RIGHTS"),
        ({"name": "x\x00y", "group": "view"}, "INVALID_NAME"),
        ({"name": "x" * 101, "group": "view"}, "INVALID_NAME"),
        ({"name": "x", "group": "root"}, "INVALID_GROUP"),
        ({"name": "x", "group": 1}, "INVALID_GROUP"),
        ({"name": "x", "group": "main"}, "INVALID_GROUP"),
        ({"name": "x", "rights": ["backups.fly"]}, "INVALID_RIGHTS"),
        ({"name": "x", "rights": []}, "INVALID_RIGHTS"),
        ({"name": "x", "rights": ["backups.read"], "group": "view"}, "INVALID_RIGHTS"),
        ({"name": "x", "group": "view", "app_ids": []}, "INVALID_APP_IDS"),
        ({"name": "x", "group": "view", "app_ids": [NEVER]}, "INVALID_APP_IDS"),
        ({"name": "x", "group": "view", "networks": []}, "INVALID_NETWORKS"),
        ({"name": "x", "group": "view", "networks": ["192.0.2.1/24"]}, "INVALID_NETWORKS"),
        ({"name": "x", "group": "view", "networks": ["example.org"]}, "INVALID_NETWORKS"),
        ({"name": "x", "group": "view", "expires_in": -1}, "INVALID_EXPIRES_IN"),
        ({"name": "x", "group": "view", "expires_in": 59}, "INVALID_EXPIRES_IN"),
        ({"name": "x", "group": "view", "expires_in": "soon"}, "INVALID_EXPIRES_IN"),
        ({"name": "x", "group": "view", "expires_in": 10**30}, "INVALID_EXPIRES_IN"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_changes_nothing(silver: httpx.Client, body: Any, code: str) -> None:
    assert refused(silver.post(KEYS, json=body)) == (400, code)
    assert len(silver.get(KEYS).json()["response"]) == 1


def test_another_accounts_application_is_as_one_that_never_was(site: Site, silver: httpx.Client) -> None:
    theirs, never = (
        silver.post(KEYS, json={"name": "x", "group": "view", "app_ids": [app_id]})
        for app_id in (site.other_app.id, NEVER)
    )
    assert theirs.json() == never.json()


def test_nobody_gives_what_he_lacks(site: Site, silver: httpx.Client) -> None:
    answer = silver.post(KEYS, json={"name": "x", "group": "owner"})
    assert refused(answer) == (403, "PERMISSION_DENIED")
    assert "account.erase" in answer.json()["message"], "the main key itself may not erase"
    strong = made(silver, group="admin")
    account = site.silver.account.id
    with site.client(add_named_key(site.instance, account, "keys.write keys.read backups.read")) as http:
        assert refused(http.post(KEYS, json={"name": "x", "group": "view"})) == (403, "PERMISSION_DENIED")
        own = http.post(KEYS, json={"name": "x", "rights": ["backups.read"]}).json()["response"]
        assert refused(http.patch(f"{KEYS}/{own['id']}", json={"group": "admin"})) == (403, "PERMISSION_DENIED")
        # Nor is a key that may more made to work longer, or from elsewhere.
        more = f"{KEYS}/{strong['id']}"
        assert refused(http.patch(more, json={"expires_in": None})) == (403, "PERMISSION_DENIED")
        assert refused(http.patch(more, json={"networks": ["0.0.0.0/0"]})) == (403, "PERMISSION_DENIED")
        assert refused(http.post("/v3/account/key")) == (403, "PERMISSION_DENIED")


def test_what_a_persons_key_makes_is_bound_to_that_person(site: Site) -> None:
    account, catalog = site.silver.account.id, site.instance.catalog
    person = Person("a" * 32, "ben@example.org", "Ben", 0)
    with catalog.write() as connection:
        enter_person(connection, person)
        enter_member(connection, Member("b" * 32, account, person, "admin", None, 0))
    with site.client(add_named_key(site.instance, account, "admin", person_id=person.id)) as http:
        key = made(http, group="admin")
    assert keys_of(catalog, account)[-1].person_id == person.id
    with catalog.write() as connection:
        enter_member(connection, Member("b" * 32, account, person, "view", None, 0))
    with site.client(key["key"]) as http:
        assert http.get("/v3/account").status_code == 200
        assert refused(http.post(KEYS, json={"name": "x", "group": "view"})) == (403, "PERMISSION_DENIED")


def test_the_main_key_is_replaced_in_its_own_place(site: Site, silver: httpx.Client) -> None:
    (main,) = silver.get(KEYS).json()["response"]
    for answer in (silver.delete(f"{KEYS}/{main['id']}"), silver.patch(f"{KEYS}/{main['id']}", json={"name": "x"})):
        assert refused(answer) == (409, "MAIN_KEY")
        assert "POST /v3/account/key" in answer.json()["message"]
    for seconds in (-1, 86401, "x", 1.5):
        answer = silver.post("/v3/account/key", json={"overlap_seconds": seconds})
        assert refused(answer) == (400, "INVALID_OVERLAP_SECONDS")
    new = silver.post("/v3/account/key", json={"overlap_seconds": 3600}).json()["response"]
    assert new["is_main"]
    with site.client(new["key"]) as http:
        old, shown = http.get(KEYS).json()["response"]
        assert (old["id"], old["is_main"], old["expires_at"] is None, shown["id"]) == (
            main["id"],
            False,
            False,
            new["id"],
        )
        assert silver.get("/v3/account").status_code == 200, "the old one works on"
        assert refused(http.patch(f"{KEYS}/{old['id']}", json={"expires_in": None})) == (409, "MAIN_KEY")
        assert http.delete(f"{KEYS}/{old['id']}").status_code == 200, "but it can be ended before"
        assert refused(silver.get("/v3/account")) == (401, "ACCESS_DENIED")
        newer = http.post("/v3/account/key").json()["response"]["key"]
        assert refused(http.get("/v3/account")) == (401, "ACCESS_DENIED")
    with site.client(newer) as http:
        assert http.get("/v3/account").status_code == 200


def test_the_accounts_record_has_each_change(site: Site, silver: httpx.Client) -> None:
    account = site.silver.account.id
    key = made(silver)
    assert [k.id for k in read_record(site.instance, account).keys][-1] == key["id"]
    silver.patch(f"{KEYS}/{key['id']}", json={"group": "manager"})
    assert read_record(site.instance, account).keys[-1].rights == "manager"
    silver.delete(f"{KEYS}/{key['id']}")
    assert len(read_record(site.instance, account).keys) == 1
    assert [action for action, _ in audited(site, "action", "actor_kind")][-3:] == [
        *("key.created", "key.changed", "key.ended"),
    ]
    assert audited(site, "ip")[-1][0] == "127.0.0.1"


def test_an_account_has_a_maximum_of_keys(silver: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "KEYS_MAX", 2)
    made(silver)
    assert refused(silver.post(KEYS, json={"name": "x", "group": "view"})) == (409, "TOO_MANY_KEYS")


def test_a_key_cannot_outlive_or_outdo_itself(site: Site, silver: httpx.Client) -> None:
    """Changing oneself is possible only downwards."""
    text = add_named_key(site.instance, site.silver.account.id, "keys.write backups.read")
    own = keys_of(site.instance.catalog, site.silver.account.id)[-1]
    with site.client(text) as http:
        assert refused(http.patch(f"{KEYS}/{own.id}", json={"group": "admin"})) == (403, "PERMISSION_DENIED")
        assert http.patch(f"{KEYS}/{own.id}", json={"rights": ["keys.write"]}).status_code == 200
