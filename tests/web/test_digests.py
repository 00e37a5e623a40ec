"""The SHA-256 of the zip: of the very bytes that are downloaded, known once all of them were read."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest
from kit.site import Site

from holdfast.catalog.backups.damage import DAMAGED, Found, record_findings
from holdfast.catalog.records import SYSTEM, Backup, JobState, Warned
from holdfast.service.access.download import Download
from holdfast.service.integrity.prove import request_prove, run_prove
from holdfast.service.integrity.verify import request_verify, run_verify
from holdfast.service.registry.backups import backup_now


def full(site: Site, client: httpx.Client, backup: Backup) -> dict[str, Any]:
    shown: dict[str, Any] = client.get(f"/v3/apps/{site.app.id}/backups/{backup.id}").json()["response"]
    return shown


def sha256_of(site: Site, backup: Backup, folder: Path) -> str:
    """What `sha256sum` says of the file that curl gets."""
    file = folder / f"{backup.id}.zip"
    subprocess.run(["curl", "-sfo", file, site.url + site.link(backup)], check=True)
    return subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True).stdout[:64]


@pytest.mark.parametrize("layout", [1, 2])
def test_a_whole_download_makes_it_known(
    site: Site, silver: httpx.Client, http: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("holdfast.vault.vault.ZIP_LAYOUT", layout)
        backup = site.take()
    link = site.link(backup)
    part = http.get(link, headers={"Range": f"bytes=0-{backup.zip_bytes - 2}"})
    for before in (part, http.head(link), http.get(site.link(backup, "tar.gz"))):
        assert before.is_success
        assert "repr-digest" not in before.headers
    assert full(site, silver, backup)["sha256"] is None
    known = sha256_of(site, backup, tmp_path)
    assert full(site, silver, backup)["sha256"] == known
    shown = f"sha-256=:{b64encode(bytes.fromhex(known)).decode()}:"
    part = http.get(link, headers={"Range": "bytes=5-9"})
    assert part.status_code == 206
    assert [a.headers.get("repr-digest") for a in (http.get(link), http.head(link), part)] == [shown] * 3
    assert "repr-digest" not in http.get(site.link(backup, "tar.gz")).headers
    assert sha256_of(site, backup, tmp_path) == known


@pytest.mark.parametrize("kind", ["verify", "prove"])
def test_reading_it_back_makes_it_known(site: Site, silver: httpx.Client, tmp_path: Path, kind: str) -> None:
    backup = site.take()
    if kind == "verify":
        done = run_verify(site.instance, request_verify(site.instance, backup, "main", SYSTEM).id)
    else:
        done = run_prove(site.instance, request_prove(site.instance, backup, SYSTEM).id)
    assert done.state is JobState.SUCCESSFUL
    known = full(site, silver, backup)["sha256"]
    assert known == sha256_of(site, backup, tmp_path)


def test_a_download_that_breaks_off_makes_nothing_known_and_damage_takes_it_back(site: Site) -> None:
    (site.folder / "large").write_bytes(bytes(range(256)) * 40_000)
    backup = site.take()
    stream = Download(site.instance, backup, "zip").stream(0, backup.zip_bytes, lambda: 1000)
    next(stream)
    stream.close()
    assert backup_now(site.instance, backup.id).zip_sha256 is None
    for _ in Download(site.instance, backup, "zip").stream(0, backup.zip_bytes):
        pass
    assert backup_now(site.instance, backup.id).zip_sha256 is not None
    found = Found(backup.id, (Warned("large", DAMAGED, "The file large can't be read."),))
    record_findings(site.instance.catalog, [found], 1)
    assert backup_now(site.instance, backup.id).zip_sha256 is None
