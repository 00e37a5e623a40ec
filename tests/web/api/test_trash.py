"""The trash through the API: room for what comes back, links meanwhile, and bad values of its flags."""

from __future__ import annotations

import os

import httpx
import pytest
from kit.site import Site, set_plans

from holdfast.catalog.records import Backup
from holdfast.service.take.run import run_backup


def take(site: Site, client: httpx.Client) -> Backup:
    """A backup that the account asked for, and that its limits count."""
    asked = client.post(f"/v3/apps/{site.app.id}/backups")
    return run_backup(site.instance, asked.json()["response"]["id"])


def path_of(site: Site, backup: Backup) -> str:
    return f"/v3/apps/{site.app.id}/backups/{backup.id}"


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.json()["status"] == "error"
    return answer.status_code, answer.json()["code"]


def trash(site: Site, client: httpx.Client) -> list[str]:
    return [one["id"] for one in client.get(f"/v3/apps/{site.app.id}/backups?trash=true").json()["response"]]


def test_what_comes_back_needs_a_place_again(site: Site, silver: httpx.Client) -> None:
    set_plans(site.instance, backups_per_app=1)
    gone = take(site, silver)
    assert silver.delete(path_of(site, gone)).status_code == 200
    other = take(site, silver)
    answer = silver.post(f"{path_of(site, gone)}/undelete")
    assert refused(answer) == (429, "BACKUPS_LIMIT_REACHED")
    assert int(answer.headers["retry-after"]) > 0
    assert trash(site, silver) == [gone.id]
    assert silver.get("/v3/audit?action=backup.undeleted").json()["response"] == []
    assert silver.delete(path_of(site, other)).status_code == 200
    assert silver.post(f"{path_of(site, gone)}/undelete").json()["response"]["id"] == gone.id
    assert trash(site, silver) == [other.id]


def test_what_comes_back_needs_its_bytes_again_and_no_time(site: Site, silver: httpx.Client) -> None:
    large = site.folder / "large"
    large.write_bytes(os.urandom(200_000))
    gone = take(site, silver)
    large.write_bytes(os.urandom(200_000))
    take(site, silver)
    assert silver.delete(path_of(site, gone)).status_code == 200
    usage = silver.get("/v3/account").json()["response"]["usage"]
    assert usage["trash_storage"] > 200_000
    set_plans(site.instance, storage_bytes=usage["storage"] + 1, backups_per_day=1, cooldown_seconds=3600)
    answer = silver.post(f"{path_of(site, gone)}/undelete")
    assert refused(answer) == (429, "STORAGE_LIMIT_REACHED")
    assert int(answer.headers["retry-after"]) > 0
    assert trash(site, silver) == [gone.id]
    set_plans(site.instance, storage_bytes=usage["storage"] + usage["trash_storage"] + 1)
    assert silver.post(f"{path_of(site, gone)}/undelete").status_code == 200


def test_a_link_with_an_end_opens_nothing_in_the_trash(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    taken = site.take()
    link = silver.post(f"{path_of(site, taken)}/links", json={"expires_in": 3600}).json()["response"]["url"]
    whole = http.get(link).content
    assert silver.delete(path_of(site, taken)).status_code == 200
    assert refused(http.get(link)) == (404, "BACKUP_NOT_FOUND")
    assert refused(silver.post(f"{path_of(site, taken)}/links", json={"expires_in": 3600})) == (404, "BACKUP_NOT_FOUND")
    assert silver.post(f"{path_of(site, taken)}/undelete").status_code == 200
    again = http.get(link)
    assert (again.status_code, again.content) == (200, whole)
    (listed,) = silver.get("/v3/links").json()["response"]
    assert silver.delete(path_of(site, taken)).status_code == 200
    assert silver.delete(f"/v3/links/{listed['id']}").status_code == 200
    assert silver.post(f"{path_of(site, taken)}/undelete").status_code == 200
    assert refused(http.get(link)) == (410, "LINK_EXPIRED"), "a link that was ended meanwhile stays ended"


@pytest.mark.parametrize("value", ["maybe", "", "1 ", "TRUE!", "true&{flag}=true"])
def test_a_flag_with_a_bad_value_changes_nothing(site: Site, silver: httpx.Client, value: str) -> None:
    taken = site.take()
    final, listed = (value.format(flag=flag) for flag in ("final", "trash"))
    assert refused(silver.delete(f"{path_of(site, taken)}?final={final}")) == (400, "INVALID_FINAL")
    assert refused(silver.get(f"/v3/apps/{site.app.id}/backups?trash={listed}")) == (400, "INVALID_TRASH")
    assert silver.get(path_of(site, taken)).status_code == 200
