"""A full disk under a running server: a while after there is room, every application can be backed up again."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from kit.command import PROGRAM, made_instance
from kit.servers.running import free_port

from holdfast.catalog.records import SYSTEM
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app

APPS = 4
FAULTS = 4
DISK_BYTES = 64 * 1024**2
USABLE_WITHIN_SECONDS = 60.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own for the home, with little room."""
    at = tmp_path / "home"
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(at)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs root and a machine that lets it mount")
    yield at
    subprocess.run(["umount", "-l", str(at)], check=True)


def fill(at: Path) -> Path:
    """Take all the room that there is."""
    filler = at / "filler"
    fd = os.open(filler, os.O_WRONLY | os.O_CREAT, 0o600)
    for size in (1024**2, 4096, 1):
        with suppress(OSError):
            while os.write(fd, bytes(size)):
                pass
    os.close(fd)
    return filler


class Host:
    """A server with some applications on a small disk."""

    def __init__(self, folder: Path, port: int) -> None:
        self.apps = []
        with made_instance(folder / "home") as instance:
            account = add_account(instance, "ana@example.com", "Titanium", SYSTEM)
            for number in range(APPS):
                root = folder / f"app-{number}"
                root.mkdir()
                (root / "file").write_bytes(os.urandom(20_000))
                self.apps.append((add_app(instance, account.account.id, root.name, root, SYSTEM).id, root))
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": account.api_key}, timeout=30
        )

    def ask(self, app_id: str, wait: int = 0) -> httpx.Response:
        return self.client.post(f"/v3/apps/{app_id}/backups", params={"wait": wait})

    def is_usable(self, app_id: str) -> bool:
        answer = self.ask(app_id, wait=20)
        return answer.status_code in (200, 201) and answer.json()["response"]["state"] == "successful"


@pytest.mark.parametrize("part", ["home", "store"])
def test_every_application_is_usable_after_the_disk_was_full(small_disk: Path, tmp_path: Path, part: str) -> None:
    """`home`: the catalog has no room either; `store`: the store alone is on the disk that fills."""
    port = free_port()
    if part == "store":
        subprocess.run(["umount", str(small_disk)], check=True)
        (small_disk / "store").mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(small_disk / "store")]
        subprocess.run(mount, check=True)
    host = Host(tmp_path, port)
    log = (tmp_path / "serve.log").open("w+")
    server = subprocess.Popen(
        [*PROGRAM, "--home", str(small_disk), "serve", "--port", str(port)],
        stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    server.stdout.readline()
    at = small_disk / "store" if part == "store" else small_disk
    moments = random.Random(11)
    try:
        assert all(host.is_usable(app_id) for app_id, _ in host.apps)
        for _ in range(FAULTS):
            for app_id, root in host.apps:
                (root / "file").write_bytes(os.urandom(200_000))
                host.ask(app_id)
            until = time.monotonic() + moments.uniform(0, 0.15)
            while time.monotonic() < until:
                host.client.get("/healthz")
            filler = fill(at)
            for app_id, _ in host.apps:
                host.ask(app_id)  # whatever it answers: nothing must stay held
            filler.unlink()
        until = time.monotonic() + USABLE_WITHIN_SECONDS
        held = [app_id for app_id, _ in host.apps]
        while held and time.monotonic() < until:
            held = [app_id for app_id in held if not host.is_usable(app_id)]
        assert held == []
        listed = [host.client.get(f"/v3/apps/{app_id}/backups") for app_id, _ in host.apps]
        assert all(answer.json()["response"][-1]["is_successful"] for answer in listed)
    finally:
        host.client.close()
        server.terminate()
        server.communicate(timeout=60)
        log.close()
        if part == "store":
            subprocess.run(["umount", "-l", str(small_disk / "store")], check=True)
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(small_disk)], check=True)
