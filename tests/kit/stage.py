"""An application with a real database server behind it, and tools that misbehave."""

from __future__ import annotations

import os
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from holdfast.catalog.records import SYSTEM, App, Backup, Job, State
from holdfast.service.access.download import find_download
from holdfast.service.registry.apps import find_app
from holdfast.service.registry.databases import add_database, spec_of
from holdfast.service.restore.database import WantedDatabase
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.sources.databases.spec import DatabaseSpec
from kit.links import key_of
from kit.servers.running import PASSWORD, Server
from kit.world import World

VARIABLE = "DATABASE_PASSWORD_OF_TESTS"


@dataclass
class Stage:
    """A world whose application has databases of one server."""

    world: World
    server: Server
    monkeypatch: pytest.MonkeyPatch
    tmp_path: Path

    @property
    def app(self) -> App:
        """The application as it is now."""
        return find_app(self.world.instance, self.world.app.id)

    def spec(self, database: str, name: str | None = None) -> DatabaseSpec:
        """A database of the server, as an operator would name it."""
        dsn = self.server.dsn.replace("{name}", database)
        return spec_of(self.server.kind, dsn, name=name, password_env=VARIABLE)

    def add(self, database: str = "app", name: str | None = None, *, check: bool = True) -> DatabaseSpec:
        """Make a database a source of the application."""
        spec = self.spec(database, name)
        add_database(self.world.instance, self.app, spec, SYSTEM, check=check)
        return spec

    def take(self) -> Backup:
        """A backup that must work."""
        self.world.clock.ns += 1_000_000_000
        backup = self.world.take()
        assert backup.state is State.SUCCESSFUL, backup.error_message
        return backup

    def fail(self, code: str) -> Backup:
        """A backup that must fail, with nothing of it kept."""
        backup = self.world.take()
        assert (backup.state, backup.error_code) == (State.FAILED, code), backup.error_message
        store = self.world.instance.home / "store" / "vaults" / self.world.account.id
        assert not (store / "backups" / backup.id).exists()
        assert not list(self.world.instance.run.glob("copies-*"))
        assert PASSWORD not in (backup.error_detail or "")
        return backup

    def restore(self, backup: Backup, name: str = "app", to: DatabaseSpec | None = None) -> Job:
        """Restore a database; the job as it ended."""
        wanted = Wanted(database=WantedDatabase(name, to))
        job = run_restore(
            self.world.instance, request_restore(self.world.instance, backup, self.app, wanted, SYSTEM).id
        )
        assert not list(self.world.instance.run.glob("dump-*"))
        return job

    def restore_files(self, backup: Backup, to: Path, *paths: str) -> Job:
        """Restore files into a folder."""
        wanted = Wanted(paths=paths, mode="overlay", to=str(to))
        return run_restore(
            self.world.instance, request_restore(self.world.instance, backup, self.app, wanted, SYSTEM).id
        )

    def downloaded(self, backup: Backup) -> zipfile.ZipFile:
        """The backup as a customer gets it."""
        key = key_of(self.world.instance, backup)
        found = find_download(self.world.instance, self.world.account.id, backup.name, key, "zip")
        assert found is not None
        path = self.tmp_path / "download.zip"
        path.write_bytes(b"".join(found.stream(0, found.length)))
        archive = zipfile.ZipFile(path)
        assert archive.testzip() is None
        return archive

    def config(self, **values: object) -> None:
        """Change the configuration of the open instance."""
        instance = self.world.instance
        object.__setattr__(instance, "config", msgspec.structs.replace(instance.config, **values))

    def fake(self, tool: str, script: str) -> Path:
        """Put a shell script in a tool's place; `$REAL` in it is the real one. Returns its folder."""
        folder = self.tmp_path / "fakes"
        folder.mkdir(exist_ok=True)
        path = folder / tool
        path.write_text(f"#!/bin/sh\nREAL='{self.server.bin / tool}'\n{script}\n")
        path.chmod(0o755)
        for name in os.listdir(self.server.bin):
            with suppress(FileExistsError):
                (folder / name).symlink_to(self.server.bin / name)
        self.monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        self.monkeypatch.setattr("holdfast.sources.databases.tools.POSTGRES_FOLDERS", ())
        return folder

    def no_trace(self, *places: Path) -> None:
        """The password is nowhere in the instance's files, nor in others."""
        needle = PASSWORD.encode()
        for place in (self.world.instance.home, *places):
            for path in place.rglob("*"):
                if path.is_file():
                    assert needle not in path.read_bytes(), path


def staged(world: World, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stage:
    """A stage whose tools and password are in the environment."""
    monkeypatch.setenv(VARIABLE, PASSWORD)
    monkeypatch.setenv("PATH", f"{server.bin}:{os.environ['PATH']}")
    return Stage(world, server, monkeypatch, tmp_path)


RECORD = 'tr "\\0" "\\n" < /proc/$$/environ > "{0}/environ"; printf "%s\\n" "$@" > "{0}/arguments"; exec "$REAL" "$@"'
"""A tool that writes down how it was started, and goes on as the real one."""


VERSION = '[ "$1" = --version ] && exec "$REAL" "$@"; '
"""The start of a tool that misbehaves only when it is not asked for its version."""


def ends(pid: int) -> bool:
    """Whether a process ends soon (a zombie has ended)."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        os.sched_yield()
    return False


def stop_when(path: Path) -> Callable[[], bool]:
    """Cancel as soon as a file is there."""
    return path.exists
