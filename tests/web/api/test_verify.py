"""Verifying over HTTP: a job, and what the backup says of itself afterwards."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
from kit.site import Site

from holdfast.vault.pack.writer import PackKind


def verified(http: httpx.Client, path: str) -> dict[str, Any]:
    answer = http.post(f"{path}/verify")
    assert answer.status_code == 202
    until = time.monotonic() + 20
    while time.monotonic() < until:
        job: dict[str, Any] = http.get(answer.headers["location"]).json()["response"]
        if job["state"] not in ("queued", "running"):
            return job
        time.sleep(0.02)
    raise AssertionError("the job does not end")


def healed(http: httpx.Client, path: str) -> dict[str, Any]:
    """The backup as soon as it has no error: what heals it is entered after the new backup is finished."""
    until = time.monotonic() + 20
    while (shown := http.get(path).json()["response"])["error"] is not None and time.monotonic() < until:
        time.sleep(0.02)
    found: dict[str, Any] = shown
    return found


def data_packs(site: Site) -> list[Path]:
    ledger = site.instance.vault(site.app.account_id)._ledger
    base = site.instance.home / "store" / "vaults" / site.app.account_id / "packs"
    return [base / p.hex()[:2] / p.hex() for p, kind, _ in ledger.live_packs() if kind == PackKind.DATA]


def test_a_backup_is_read_back_found_damaged_and_healed(site: Site, silver: httpx.Client) -> None:
    site.start_worker()
    backup = site.take()
    path = f"/v3/apps/{site.app.id}/backups/{backup.id}"
    job = verified(silver, path)
    assert (job["kind"], job["state"], job["result"]["is_whole"]) == ("verify", "successful", True)
    assert silver.get(path).json()["response"]["verified_at"] is not None
    for pack in data_packs(site):
        data = bytearray(pack.read_bytes())
        data[50] ^= 1
        pack.write_bytes(data)
    assert verified(silver, path)["result"]["is_whole"] is False
    shown = silver.get(path).json()["response"]
    assert (shown["state"], shown["is_successful"], shown["error"]["code"]) == ("successful", True, "DAMAGED")
    assert "take a new backup" in shown["error"]["message"]
    assert {w["code"] for w in shown["warnings"]} == {"DAMAGED"}
    assert silver.post(f"/v3/apps/{site.app.id}/backups?wait=30").status_code == 200
    assert healed(silver, path)["error"] is None
    assert len(silver.get(site.link(backup)).content) == backup.zip_bytes


def test_refusals(site: Site, silver: httpx.Client, http: httpx.Client) -> None:
    backup = site.take()
    path = f"/v3/apps/{site.app.id}/backups/{backup.id}/verify"
    assert http.post(path).json()["code"] == "ACCESS_DENIED"
    with site.client(site.other.api_key) as other:
        assert other.post(path).json()["code"] == "APP_NOT_FOUND"
    with site.client(site.bronze.api_key) as bronze:
        assert bronze.post(path).json()["code"] == "UPGRADE_REQUIRED"
    assert silver.post(path.replace(backup.id, "none")).json()["code"] == "BACKUP_NOT_FOUND"
    queued = silver.post(f"/v3/apps/{site.app.id}/backups").json()["response"]["id"]
    assert silver.post(path.replace(backup.id, queued)).json()["code"] == "BACKUP_NOT_USABLE"
