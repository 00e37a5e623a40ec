"""`GET /v3/audit`: what it shows and to whom, as JSON and as a file; downloads in it."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
from kit.keys import add_named_key
from kit.site import Site

from holdfast.catalog.events.audit import entries
from holdfast.catalog.records import SYSTEM, Actor, ActorKind, AuditFilter
from holdfast.service.people.audit import KEPT_NS, forget_old
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.backups import rename
from holdfast.service.registry.trash import delete_backup
from holdfast.web.download_audit import WINDOW_NS, WINDOWS_MAX, DownloadAudit, Downloaded

OPERATOR = Actor(ActorKind.OPERATOR, "1000", "ana")


def listed(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/v3/audit", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["response"]
    return found


def test_an_entry_has_exactly_its_fields_and_the_newest_is_first(site: Site, silver: httpx.Client) -> None:
    backup = site.take(name="first")
    answer = silver.patch(f"/v3/apps/{site.app.id}/backups/{backup.id}", json={"name": "=1+1", "is_locked": True})
    assert answer.status_code == 200
    renamed, locked = listed(silver)[:2]
    assert list(renamed) == ["seq", "at", "actor", "ip", "action", "app_id", "backup_id", "job_id", "data"]
    assert (renamed["action"], locked["action"]) == ("backup.renamed", "backup.locked")
    assert renamed["seq"] > locked["seq"]
    assert renamed["data"] == {"before": {"name": "first"}, "after": {"name": "=1+1"}}
    assert list(renamed["actor"]) == ["kind", "id", "name"]
    assert (renamed["actor"]["kind"], renamed["ip"], renamed["app_id"]) == ("key", "127.0.0.1", site.app.id)


def test_pages_and_filters(site: Site, silver: httpx.Client) -> None:
    backup = site.take(name="first")
    for name in ("a", "b", "c"):
        backup = rename(site.instance, backup, name, OPERATOR)
    whole = listed(silver)
    seen, url = [], "/v3/audit?limit=2"
    while url:
        answer = silver.get(url)
        seen += answer.json()["response"]
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == whole
    assert [one["data"]["after"]["name"] for one in listed(silver, actor="operator", action="backup.renamed")] == [
        *("c", "b", "a")
    ]
    assert {one["action"] for one in listed(silver, action="backup.")} == {"backup.created", "backup.renamed"}
    assert listed(silver, actor="schedule") == []
    for bad in ("after=x", "limit=0", "limit=201", "app_id=1", "actor=", "action="):
        assert silver.get(f"/v3/audit?{bad}").json()["code"] == f"INVALID_{bad.partition('=')[0].upper()}"


def test_nothing_of_the_operator_or_his_machine_is_shown(site: Site, silver: httpx.Client) -> None:
    add_app(site.instance, site.silver.account.id, "second", site.folder, OPERATOR)
    answer = silver.get("/v3/audit")
    assert answer.json()["response"][0]["actor"] == {"kind": "operator", "id": "", "name": "operator"}
    for private in (str(site.folder), '"ana"', "1000"):
        assert private not in answer.text


def test_a_limited_caller_sees_his_applications_and_others_nothing(site: Site, silver: httpx.Client) -> None:
    other = add_app(site.instance, site.silver.account.id, "second", site.folder, OPERATOR)
    site.take()
    limited = add_named_key(site.instance, site.silver.account.id, "audit.read", app_ids=(other.id,))
    with site.client(limited) as client:
        assert {one["app_id"] for one in listed(client)} == {other.id}
        assert client.get(f"/v3/audit?app_id={site.app.id}").json()["code"] == "APP_NOT_FOUND"
    with site.client(add_named_key(site.instance, site.silver.account.id, "backups.read")) as client:
        assert client.get("/v3/audit").json()["code"] == "PERMISSION_DENIED"
    with site.client(site.other.api_key) as client:
        assert site.app.id not in client.get("/v3/audit").text


def test_a_file_for_tables_runs_nobodys_formula(site: Site, silver: httpx.Client) -> None:
    formula = Actor(ActorKind.KEY, "k" * 32, '=cmd|" /C calc"!A0', "203.0.113.9")
    delete_backup(site.instance, site.take(name="first"), formula)
    answer = silver.get("/v3/audit", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.text.count("\r\n") == answer.text.count("\n")
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert rows[0][:3] == ["seq", "at", "actor_kind"]
    deleted = dict(zip(rows[0], rows[1], strict=True))
    assert (deleted["action"], deleted["actor_name"]) == ("backup.deleted", "'" + formula.name)
    assert len(rows) == 1 + len(listed(silver, limit=200))


def downloads(site: Site) -> list[tuple[str, int, int]]:
    site.front.context.download_audit.store()
    found = entries(site.instance.catalog, AuditFilter(account_id=site.silver.account.id), 100)
    return [(e.action, e.data["requests"], e.data["bytes"]) for e in found if e.action.endswith("downloaded")]


def test_requests_of_one_link_and_address_are_one_entry(site: Site, http: httpx.Client, silver: httpx.Client) -> None:
    backup = site.take()
    link = site.link(backup)
    size = len(http.get(link).content)
    assert downloads(site) == [("backup.downloaded", 1, size)]
    assert http.get(link, headers={"Range": "bytes=0-99"}).status_code == 206
    assert http.head(link).status_code == 200
    assert downloads(site) == [("backup.downloaded", 2, size + 100)]
    content = f"/v3/apps/{site.app.id}/backups/{backup.id}/content?path=hello.txt"
    file = silver.get(content).content
    assert sorted(downloads(site)) == [("backup.downloaded", 2, size + 100), ("content.downloaded", 1, len(file))]
    assert listed(silver, action="content.downloaded")[0]["data"]["paths"] == ["hello.txt"]


def test_many_links_take_bounded_memory_and_a_stop_loses_nothing(site: Site) -> None:
    kept = DownloadAudit(site.instance)
    count = WINDOWS_MAX + 500
    for number in range(count):
        of = Downloaded(SYSTEM, site.silver.account.id, site.app.id, f"{number:032x}", "zip")
        with kept.counted(of) as window:
            window.sent += 1
    assert len(kept) == count
    kept.store()
    assert len(kept) == WINDOWS_MAX
    with kept.counted(of) as window:
        window.sent += 4
    kept.stop()
    (last,) = entries(site.instance.catalog, AuditFilter(action="backup.downloaded"), 1)
    assert last.data == {"bytes": 5, "requests": 2, "format": "zip"}


def test_after_ten_minutes_another_entry_begins(site: Site, monkeypatch: Any) -> None:
    kept = DownloadAudit(site.instance)
    of = Downloaded(SYSTEM, site.silver.account.id, site.app.id, "b" * 32, "zip")
    now = site.instance.clock.now_ns()
    for at in (now, now + WINDOW_NS - 1, now + WINDOW_NS):
        monkeypatch.setattr(type(site.instance.clock), "now_ns", lambda _, at=at: at)
        with kept.counted(of):
            pass
    kept.stop()
    found = entries(site.instance.catalog, AuditFilter(action="backup.downloaded"), 9)
    assert [one.data["requests"] for one in found] == [1, 2]


def test_after_400_days_entries_go(site: Site, monkeypatch: Any) -> None:
    site.take()
    account = AuditFilter(account_id=site.silver.account.id)
    assert forget_old(site.instance) == 0
    later = site.instance.clock.now_ns() + KEPT_NS + 1
    monkeypatch.setattr(type(site.instance.clock), "now_ns", lambda _: later)
    assert forget_old(site.instance) > 0
    assert entries(site.instance.catalog, account, 9) == []
