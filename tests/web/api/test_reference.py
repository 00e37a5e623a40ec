"""A backup's reference: the caller's own id, unique in an application, found as `ref:` wherever an id stands."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from kit.site import Site

REFERENCE = "Deploy 81/ä?"


def made(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json()["response"]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_backup_is_found_by_its_reference_wherever_an_id_stands(site: Site, silver: httpx.Client) -> None:
    site.start_worker()
    path = f"/v3/apps/{site.app.id}/backups"
    one = made(silver.post(f"{path}?wait=20", json={"reference": REFERENCE}), 200)
    assert one["reference"] == REFERENCE
    found = f"{path}/ref:{quote(REFERENCE, safe='')}"
    assert made(silver.get(found), 200) == made(silver.get(f"{path}/{one['id']}"), 200)
    assert [each["reference"] for each in made(silver.get(f"{path}?view=full"), 200)] == [REFERENCE]
    assert refusal(silver.get(f"{path}/ref:{quote(REFERENCE.lower(), safe='')}")) == (404, "BACKUP_NOT_FOUND")
    for below in ("files", "log", "content?path=hello.txt", f"diff?with=ref:{quote(REFERENCE, safe='')}"):
        assert silver.get(f"{found}/{below}").status_code == 200, below
    assert silver.post(f"{found}/restore", json={"mode": "overlay", "dry_run": True}).status_code == 200
    assert made(silver.patch(found, json={"note": "mine"}), 200)["id"] == one["id"]
    with site.client(site.other.api_key) as other:
        theirs = f"/v3/apps/{site.other_app.id}/backups"
        assert refusal(other.get(f"{theirs}/ref:{quote(REFERENCE, safe='')}")) == (404, "BACKUP_NOT_FOUND")
        assert made(other.post(f"{theirs}?wait=20", json={"reference": REFERENCE}), 200)["reference"] == REFERENCE
    again = silver.post(path, json={"reference": REFERENCE})
    assert refusal(again) == (409, "REFERENCE_TAKEN")
    assert f"ref:{REFERENCE}" in again.json()["message"]
    assert made(silver.delete(found), 200)["gone_at"] is not None
    in_trash = silver.post(path, json={"reference": REFERENCE})
    assert refusal(in_trash) == (409, "REFERENCE_TAKEN")
    assert "trash" in in_trash.json()["message"]
    assert made(silver.post(f"{found}/undelete"), 200)["reference"] == REFERENCE
    made(silver.delete(f"{found}?final=true"), 200)
    assert made(silver.post(f"{path}?wait=20", json={"reference": REFERENCE}), 200)["id"] != one["id"]
    assert len(made(silver.get(path), 200)) == 1


def test_the_idempotency_key_gives_the_same_backup_and_another_reference_does_not(
    site: Site, silver: httpx.Client
) -> None:
    path, headers = f"/v3/apps/{site.app.id}/backups", {"Idempotency-Key": "k1"}
    first = made(silver.post(path, json={"reference": "a"}, headers=headers), 202)
    assert made(silver.post(path, json={"reference": "a"}, headers=headers), 202)["id"] == first["id"]
    assert refusal(silver.post(path, json={"reference": "b"}, headers=headers)) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert refusal(silver.post(path, json={"reference": "a"})) == (409, "REFERENCE_TAKEN")
    assert refusal(silver.post(path, json={"reference": "b"})) == (409, "BACKUP_IN_PROGRESS")


@pytest.mark.parametrize("reference", ["", "x" * 129, "a\nb", 7])
def test_a_reference_is_1_to_128_characters(site: Site, silver: httpx.Client, reference: object) -> None:
    path = f"/v3/apps/{site.app.id}/backups"
    assert refusal(silver.post(path, json={"reference": reference})) == (400, "INVALID_REFERENCE")
    assert made(silver.get(path), 200) == []


def test_a_name_that_looks_like_a_reference_is_found_too(site: Site, silver: httpx.Client) -> None:
    site.start_worker()
    path = f"/v3/apps/{site.app.id}/backups"
    named = made(silver.post(f"{path}?wait=20", json={"name": "ref:a"}), 200)
    assert made(silver.get(f"{path}/ref:a"), 200)["id"] == named["id"]
    referred = made(silver.post(f"{path}?wait=20", json={"reference": "a"}), 200)
    assert made(silver.get(f"{path}/ref:a"), 200)["id"] == referred["id"], "a reference goes first"
