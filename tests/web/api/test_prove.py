"""Test restores over HTTP: one of an account at a time, counted where they are entered, shown like every job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from kit.site import Site

from holdfast.catalog.records import JobState
from holdfast.service.integrity import prove


def test_a_backup_is_proved_and_says_so(site: Site, silver: httpx.Client) -> None:
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}"
    answer = silver.post(f"{path}/prove")
    job = answer.json()["response"]
    assert (answer.status_code, job["kind"], job["state"]) == (202, "prove", "queued")
    assert silver.post(f"{path}/prove").json()["response"]["id"] == job["id"], "the one that waits"
    other = site.take(name="other").id
    refused = silver.post(f"/v3/apps/{site.app.id}/backups/{other}/prove")
    assert (refused.status_code, refused.json()["code"]) == (409, "PROVE_IN_PROGRESS")
    assert "machine" not in refused.json()["message"]
    assert [job["id"] for job in silver.get("/v3/jobs").json()["response"] if job["kind"] == "prove"] == [job["id"]]
    (entry,) = silver.get("/v3/audit?action=prove.requested").json()["response"]
    assert (entry["job_id"], entry["actor"]["kind"]) == (job["id"], "key")
    with site.client(site.other.api_key) as theirs:  # another account's own turn
        assert theirs.post(f"{path}/prove").status_code == 404
        mine = site.take(site.other_app)
        assert theirs.post(f"/v3/apps/{site.other_app.id}/backups/{mine.id}/prove").status_code == 202
    done = prove.run_prove(site.instance, job["id"])
    assert done.state is JobState.SUCCESSFUL
    shown = silver.get(path).json()["response"]
    assert None not in (shown["restore_proved_at"], shown["verified_at"], shown["sha256"])
    assert silver.post(f"/v3/apps/{site.app.id}/backups/{other}/prove").status_code == 202


def test_it_goes_to_the_node_of_the_application(site: Site, silver: httpx.Client) -> None:
    backup = site.take()
    with site.instance.catalog.write() as connection:
        connection.exec_driver_sql("UPDATE apps SET node = 'far'")
    silver.post(f"/v3/apps/{site.app.id}/backups/{backup.id}/prove")
    assert [work.node for work in site.queued()] == ["far"]


def test_of_many_at_once_one_gets_the_place(site: Site, silver: httpx.Client) -> None:
    paths = [f"/v3/apps/{site.app.id}/backups/{site.take(name=f'b{n}').id}/prove" for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(lambda path: silver.post(path).status_code, paths))
    assert sorted(codes) == [202, 409, 409, 409]


def test_a_day_has_an_end(site: Site, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prove, "PROVES_A_DAY_MAX", 2)
    path = f"/v3/apps/{site.app.id}/backups/{site.take().id}/prove"
    for _ in range(2):
        job = silver.post(path).json()["response"]
        assert silver.delete(f"/v3/jobs/{job['id']}").json()["response"]["state"] == "cancelled"
    refused = silver.post(path)
    assert (refused.status_code, refused.json()["code"]) == (429, "KEEP_CALM")
    assert 86_000 < int(refused.headers["retry-after"]) <= 86_400
