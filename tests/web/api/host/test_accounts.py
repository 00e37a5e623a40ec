"""The host's accounts over HTTP: made, changed, suspended, ended; and the keys that may do so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from kit.admin_keys import admin_key
from kit.site import Site
from sqlalchemy import select

from holdfast.catalog.backups.rebuild import erase_keys
from holdfast.catalog.database.access_tables import audit
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.records import SYSTEM
from holdfast.schemas.times import iso
from holdfast.service.host.ends import erase_due
from holdfast.service.registry.account_record import read_record
from holdfast.service.registry.accounts import set_email, set_plan
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.keys import reveal_key
from holdfast.service.take.schedule import Schedule, set_schedule, tick
from holdfast.units import DAY_NS

BODY = {"email": "ana@example.org", "plan": "Titanium", "name": "Ana"}
PATH = "/v3/admin/accounts/cust%2F1"


@pytest.fixture
def panel(site: Site) -> Iterator[httpx.Client]:
    """A client with a key of the host for accounts."""
    with site.client(admin_key(site.instance, "accounts")) as http:
        yield http


def audited(site: Site, but: str = "host.called") -> list[tuple[str, str]]:
    """(kind of the actor, action) of each change in the audit that an account or a call of the host has."""
    with site.instance.catalog.read() as connection:
        query = select(audit.c.actor_kind, audit.c.action).where(audit.c.action != but).order_by(audit.c.seq)
        return [(row[0], row[1]) for row in connection.execute(query) if row[0] == "host"]


def response(answer: httpx.Response, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["response"]


def test_a_put_makes_an_account_and_the_same_again_changes_nothing(site: Site, panel: httpx.Client) -> None:
    made = response(panel.put(PATH, json=BODY), 201)
    assert (made["external_id"], made["email"], made["name"], made["is_suspended"]) == (
        *("cust/1", BODY["email"], BODY["name"]),
        False,
    )
    record = read_record(site.instance, made["id"])
    assert record.account.external_id == "cust/1", "a rebuild gets it back"
    assert response(panel.put(PATH, json=BODY)) == made
    assert audited(site) == [("host", "account.created")]
    changed = response(panel.put(PATH, json={**BODY, "plan": "Silver"}))
    assert (changed["plan"], changed["id"]) == ("Silver", made["id"])
    assert audited(site)[1:] == [("host", "account.changed")]
    assert panel.get("/v3/admin/accounts/CUST%2F1").json()["code"] == "ACCOUNT_NOT_FOUND", "it is case-sensitive"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"plan": "Silver"}, 400, "INVALID_EMAIL"),
        ({"email": "x", "plan": "Silver"}, 400, "INVALID_EMAIL"),
        ({"email": "b@example.org", "plan": "Gold?"}, 400, "INVALID_PLAN"),
        ({"email": "b@example.org", "plan": "Silver", "name": ""}, 400, "INVALID_NAME"),
        ({"email": "b@example.org", "plan": "Silver", "is_suspended": 1}, 400, "INVALID_IS_SUSPENDED"),
        ({"email": "silver0@example.org", "plan": "Silver"}, 409, "EMAIL_TAKEN"),
        ({"email": "b@example.org", "plan": "Silver", "path": "/"}, 400, "INVALID_JSON_BODY"),
    ],
)
def test_what_is_refused_changes_nothing(
    site: Site, panel: httpx.Client, body: dict[str, Any], status: int, code: str
) -> None:
    answer = panel.put(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert panel.get(PATH).status_code == 404
    assert audited(site) == []


def test_an_external_id_is_1_to_128_characters(panel: httpx.Client) -> None:
    assert panel.put(f"/v3/admin/accounts/{'x' * 128}", json=BODY).status_code == 201
    for bad in ("x" * 129, "a%0Ab"):
        assert panel.put(f"/v3/admin/accounts/{bad}", json=BODY).json()["code"] == "INVALID_EXTERNAL_ID"


def test_wrong_keys_and_scopes(site: Site, panel: httpx.Client) -> None:
    ended = admin_key(site.instance, "accounts", name="old", expires_in=1)
    site.instance.clock = _Later(site.instance.clock.now_ns() + 2 * 10**9)
    for key in ("hfa_" + "0" * 72, ended, site.silver.api_key):
        with site.client(key) as http:
            assert http.put(PATH, json=BODY).status_code == 401
    with site.client(admin_key(site.instance, "read", "act", name="reads")) as http:
        refused = http.put(PATH, json=BODY)
        assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_DENIED")
        assert "accounts" in refused.json()["message"]
        assert http.get("/v3/admin/accounts").status_code == 200


class _Later:
    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns


def test_lists_are_paged(site: Site, panel: httpx.Client) -> None:
    for number in range(3):
        body = {**BODY, "email": f"n{number}@example.org"}
        response(panel.put(f"/v3/admin/accounts/n{number}", json=body), 201)
    whole = [one["id"] for one in response(panel.get("/v3/admin/accounts"))]
    first = panel.get("/v3/admin/accounts?limit=4")
    rest = panel.get(first.links["next"]["url"])
    assert [one["id"] for one in (*response(first), *response(rest))] == whole
    assert len(whole) == 6, "the operator's own are among them"
    assert "next" not in rest.links
    empty = panel.get("/v3/admin/accounts?standing=empty&limit=2")
    assert [one["standing"]["kind"] for one in response(empty)] == ["empty"] * 2
    assert "standing=empty" in empty.links["next"]["url"]
    assert panel.get("/v3/admin/accounts?standing=fine").json()["code"] == "INVALID_STANDING"
    late = {"updated_after": "2100-01-01T00:00:00Z"}
    assert response(panel.get("/v3/admin/accounts", params=late)) == []


def test_the_operators_changes_are_among_those_since_a_time(site: Site, panel: httpx.Client) -> None:
    made = response(panel.put(PATH, json=BODY), 201)
    after = site.instance.clock.now_ns() + DAY_NS

    def changed_since() -> list[str]:
        since = iso(after, site.instance.zone)
        return [one["id"] for one in response(panel.get("/v3/admin/accounts", params={"updated_after": since}))]

    for change, value in ((set_plan, "Bronze"), (set_email, "new@example.org")):
        assert changed_since() == []
        site.instance.clock = _Later(after + DAY_NS)
        change(site.instance, made["id"], value, SYSTEM)
        assert changed_since() == [made["id"]]
        after += 2 * DAY_NS
        change(site.instance, made["id"], value, SYSTEM)
        assert changed_since() == [], "the same again changes nothing"


def test_a_suspended_account_lists_and_downloads_and_changes_nothing(site: Site, panel: httpx.Client) -> None:
    made = response(panel.put(PATH, json=BODY), 201)
    app = add_app(site.instance, made["id"], "bot", site.folder, SYSTEM)
    set_schedule(site.instance, app, Schedule("* * * * *"), SYSTEM)
    response(panel.put(PATH, json={**BODY, "is_suspended": True}))
    backups = f"/v3/apps/{app.id}/backups"
    with site.client(reveal_key(site.instance, made["id"])) as customer:
        assert customer.get(backups).status_code == 200
        for answer in (customer.post(backups), customer.put(f"/v3/apps/{app.id}/schedule", json={"cron": None})):
            assert (answer.status_code, answer.json()["code"]) == (403, "ACCOUNT_SUSPENDED")
        site.instance.clock = _Later(site.instance.clock.now_ns() + 3600 * 10**9)
        claimed = tick(site.instance)
        assert [(run.backup, run.because) for run in claimed] == [(None, "its account is suspended")]
        response(panel.put(PATH, json={**BODY, "is_suspended": False}))
        assert customer.post(backups).status_code == 202


def test_an_account_ends_and_a_put_undoes_it(site: Site, panel: httpx.Client) -> None:
    made = response(panel.put(PATH, json=BODY), 201)
    key = reveal_key(site.instance, made["id"])
    ended = response(panel.delete(PATH))
    assert ended["ended_at"] is not None
    assert ended["erase_at"] is None
    assert response(panel.delete(PATH)) == ended
    with site.client(key) as customer:
        assert customer.get("/v3/account").status_code == 401
        again = response(panel.put(PATH, json=BODY))
        assert (again["ended_at"], again["id"]) == (None, made["id"])
        assert customer.get("/v3/account").status_code == 200
    assert [action for _, action in audited(site)] == ["account.created", "account.ended", "account.changed"]


def test_an_ended_account_is_erased_when_its_time_has_come(site: Site, panel: httpx.Client) -> None:
    made = response(panel.put(PATH, json=BODY), 201)
    ended = response(panel.delete(f"{PATH}?erase=true"))
    assert ended["erase_at"] is not None
    for query in ("", "?erase=true", "?erase=false"):
        assert response(panel.delete(PATH + query)) == ended, "the same twice changes nothing"
    assert erase_due(site.instance) == []
    assert response(panel.put(PATH, json=BODY))["erase_at"] is None, "a PUT undoes it"
    response(panel.delete(f"{PATH}?erase=true&now=true"))
    assert erase_due(site.instance) == [made["id"]]
    assert panel.get(PATH).status_code == 404
    assert panel.delete(f"{PATH}?erase=perhaps").json()["code"] == "INVALID_ERASE"


def test_the_host_acts_for_an_account(site: Site, panel: httpx.Client) -> None:
    response(panel.put(PATH, json=BODY), 201)
    backups = f"/v3/apps/{site.app.id}/backups"
    with site.client(admin_key(site.instance, "act", name="acts")) as host:
        assert host.get(backups).status_code == 200, "for whom the application in the path belongs to"
        named = host.get("/v3/account", headers={"Holdfast-Account": "cust%2F1"})
        assert response(named)["email"] == BODY["email"]
        assert host.get("/v3/account").json()["code"] == "INVALID_HOLDFAST_ACCOUNT"
        assert host.get("/v3/account", headers={"Holdfast-Account": "none"}).json()["code"] == "ACCOUNT_NOT_FOUND"
        assert host.get(backups, headers={"Holdfast-Account": "cust%2F1"}).json()["code"] == "APP_NOT_FOUND"
        assert panel.get(backups).json()["code"] == "PERMISSION_DENIED"
        panel.delete(PATH)
        ended = host.get("/v3/account", headers={"Holdfast-Account": "cust%2F1"})
        assert (ended.status_code, ended.json()["code"]) == (404, "ACCOUNT_NOT_FOUND")
        with site.instance.catalog.write() as connection:
            of_app = accounts.update().where(accounts.c.id == site.silver.account.id)
            connection.execute(of_app.values(ended_at=1))
        assert host.get(backups).json()["code"] == "APP_NOT_FOUND", "its customer reaches nothing either"


def test_every_call_is_in_the_audit(site: Site, panel: httpx.Client) -> None:
    made = response(panel.put(PATH, json=BODY), 201)
    panel.get(PATH)
    panel.get(f"{PATH}9")
    site.front.context.calls.shutdown(wait=True)
    with site.instance.catalog.read() as connection:
        query = select(audit.c.actor_kind, audit.c.actor_name, audit.c.account_id, audit.c.data)
        rows = [tuple(row) for row in connection.execute(query.where(audit.c.action == "host.called"))]
    assert ("host", "panel", made["id"], '{"method":"GET","path":"/v3/admin/accounts/cust%2F1"}') in rows
    assert ("host", "panel", None, '{"method":"GET","path":"/v3/admin/accounts/cust%2F19"}') in rows


def test_an_account_that_is_being_erased_is_not_brought_back(site: Site, panel: httpx.Client) -> None:
    made = response(panel.put(PATH, json=BODY), 201)
    response(panel.delete(f"{PATH}?erase=true&now=true"))
    erase_keys(site.instance.catalog, made["id"], 0, SYSTEM)
    refused = panel.put(PATH, json=BODY)
    assert (refused.status_code, refused.json()["code"]) == (409, "ACCOUNT_ERASED")
