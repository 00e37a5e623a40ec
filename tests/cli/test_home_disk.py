"""A home on a disk that is full or mounted read-only, and no server: reading works, and room is made."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit.command import PROGRAM

from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.home import close_to_others, create_instance
from holdfast.service.instance.reserve import RESERVE_BYTES, RESERVE_NAME, keep_reserve
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.take.run import take_now

DISK_BYTES = 200 * 1024**2
SECONDS = 60

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")


@dataclass
class Scene:
    """A home on a small disk of its own, with an application and two backups."""

    mount: Path
    app_id: str
    backup_id: str

    @property
    def home(self) -> Path:
        return self.mount / "home"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAM, "--home", str(self.home), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", self.mount], check=True)

    def fill(self) -> None:
        free = os.statvfs(self.mount)
        fd = os.open(self.mount / "fill", os.O_WRONLY | os.O_CREAT)
        os.posix_fallocate(fd, 0, free.f_bfree * free.f_frsize)
        os.close(fd)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    mount, folder = tmp_path / "disk", tmp_path / "app"
    mount.mkdir()
    folder.mkdir()
    command: list[str | Path] = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", mount]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no tmpfs here")
    try:
        instance = create_instance(mount / "home", time_zone="Europe/Berlin")
        app = add_app(
            instance, add_account(instance, "ana@example.com", "Silver", SYSTEM).account.id, "bot", folder, SYSTEM
        )
        (folder / "a.bin").write_bytes(random.Random(1).randbytes(3_000_000))
        first = take_now(instance, app.id, SYSTEM)
        (folder / "a.bin").write_bytes(b"changed")
        take_now(instance, app.id, SYSTEM)
        instance.close()
        close_to_others(instance.home)
        yield Scene(mount, app.id, first.id)
    finally:
        subprocess.run(["umount", mount], check=True)


def assert_backups_can_be_had(scene: Scene, words: str) -> None:
    """What reads works, and what writes says which disk refused it, and where it is mounted."""
    listed = scene.run("backup", "list", scene.app_id, "--json")
    assert listed.returncode == 0, listed.stderr
    assert len(json.loads(listed.stdout)) == 2
    got = scene.mount.with_name("got.zip")
    got.unlink(missing_ok=True)
    downloaded = scene.run("backup", "download", scene.app_id, scene.backup_id, "-o", str(got))
    assert (downloaded.returncode, got.stat().st_size > 3_000_000) == (0, True), downloaded.stderr
    report = scene.run("doctor", "--quiet", "--json")
    (line,) = [one for one in json.loads(report.stdout)["checks"] if one["check"] == "catalog"]
    assert (line["level"], words in line["message"]) == ("problem", True)
    for arguments in (("backup", "delete", scene.app_id, scene.backup_id), ("serve", "--port", "0")):
        refused = scene.run(*arguments)
        assert refused.returncode == 1
        assert f"mounted at {scene.mount}, {words}" in refused.stderr


def test_on_a_disk_mounted_read_only(scene: Scene) -> None:
    scene.make_read_only()
    assert_backups_can_be_had(scene, "is mounted read-only")
    refused = scene.run("prune")
    assert (refused.returncode, "is mounted read-only" in refused.stderr) == (1, True)


def test_on_a_disk_that_went_read_only_while_a_process_had_the_catalog_open(scene: Scene) -> None:
    for end, content in (("-wal", b""), ("-shm", bytes(32768))):
        Path(f"{scene.home}/catalog.sqlite{end}").write_bytes(content)
    close_to_others(scene.home)
    scene.make_read_only()
    assert_backups_can_be_had(scene, "is mounted read-only")


def test_what_is_only_in_the_log_of_a_read_only_catalog_is_read_from_a_copy(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was killed left its log, and SQLite cannot make its index beside it on such a disk."""
    catalog, copies = scene.home / "catalog.sqlite", scene.mount.with_name("tmp")
    copies.mkdir()
    monkeypatch.setenv("TMPDIR", str(copies))
    with closing(sqlite3.connect(catalog, isolation_level=None)) as killed:
        killed.execute("PRAGMA wal_autocheckpoint = 0")
        killed.execute("UPDATE backups SET name = 'only-in-the-log' WHERE id = ?", (scene.backup_id,))
        left = {end: Path(f"{catalog}{end}").read_bytes() for end in ("", "-wal")}
    for end, content in left.items():
        Path(f"{catalog}{end}").write_bytes(content)
    assert len(left["-wal"]) > 4096
    assert b"only-in-the-log" not in left[""]
    assert not Path(f"{catalog}-shm").exists()
    close_to_others(scene.home)
    scene.make_read_only()
    assert_backups_can_be_had(scene, "is mounted read-only")
    assert "only-in-the-log" in scene.run("backup", "list", scene.app_id).stdout
    assert {end: Path(f"{catalog}{end}").read_bytes() for end in left} == left
    assert list(copies.iterdir()) == [], "the copies go with the commands"


def test_on_a_full_disk_the_reserve_is_given_up_and_deleting_works_again(scene: Scene) -> None:
    assert keep_reserve(scene.home)
    reserve = scene.home / RESERVE_NAME
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
    scene.fill()
    assert_backups_can_be_had(scene, "is full")

    freed = scene.run("prune", "--emergency")
    assert freed.returncode == 0, freed.stderr
    assert not reserve.exists(), "it would fill the disk again"
    deleted = scene.run("backup", "delete", scene.app_id, scene.backup_id)
    assert deleted.returncode == 0, deleted.stderr
    before = os.statvfs(scene.mount).f_bfree
    assert scene.run("prune", "--emergency").returncode == 0
    assert (os.statvfs(scene.mount).f_bfree - before) * os.statvfs(scene.mount).f_bsize > 2_000_000
    (scene.mount / "fill").unlink()
    assert scene.run("prune", "--emergency").returncode == 0
    assert reserve.exists()
