"""Starting, showing, changing and deleting one backup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import httpx
import pytest
from kit.site import Site


def code_of(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert list(body) == ["status", "code", "message"]
    assert body["status"] == "error"
    return answer.status_code, body["code"]


def in_hours(hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


def test_start_queues_one_and_says_where_it_is(site: Site, silver: httpx.Client) -> None:
    answer = silver.post(f"/v3/apps/{site.app.id}/backups", json={"name": "mine", "is_locked": True})
    backup = answer.json()["response"]
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v3/apps/{site.app.id}/backups/{backup['id']}"
    assert (backup["name"], backup["state"], backup["is_locked"]) == ("mine", "queued", True)
    assert (backup["url"], backup["key"], backup["size"]) == (None, "", 0)
    assert [(work.id, work.app_id, work.node) for work in site.queued()] == [(backup["id"], site.app.id, "main")]
    assert silver.get(answer.headers["location"]).json()["response"] == backup


def test_start_without_a_body_and_with_an_empty_one(site: Site, silver: httpx.Client) -> None:
    assert silver.post(f"/v3/apps/{site.app.id}/backups").status_code == 202
    with site.client(site.other.api_key) as other:
        assert other.post(f"/v3/apps/{site.other_app.id}/backups", json={}).status_code == 202


def test_a_second_start_meanwhile_is_refused(site: Site, silver: httpx.Client) -> None:
    silver.post(f"/v3/apps/{site.app.id}/backups")
    answer = silver.post(f"/v3/apps/{site.app.id}/backups")
    assert code_of(answer) == (409, "BACKUP_IN_PROGRESS")
    assert len(site.queued()) == 1


def test_wait_holds_the_answer_until_it_is_finished(site: Site, silver: httpx.Client) -> None:
    site.start_worker()
    answer = silver.post(f"/v3/apps/{site.app.id}/backups?wait=20")
    assert answer.status_code == 200
    assert answer.json()["response"]["state"] == "successful"
    assert httpx.get(answer.json()["response"]["url"]).status_code == 200


def test_wait_gives_up_when_its_time_is_over(site: Site, silver: httpx.Client) -> None:
    answer = silver.post(f"/v3/apps/{site.app.id}/backups?wait=1")
    assert (answer.status_code, answer.json()["response"]["state"]) == (202, "queued")


def test_the_same_idempotency_key_gives_the_same_backup(site: Site, silver: httpx.Client) -> None:
    path, headers = f"/v3/apps/{site.app.id}/backups", {"Idempotency-Key": "k1"}
    first = silver.post(path, json={"name": "n"}, headers=headers)
    again = silver.post(path, json={"name": "n"}, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    reused = silver.post(path, json={"name": "other"}, headers=headers)
    assert code_of(reused) == (422, "IDEMPOTENCY_KEY_REUSED")


@pytest.mark.parametrize("name", ["plain", "mit Leerzeichen: 10 %", "日本 🎉", "a+b?c#d", "100%2F"])
def test_one_is_found_by_its_encoded_name(site: Site, silver: httpx.Client, name: str) -> None:
    taken = site.take(name=name)
    answer = silver.get(f"/v3/apps/{site.app.id}/backups/{quote(name, safe='')}")
    assert answer.json()["response"]["id"] == taken.id
    assert httpx.get(answer.json()["response"]["url"]).status_code == 200


def test_one_has_an_etag(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    etag = silver.get(path).headers["etag"]
    assert silver.get(path, headers={"If-None-Match": etag}).status_code == 304


def test_rename(site: Site, silver: httpx.Client) -> None:
    taken = site.take(name="old")
    path = f"/v3/apps/{site.app.id}/backups"
    answer = silver.patch(f"{path}/old", json={"name": "new"})
    assert (answer.status_code, answer.json()["response"]["name"]) == (200, "new")
    assert code_of(silver.get(f"{path}/old")) == (404, "BACKUP_NOT_FOUND")
    assert silver.get(f"{path}/new").json()["response"]["id"] == taken.id
    assert silver.patch(f"{path}/new", json={"name": "new"}).status_code == 200


def test_a_taken_name_is_refused_and_changes_nothing_else(site: Site, silver: httpx.Client) -> None:
    site.take(name="a")
    site.take(name="b")
    answer = silver.patch(f"/v3/apps/{site.app.id}/backups/b", json={"name": "a", "is_locked": True})
    assert code_of(answer) == (409, "BACKUP_NAME_TAKEN")
    assert silver.get(f"/v3/apps/{site.app.id}/backups/b").json()["response"]["is_locked"] is False
    again = silver.post(f"/v3/apps/{site.app.id}/backups", json={"name": "a"})
    assert code_of(again) == (409, "BACKUP_NAME_TAKEN")


def test_an_empty_change_changes_nothing(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    before = silver.get(path).json()
    refused = silver.patch(path, json={})
    assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_BODY")
    assert "is_locked" in refused.json()["message"]
    assert silver.get(path).json() == before


def test_the_page_after_an_unknown_backup_of_the_account(site: Site, silver: httpx.Client) -> None:
    assert silver.get(f"/v3/backups?after={32 * 'a'}").json()["message"] == "This account has no such backup."


def test_a_locked_backup_stays_until_it_is_unlocked(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    assert silver.patch(path, json={"is_locked": True}).json()["response"]["is_locked"] is True
    assert code_of(silver.delete(path)) == (409, "BACKUP_LOCKED")
    silver.patch(path, json={"is_locked": False})
    assert silver.delete(path).status_code == 200


def test_a_time_lock_holds_against_the_api_key_too(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    locked = silver.patch(path, json={"locked_until": in_hours(2)})
    assert locked.status_code == 200
    assert locked.json()["response"]["locked_until"] is not None
    for change in ({"locked_until": in_hours(1)}, {"locked_until": None}, {"locked_until": None, "name": "x"}):
        assert code_of(silver.patch(path, json=change)) == (409, "BACKUP_LOCKED")
    assert code_of(silver.delete(path)) == (409, "BACKUP_LOCKED")
    assert silver.get(path).json() == locked.json()
    assert silver.patch(path, json={"locked_until": in_hours(3)}).status_code == 200


def test_no_time_lock_can_be_said_where_there_is_none(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    assert silver.patch(path, json={"locked_until": None}).json()["response"]["locked_until"] is None


def test_a_time_lock_in_the_past_is_none(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    for text, shown in (
        ("0033-08-22T20:11:18.3+03:54", None),
        ("2024-12-07T22:07:11+01:00", None),
    ):
        assert silver.patch(path, json={"locked_until": text}).json()["response"]["locked_until"] == shown


@pytest.mark.parametrize("text", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59z"])
def test_a_time_lock_ends_within_what_the_plan_allows(site: Site, silver: httpx.Client, text: str) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    refused = silver.patch(path, json={"locked_until": text, "is_locked": True, "name": "other"})
    assert code_of(refused) == (400, "INVALID_LOCKED_UNTIL")
    assert "at most 365 days" in refused.json()["message"]
    shown = silver.get(path).json()["response"]
    assert (shown["locked_until"], shown["is_locked"]) == (None, False)
    assert silver.patch(path, json={"locked_until": in_hours(364 * 24)}).status_code == 200


def test_delete_tells_what_it_will_free(site: Site, silver: httpx.Client) -> None:
    taken = site.take()
    path = f"/v3/apps/{site.app.id}/backups/{taken.id}"
    answer = silver.delete(path)
    said = answer.json()["response"]
    assert answer.status_code == 200
    assert said["gone_at"]
    assert (said["id"], said["freed_size"]) == (taken.id, taken.stored_bytes)
    assert code_of(silver.get(path)) == (404, "BACKUP_NOT_FOUND")
    assert code_of(silver.delete(path)) == (404, "BACKUP_NOT_FOUND")
    assert code_of(httpx.get(site.url + site.link(taken))) == (404, "BACKUP_NOT_FOUND")


def test_a_deletion_can_be_undone_until_it_is_final(site: Site, silver: httpx.Client) -> None:
    taken = site.take()
    path, link = f"/v3/apps/{site.app.id}/backups/{taken.id}", site.url + site.link(taken)
    before = silver.get(path).json()
    assert code_of(silver.post(f"{path}/undelete")) == (409, "BACKUP_NOT_USABLE")
    gone_at = silver.delete(path).json()["response"]["gone_at"]
    (trashed,) = silver.get(f"/v3/apps/{site.app.id}/backups?trash=true").json()["response"]
    assert (trashed["id"], trashed["gone_at"], trashed["key"], trashed["url"]) == (taken.id, gone_at, "", None)
    everywhere = (f"/v3/apps/{site.app.id}/backups", "/v3/backups", "/v3/jobs")
    assert [silver.get(url).json()["response"] for url in everywhere] == [[], [], []]
    assert code_of(silver.get(f"/v3/jobs/{taken.id}")) == (404, "JOB_NOT_FOUND")
    name = {"name": taken.name}
    taken_name = silver.post(f"/v3/apps/{site.app.id}/backups", json=name)
    assert code_of(taken_name) == (409, "BACKUP_NAME_TAKEN")
    assert "trash" in taken_name.json()["message"]
    assert silver.post(f"{path}/undelete").json() == before == silver.get(path).json()
    assert httpx.get(link).status_code == 200
    assert silver.delete(path).status_code == 200
    assert code_of(silver.delete(f"{path}?final=maybe")) == (400, "INVALID_FINAL")
    assert silver.delete(f"{path}?final=true").json()["response"]["gone_at"] is None
    assert code_of(silver.post(f"{path}/undelete")) == (404, "BACKUP_NOT_FOUND")


def test_one_that_is_being_made_cannot_be_deleted(site: Site, silver: httpx.Client) -> None:
    location = silver.post(f"/v3/apps/{site.app.id}/backups").headers["location"]
    assert code_of(silver.delete(location)) == (409, "BACKUP_IN_PROGRESS")
