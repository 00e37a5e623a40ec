"""Links with an end: made, used from any byte, listed, ended alone; all links ended at once."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from kit.keys import add_named_key
from kit.links import key_of
from kit.site import Site

from holdfast.catalog.people.links import link_by_id, links_of
from holdfast.catalog.records import SYSTEM, Backup
from holdfast.schemas.links import NewLink
from holdfast.service.access.download import find_signed_download
from holdfast.service.instance.home import open_instance
from holdfast.service.people import links as operations
from holdfast.service.people.ended import forget_ended
from holdfast.units import DAY_NS, SECOND_NS

LINKS = "/v3/links"


def path_of(url: str) -> str:
    return url.removeprefix(f"http://{urlsplit(url).netloc}")


def made(site: Site, http: httpx.Client, backup: Backup, **body: Any) -> tuple[str, str]:
    """The link's own address, and path and query of the download."""
    answer = http.post(f"/v3/apps/{site.app.id}/backups/{backup.id}/links", json={"expires_in": 3600, **body})
    assert answer.status_code == 201, answer.text
    response = answer.json()["response"]
    assert list(response) == ["url", "expires_at"]
    return answer.headers["location"], path_of(response["url"])


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def later(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Nanoseconds by which the site's clock is ahead."""
    ahead, real = [0], site.instance.clock.now_ns
    monkeypatch.setattr(site.instance, "clock", type("Ahead", (), {"now_ns": lambda _: real() + ahead[0]})())
    return ahead


def test_it_gives_the_whole_backup_and_any_part_of_it(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    backup = site.take(name="größer 100%")
    _, path = made(site, silver, backup)
    assert re.search(r"\?expires=\d+&signature=[0-9a-f]{64}$", path)
    whole = http.get(path)
    assert whole.status_code == 200
    assert whole.content == http.get(site.link(backup)).content
    assert zipfile.ZipFile(io.BytesIO(whole.content)).testzip() is None
    part = http.get(path, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert http.head(path).headers["content-length"] == str(len(whole.content))
    _, tar = made(site, silver, backup, format="tar.gz")
    assert http.get(tar).content == http.get(site.link(backup, "tar.gz")).content


def test_another_process_opens_it_too(site: Site, silver: httpx.Client) -> None:
    _, path = made(site, silver, site.take())
    other = open_instance(site.instance.home)
    try:
        signed = re.search(r"expires=(\d+)&signature=(\w+)", path)
        assert signed is not None
        name = unquote(path.partition("_")[2].partition(".zip")[0])
        account = site.silver.account.id
        assert find_signed_download(other, account, name, int(signed[1]), signed[2], "zip") is not None
    finally:
        other.close()


def test_after_its_end_it_is_gone_and_says_so(
    site: Site, silver: httpx.Client, http: httpx.Client, later: list[int]
) -> None:
    backup = site.take()
    place, path = made(site, silver, backup, expires_in=60)
    later[0] = 58 * SECOND_NS
    with http.stream("GET", path) as began:
        assert began.status_code == 200
        later[0] = 60 * SECOND_NS
        assert len(began.read()) == backup.zip_bytes, "what began before is finished"
    assert refused(http.get(path)) == (410, "LINK_EXPIRED")
    assert http.head(path).status_code == 410
    assert silver.get(LINKS).json()["response"] == []
    assert refused(silver.delete(place)) == (404, "LINK_NOT_FOUND")
    assert http.get(site.link(backup)).status_code == 200, "the published form goes on"


def test_one_is_ended_alone(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    backup = site.take()
    (first, path), (_, second) = (made(site, silver, backup) for _ in range(2))
    assert path != second, "two that are made in the same second end a second apart"
    assert silver.delete(first).json()["response"] == {"id": first.rpartition("/")[2]}
    assert refused(http.get(path)) == (410, "LINK_EXPIRED")
    assert http.get(second).status_code == 200


def test_what_is_wrong_with_it_shows_in_nothing(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    backup = site.take(name="first")
    other = site.take(name="second")
    _, path = made(site, silver, backup)
    no_such = http.get("/none_nothing.zip?expires=99999999999&signature=" + "0" * 64)
    assert no_such.status_code == 404
    expires = int(re.search(r"expires=(\d+)", path)[1])  # type: ignore[index]
    for wrong in (
        path[:-1] + ("0" if path[-1] != "0" else "1"),
        path.replace(f"expires={expires}", f"expires={expires + 1}"),
        path.replace(f"expires={expires}", "expires=1"),
        path.replace("first", "second"),
        path.replace("first.zip", "first.tar.gz"),
        path.replace(f"/{backup.account_id}_", f"/{site.other.account.id}_"),
        path + "&x=1",
        path.partition("&")[0],
    ):
        answer = http.get(wrong)
        assert (answer.status_code, answer.content) == (404, no_such.content), wrong
    assert http.get(f"/{other.account_id}_second.zip?{key_of(site.instance, other)}").status_code == 200


def test_the_list_has_who_made_it_and_its_last_use(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    backup = site.take()
    place, path = made(site, silver, backup)
    (listed,) = silver.get(LINKS).json()["response"]
    assert list(listed) == [
        *("id", "app_id", "backup_id", "format", "created_at", "expires_at", "last_used_at", "made_by"),
    ]
    assert (listed["id"], listed["backup_id"], listed["format"]) == (place.rpartition("/")[2], backup.id, "zip")
    assert (listed["made_by"]["kind"], listed["last_used_at"]) == ("key", None)
    http.get(path)
    assert silver.get(LINKS).json()["response"][0]["last_used_at"] is not None


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "INVALID_EXPIRES_IN"),
        ({"expires_in": 59}, "INVALID_EXPIRES_IN"),
        ({"expires_in": 2592001}, "INVALID_EXPIRES_IN"),
        ({"expires_in": -3600}, "INVALID_EXPIRES_IN"),
        ({"expires_in": None}, "INVALID_EXPIRES_IN"),
        ({"expires_in": 60, "format": "rar"}, "INVALID_FORMAT"),
    ],
)
def test_what_cannot_be_is_refused(site: Site, silver: httpx.Client, body: Any, code: str) -> None:
    backup = site.take()
    assert refused(silver.post(f"/v3/apps/{site.app.id}/backups/{backup.id}/links", json=body)) == (400, code)
    assert silver.get(LINKS).json()["response"] == []


def test_who_sees_one_application_sees_its_links_alone(site: Site, silver: httpx.Client) -> None:
    place, _ = made(site, silver, site.take())
    with site.client(add_named_key(site.instance, site.silver.account.id, "owner", app_ids=("f" * 32,))) as http:
        assert http.get(LINKS).json()["response"] == []
        assert refused(http.delete(place)) == (404, "LINK_NOT_FOUND")
    with site.client(add_named_key(site.instance, site.silver.account.id, "view")) as http:
        assert refused(http.get(LINKS)) == (403, "PERMISSION_DENIED")


def test_all_links_are_ended_at_once(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    backup = site.take()
    _, path = made(site, silver, backup)
    before = site.link(backup)
    listed = silver.get(f"/v3/apps/{site.app.id}/backups").json()["response"][0]["key"]
    assert silver.post("/v3/account/links/revoke").json()["response"] == {"links_with_end": 1}
    assert refused(http.get(before)) == refused(http.get(path)) == (404, "BACKUP_NOT_FOUND")
    assert http.get(site.link(backup)).status_code == 200, "its new key opens it"
    assert silver.get(f"/v3/apps/{site.app.id}/backups").json()["response"][0]["key"] not in ("", listed)
    assert silver.get(LINKS).json()["response"] == []
    with site.instance.catalog.read() as connection:
        actions = connection.exec_driver_sql("SELECT action FROM audit ORDER BY seq").scalars().all()
    assert [action for action in actions if "link" in action] == ["link.created", "account.links_revoked"]


def test_an_account_has_a_maximum_of_open_links(
    site: Site, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = site.take()
    monkeypatch.setattr(operations, "LINKS_MAX", 1)
    made(site, silver, backup)
    again = silver.post(f"/v3/apps/{site.app.id}/backups/{backup.id}/links", json={"expires_in": 60})
    assert refused(again) == (409, "TOO_MANY_LINKS")


def test_rows_go_with_their_end(site: Site) -> None:
    backup, now_ns = site.take(), site.instance.clock.now_ns()
    link, _ = operations.make_link(site.instance, backup, NewLink(expires_in=60), SYSTEM)
    forget_ended(site.instance, now_ns)
    assert links_of(site.instance.catalog, link.account_id, now_ns, None) == [link]
    forget_ended(site.instance, now_ns + DAY_NS)
    assert link_by_id(site.instance.catalog, link.account_id, link.id) is None
