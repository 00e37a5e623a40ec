"""An instance with one account and one application, on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.records import SYSTEM, Account, App, Backup
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup


@dataclass
class FakeClock:
    """A clock that the test moves."""

    ns: int = 1_733_605_631_000_000_000  # 2024-12-07T22:07:11+01:00

    def now_ns(self) -> int:
        return self.ns


@dataclass
class World:
    """What a service test needs."""

    instance: Instance
    clock: FakeClock
    account: Account
    api_key: str
    app: App
    root: Path

    def take(self, name: str | None = None) -> Backup:
        """Ask for a backup of the application and run it."""
        backup, _ = request_backup(self.instance, self.app.id, SYSTEM, name=name)
        return run_backup(self.instance, backup.id)

    def again(self, backup: Backup) -> Backup:
        """A backup as the catalog has it now."""
        found = backup_by_id(self.instance.catalog, backup.id)
        assert found is not None
        return found


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh instance whose application has three files."""
    clock = FakeClock()
    instance = create_instance(tmp_path / "home", time_zone="Europe/Berlin", clock=clock)
    made = add_account(instance, "ana@example.com", "Silver", SYSTEM)
    root = tmp_path / "app"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("hello\n")
    (root / "sub" / "b.bin").write_bytes(bytes(range(256)) * 400)
    (root / "link").symlink_to("a.txt")
    app = add_app(instance, made.account.id, "bot", root, SYSTEM)
    yield World(instance, clock, made.account, made.api_key, app, root)
    instance.close()
