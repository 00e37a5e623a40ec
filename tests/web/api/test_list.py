"""The published contract, to the letter, and what completes the list: views, pages, ETags."""

from __future__ import annotations

import re

import httpx
from kit.site import Site

SIX_FIELDS = ["name", "size", "modified", "key", "created_at", "is_successful"]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00")


def test_the_sample_of_the_published_page(site: Site, silver: httpx.Client) -> None:
    taken = site.take()
    answer = silver.get(f"/v3/apps/{site.app.id}/backups")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert list(body) == ["status", "response"]
    assert body["status"] == "success"
    assert isinstance(body["response"], list)
    (item,) = body["response"]
    assert list(item) == SIX_FIELDS
    local = item["created_at"][:19].replace("T", " ")
    assert item["name"] == f"Backup at {local}"
    assert item["size"] == taken.zip_bytes > 0
    assert re.fullmatch(r"[0-9a-f]{40}", item["key"])
    assert TIME.fullmatch(item["modified"])
    assert TIME.fullmatch(item["created_at"])
    assert item["is_successful"] is True


def test_equal_content_has_equal_size_and_key(site: Site, silver: httpx.Client) -> None:
    site.take(name="first")
    site.take(name="second")
    first, second = silver.get(f"/v3/apps/{site.app.id}/backups").json()["response"]
    assert (first["name"], second["name"]) == ("first", "second")
    assert (first["size"], first["key"]) == (second["size"], second["key"])


def test_one_that_is_not_finished_has_no_size_and_no_key(site: Site, silver: httpx.Client) -> None:
    silver.post(f"/v3/apps/{site.app.id}/backups")
    (item,) = silver.get(f"/v3/apps/{site.app.id}/backups").json()["response"]
    assert (item["size"], item["key"], item["is_successful"]) == (0, "", False)


def test_an_app_without_backups_has_an_empty_list(site: Site, silver: httpx.Client) -> None:
    assert silver.get(f"/v3/apps/{site.app.id}/backups").json() == {"status": "success", "response": []}


def test_the_key_may_come_raw_or_as_bearer(site: Site, http: httpx.Client) -> None:
    for value in (site.silver.api_key, f"Bearer {site.silver.api_key}", f"bearer  {site.silver.api_key}"):
        assert http.get(f"/v3/apps/{site.app.id}/backups", headers={"Authorization": value}).status_code == 200


def test_the_full_view_has_the_six_fields_first(site: Site, silver: httpx.Client) -> None:
    site.take()
    (item,) = silver.get(f"/v3/apps/{site.app.id}/backups?view=full").json()["response"]
    fields = "id app_id state origin url files content_size stored_size is_locked locked_until error warnings progress"
    more = "verified_at restore_proved_at sha256 note reference kept_by copied_at deleted_at gone_at"
    assert list(item) == [*SIX_FIELDS, *fields.split(), *more.split()]
    assert (item["state"], item["origin"], item["files"]) == ("successful", "manual", 2)
    assert item["url"].startswith(site.url)


def test_pages_lead_through_all_of_it_once(site: Site, silver: httpx.Client) -> None:
    names = [f"n{number}" for number in range(5)]
    for name in names:
        site.take(name=name)
    url, seen, sizes = f"/v3/apps/{site.app.id}/backups?limit=2", [], []
    while url:
        answer = silver.get(url)
        page = answer.json()["response"]
        seen += [item["name"] for item in page]
        sizes.append(len(page))
        url = answer.links.get("next", {}).get("url", "")
    assert (seen, sizes) == (names, [2, 2, 1])


def test_the_next_page_has_the_same_view(site: Site, silver: httpx.Client) -> None:
    first, second = site.take(name="a"), site.take(name="b")
    link = silver.get(f"/v3/apps/{site.app.id}/backups?view=full&limit=1").links["next"]["url"]
    assert link == f"{site.url}/v3/apps/{site.app.id}/backups?view=full&limit=1&after={first.id}"
    assert [item["id"] for item in silver.get(link).json()["response"]] == [second.id]


def test_a_page_that_ends_exactly_has_no_next(site: Site, silver: httpx.Client) -> None:
    site.take()
    assert "link" not in silver.get(f"/v3/apps/{site.app.id}/backups?limit=1").headers


def test_the_etag_is_strong_and_answers_304_until_something_changes(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups"
    site.take(name="one")
    etag = silver.get(path).headers["etag"]
    assert re.fullmatch(r'"[^"]+"', etag)
    unchanged = silver.get(path, headers={"If-None-Match": f'"other", {etag}'})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    site.take(name="two")
    assert silver.get(path, headers={"If-None-Match": etag}).status_code == 200


def test_head_is_get_without_the_body(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups"
    head, get = silver.head(path), silver.get(path)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "content-type"):
        assert head.headers[name] == get.headers[name]


def test_all_backups_of_the_account_newest_first(site: Site, silver: httpx.Client) -> None:
    taken = [site.take(name=f"n{number}") for number in range(3)]
    site.take(site.other_app, name="not mine")
    first = silver.get("/v3/backups?limit=2")
    assert [item["id"] for item in first.json()["response"]] == [taken[2].id, taken[1].id]
    second = silver.get(first.links["next"]["url"])
    assert [item["id"] for item in second.json()["response"]] == [taken[0].id]
    assert "next" not in second.links
