"""Restoring over HTTP: started, looked at, cancelled, previewed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from kit.keys import add_named_key
from kit.site import Site

from holdfast.catalog.records import SYSTEM
from holdfast.service.registry.apps import add_app
from holdfast.service.restore.files import run_restore


@pytest.fixture
def taken(site: Site) -> str:
    site.start_worker()
    return f"/v3/apps/{site.app.id}/backups/{site.take().id}"


def finished(http: httpx.Client, location: str) -> dict[str, Any]:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        job: dict[str, Any] = http.get(location).json()["response"]
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def test_a_restore_brings_back_what_was_changed(site: Site, silver: httpx.Client, taken: str) -> None:
    hello = site.folder / "hello.txt"
    old = hello.read_bytes()
    hello.write_text("overwritten")
    (site.folder / "new").write_text("new")
    preview = silver.post(f"{taken}/restore", json={"dry_run": True})
    assert preview.status_code == 200
    shown = preview.json()["response"]
    assert (shown["added"], shown["changed"], shown["removed"]) == (0, 1, 1)
    assert shown["paths_removed"] == [{"path": "new", "kind": "file", "size": 3}]
    assert hello.read_text() == "overwritten"
    answer = silver.post(f"{taken}/restore", json={})
    assert answer.status_code == 202
    job = finished(silver, answer.headers["location"])
    assert (job["state"], job["error"], job["result"]["changed"]) == ("successful", None, 1)
    assert hello.read_bytes() == old
    assert not (site.folder / "new").exists()
    undo = silver.post(f"/v3/apps/{site.app.id}/backups/{job['result']['safety_backup_id']}/restore", json={})
    assert finished(silver, undo.headers["location"])["state"] == "successful"
    assert hello.read_text() == "overwritten"
    assert (site.folder / "new").read_text() == "new"


def test_one_path_only(site: Site, silver: httpx.Client, taken: str) -> None:
    (site.folder / "hello.txt").write_text("stays")
    (site.folder / "sub" / "größe.bin").unlink()
    answer = silver.post(f"{taken}/restore", json={"paths": ["/sub/größe.bin"], "safety_backup": False})
    job = finished(silver, answer.headers["location"])
    assert (job["result"]["added"], job["result"]["safety_backup_id"]) == (1, None)
    assert (site.folder / "hello.txt").read_text() == "stays"
    assert (site.folder / "sub" / "größe.bin").stat().st_size == 256 * 512


def test_refusals(site: Site, silver: httpx.Client, taken: str) -> None:
    for body, status, code in (
        ({"paths": ["../x"]}, 400, "INVALID_PATH"),
        ({"paths": "x"}, 400, "INVALID_PATHS"),
        ({"paths": []}, 400, "INVALID_PATHS"),
        ({"paths": [""]}, 400, "INVALID_PATHS"),
        ({"paths": [], "dry_run": True}, 400, "INVALID_PATHS"),
        ({"mode": "wipe"}, 400, "INVALID_MODE"),
        ({"dry_run": True, "paths": ["no/such"]}, 404, "PATH_NOT_FOUND"),
        ({"target_app_id": site.other_app.id}, 404, "APP_NOT_FOUND"),
    ):
        answer = silver.post(f"{taken}/restore", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), body
    assert silver.post(f"{taken[:-4]}0000/restore", json={}).json()["code"] == "BACKUP_NOT_FOUND"
    assert silver.get("/v3/jobs/nothing").json()["code"] == "JOB_NOT_FOUND"


def test_a_job_is_its_accounts_alone_and_can_be_cancelled(site: Site, silver: httpx.Client, taken: str) -> None:
    site.stop_worker()
    location = silver.post(f"{taken}/restore", json={}).headers["location"]
    with site.client(site.other.api_key) as other:
        assert other.get(location).json()["code"] == "JOB_NOT_FOUND"
        assert other.delete(location).json()["code"] == "JOB_NOT_FOUND"
    assert silver.post(f"{taken}/restore", json={}).json()["code"] == "RESTORE_IN_PROGRESS"
    assert silver.post(f"/v3/apps/{site.app.id}/backups", json={}).json()["code"] == "RESTORE_IN_PROGRESS"
    assert silver.delete(location).json()["response"]["state"] == "cancelled"
    assert silver.delete(location).json()["code"] == "JOB_ENDED"


def test_a_restore_is_undone_and_the_undo_too(site: Site, silver: httpx.Client, taken: str) -> None:
    hello = site.folder / "hello.txt"
    old = hello.read_bytes()
    hello.write_text("overwritten")
    done = finished(silver, silver.post(f"{taken}/restore", json={}).headers["location"])
    assert hello.read_bytes() == old
    undo = silver.post(f"/v3/jobs/{done['id']}/undo")
    assert (undo.status_code, undo.json()["response"]["kind"]) == (202, "restore")
    assert undo.json()["response"]["backup_id"] == done["result"]["safety_backup_id"]
    undone = finished(silver, undo.headers["location"])
    assert (undone["state"], hello.read_text()) == ("successful", "overwritten")
    again = finished(silver, silver.post(f"/v3/jobs/{undone['id']}/undo").headers["location"])
    assert (again["state"], hello.read_bytes()) == ("successful", old)
    assert silver.delete(f"{taken.rpartition('/')[0]}/{done['result']['safety_backup_id']}").status_code == 200
    gone = silver.post(f"/v3/jobs/{done['id']}/undo")
    assert (gone.status_code, gone.json()["code"]) == (404, "BACKUP_NOT_FOUND")


def test_what_has_nothing_to_undo_says_so(site: Site, silver: httpx.Client, taken: str) -> None:
    plain = finished(silver, silver.post(f"{taken}/restore", json={"safety_backup": False}).headers["location"])
    verify = finished(silver, silver.post(f"{taken}/verify").headers["location"])
    for job_id in (plain["id"], verify["id"], taken.rpartition("/")[2]):
        answer = silver.post(f"/v3/jobs/{job_id}/undo")
        assert (answer.status_code, answer.json()["code"]) == (409, "JOB_NOT_UNDOABLE")
    assert silver.post(f"/v3/jobs/{'0' * 32}/undo").json()["code"] == "JOB_NOT_FOUND"
    elsewhere = add_named_key(site.instance, site.silver.account.id, "owner", app_ids=("f" * 32,))
    with site.client(elsewhere) as http:
        assert http.post(f"/v3/jobs/{plain['id']}/undo").json()["code"] == "JOB_NOT_FOUND"


def test_a_restore_into_a_new_folder_of_another_application(site: Site, silver: httpx.Client, tmp_path: Path) -> None:
    backup = site.take()
    (tmp_path / "target").mkdir()
    target = add_app(site.instance, site.app.account_id, "target", tmp_path / "target", SYSTEM)
    path = f"/v3/apps/{site.app.id}/backups/{backup.id}/restore"
    body = {"into": "restored", "target_app_id": target.id, "paths": ["hello.txt"]}
    preview = silver.post(path, json={**body, "dry_run": True}).json()["response"]
    assert [one["path"] for one in preview["paths_added"]] == ["restored/hello.txt"]
    job = run_restore(site.instance, silver.post(path, json=body).json()["response"]["id"])
    assert silver.get(f"/v3/jobs/{job.id}").json()["response"]["result"]["into"] == "restored"
    assert [one.name for one in (tmp_path / "target" / "restored").iterdir()] == ["hello.txt"]
    for dry_run in (False, True):
        refused = silver.post(path, json={**body, "dry_run": dry_run})
        assert (refused.status_code, refused.json()["code"]) == (409, "TARGET_IN_THE_WAY")
    for bad in ("../x", 7, "", "x" * 64):
        refused = silver.post(path, json={**body, "into": bad})
        assert (refused.status_code, refused.json()["code"]) == (400, "INVALID_INTO")
