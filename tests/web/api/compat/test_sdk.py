"""The SDK of the neighbouring API, unchanged, against `holdfast serve`; and its routes when work goes on or fails."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from kit.keys import add_named_key
from kit.served import served
from kit.site import Site, set_plans
from squarecloud import SquareCloud, SquareCloudAPIError

from holdfast.service.registry import snapshots
from holdfast.web.http import request as inputs


def sdk(url: str, key: str) -> SquareCloud:
    return SquareCloud(key, base_url=f"{url}/v3", max_retries=0)


def refused(call: Callable[[], object]) -> tuple[int, str]:
    """The status and the code with which the SDK raises."""
    with pytest.raises(SquareCloudAPIError) as raised:
        call()
    return raised.value.status, raised.value.code


def test_the_sdk_works_unchanged(tmp_path: Path) -> None:
    with served(tmp_path, is_limited=False) as server:
        (tenant,) = server.tenants
        account, app_id = tenant.key.account, tenant.backup.app_id
        data = tmp_path / "app0" / "data.bin"
        content = data.read_bytes()
        with sdk(f"http://127.0.0.1:{server.port}", tenant.key.api_key) as client:
            me = client.account.me()
            assert (me["user"]["id"], me["user"]["email"]) == (account.id, account.email)
            assert me["user"]["plan"]["name"] == "Titanium"
            assert ([app["id"] for app in me["applications"]], me["databases"]) == ([app_id], [])

            made: Any = client.apps.snapshots.create(app_id)
            assert made["pending"] is False
            listed = client.apps.snapshots.list(app_id)
            assert listed[0]["version_id"] == tenant.backup.id
            latest = max(listed, key=lambda one: one["version_id"])
            assert (latest["url"], latest["key"], latest.get("origin")) == (made["url"], made["key"], "manual")
            assert latest["url"].endswith(f".zip?{latest['key']}")
            assert list(latest) == ["name", "size", "modified", "key", "version_id", "url", "origin"]
            assert client.account.snapshots() == client.account.snapshots(scope="applications") == listed[::-1]
            assert client.account.snapshots(scope="databases") == []

            saved = Path(client.download_snapshot(latest["url"], f"{tmp_path}/saved/"))
            assert saved.stat().st_size == latest["size"]
            with zipfile.ZipFile(saved) as archive:
                assert (archive.testzip(), archive.read("data.bin")) == (None, content)

            data.write_bytes(b"other")
            client.apps.snapshots.restore(app_id, latest["name"], latest["version_id"])
            assert data.read_bytes() == content
            by_itself = client.apps.snapshots.list(app_id)[-1]
            assert (by_itself["name"].split(" at ")[0], by_itself.get("origin")) == ("Safety backup", "automatic")

            restore = partial(client.apps.snapshots.restore, app_id)
            assert refused(partial(restore, "other", latest["version_id"])) == (404, "BACKUP_NOT_FOUND")
            assert refused(partial(restore, latest["name"], "0" * 32)) == (404, "BACKUP_NOT_FOUND")
            assert refused(partial(restore, "", "")) == (400, "INVALID_SNAPSHOT_ID")
            assert refused(partial(restore, "x", "")) == (400, "INVALID_VERSION_ID")
            assert refused(partial(client.apps.snapshots.list, "f" * 32)) == (404, "APP_NOT_FOUND")
        with sdk(f"http://127.0.0.1:{server.port}", "hf_wrong") as stranger:
            assert refused(stranger.account.me) == (401, "ACCESS_DENIED")


def test_rights_limits_and_plans_are_those_of_our_own_routes(site: Site) -> None:
    backup = site.take()
    path = site.app.id
    set_plans(site.instance, cooldown_seconds=60)
    viewer = add_named_key(site.instance, site.silver.account.id, "view")
    with sdk(site.url, viewer) as client:
        (only,) = client.apps.snapshots.list(path)
        assert only["name"] == backup.name
        assert not only["key"]
        assert not only["url"]
        assert refused(lambda: client.apps.snapshots.create(path)) == (403, "PERMISSION_DENIED")
        assert refused(lambda: client.apps.snapshots.restore(path, backup.name, backup.id)) == (
            403,
            "PERMISSION_DENIED",
        )
    elsewhere = add_named_key(site.instance, site.silver.account.id, "owner", app_ids=("f" * 32,))
    with sdk(site.url, elsewhere) as client:
        assert client.account.snapshots() == []
        assert refused(lambda: client.apps.snapshots.list(path)) == (404, "APP_NOT_FOUND")
    with sdk(site.url, site.bronze.api_key) as client:
        assert client.account.me()["user"]["plan"]["name"] == "Bronze"
        assert refused(client.account.snapshots) == (402, "UPGRADE_REQUIRED")
    site.start_worker()
    with sdk(site.url, site.silver.api_key) as client:
        assert client.apps.snapshots.create(path)["pending"] is False
        assert refused(lambda: client.apps.snapshots.create(path)) == (429, "KEEP_CALM")


def test_what_takes_longer_goes_on_behind_the_answer(
    site: Site, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = site.take()
    monkeypatch.setattr(inputs, "WAIT_SECONDS_MAX", 0)
    with sdk(site.url, site.silver.api_key) as client:
        assert client.apps.snapshots.create(site.app.id) == {"pending": True}
        assert refused(lambda: client.apps.snapshots.create(site.app.id)) == (409, "BACKUP_IN_PROGRESS")
        (queued,) = site.queued()
        silver.delete(f"/v3/jobs/{queued.id}")
        client.apps.snapshots.restore(site.app.id, backup.name, backup.id)
        (queued,) = site.queued()
        assert (queued.kind, queued.backup_id) == ("restore", backup.id)
        silver.delete(f"/v3/jobs/{queued.id}")
    answer = silver.post(f"/v3/apps/{site.app.id}/snapshots")
    assert (answer.status_code, answer.json()["code"]) == (202, "SNAPSHOT_PROCESSING")
    assert silver.get(answer.headers["Location"]).json()["response"]["state"] == "queued"


def test_what_fails_is_an_error_with_the_customers_sentence(site: Site) -> None:
    backup = site.take()
    site.start_worker()
    for pack in (site.instance.home / "store" / "vaults").glob("*/packs/*/*"):
        pack.unlink()
    shutil.rmtree(site.folder)
    with sdk(site.url, site.silver.api_key) as client:
        for call, code, part in (
            (lambda: client.apps.snapshots.create(site.app.id), "SNAPSHOT_FAILED", "folder"),
            (
                lambda: client.apps.snapshots.restore(site.app.id, backup.name, backup.id),
                "SNAPSHOT_RESTORE_FAILED",
                "backup",
            ),
        ):
            with pytest.raises(SquareCloudAPIError) as raised:
                call()
            assert (raised.value.status, raised.value.code) == (409, code)
            assert part in raised.value.message
            assert str(site.instance.home) not in raised.value.message


@pytest.mark.parametrize("query", ["scope=all", "after=x", "scope=databases&scope=applications"])
def test_a_query_that_cannot_be(silver: httpx.Client, query: str) -> None:
    answer = silver.get(f"/v3/users/snapshots?{query}")
    field = query.split("=")[0].upper()
    assert (answer.status_code, answer.json()["code"]) == (400, f"INVALID_{field}")


def test_the_next_part_of_a_long_list(site: Site, silver: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    backups = [site.take() for _ in range(3)]
    monkeypatch.setattr(snapshots, "SNAPSHOTS_MAX", 2)
    first = silver.get("/v3/users/snapshots?scope=applications")
    following = silver.get(first.links["next"]["url"])
    found = [one["version_id"] for answer in (first, following) for one in answer.json()["response"]]
    assert found == [backup.id for backup in reversed(backups)]
    assert "next" not in following.links
