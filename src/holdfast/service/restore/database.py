"""Restore a database from its dump in a backup, by the database's own tools.

First the whole dump is read from the backup into a scratch file (verifying every chunk's tag and CRC-32) and checked by
the tool that will load it; then the safety backup is taken; only then is the database touched.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from holdfast.catalog.records import App, Backup
from holdfast.restorer.staging import CANCELLED
from holdfast.service.errors import Conflict, NotFound
from holdfast.service.instance.home import Instance
from holdfast.service.registry.databases import Dump, databases_of, dump_in
from holdfast.sources.databases import mariadb, postgres, redis
from holdfast.sources.databases.client import Patience
from holdfast.sources.databases.errors import DumpNoRoom, database_named
from holdfast.sources.databases.spec import DatabaseSpec
from holdfast.vault.control import Control, Progress
from holdfast.vault.errors import DamagedError
from holdfast.vault.reader.browse import Browser
from holdfast.vault.reader.content import content_range

LOAD_SECONDS = 7 * 24 * 3600.0
"""A client that loads a dump says nothing meanwhile, so it gets all the time it may want."""


class WantedDatabase(msgspec.Struct, frozen=True):
    """Which database of a backup. `to`: another one that it goes into; None: the application's own of that name."""

    name: str
    to: DatabaseSpec | None = None


@dataclass(frozen=True, slots=True)
class DatabaseRestore:
    """One restore of a database: what is to be done, and who is told."""

    instance: Instance
    backup: Backup
    app: App
    wanted: WantedDatabase
    scratch: Path
    control: Control


def target_of(instance: Instance, app: App, dump: Dump, wanted: WantedDatabase) -> DatabaseSpec:
    """The database that a dump goes into. Raises NotFound (DATABASE_NOT_FOUND), Conflict (DATABASE_OTHER_KIND)."""
    spec = wanted.to or next((one for one in databases_of(instance, app) if one.name == dump.name), None)
    if spec is None:
        raise NotFound(
            "DATABASE_NOT_FOUND",
            f"{app.name} has no database named {dump.name} any more.",
            f"{app.name} has no database named {dump.name} any more; say with --to-dsn where the dump is to go.",
        )
    if spec.kind != dump.kind:
        raise Conflict("DATABASE_OTHER_KIND", f"The dump is of a {dump.kind} database and cannot go into {spec.kind}.")
    return spec


def scratch_folder(instance: Instance, job_id: str) -> Path:
    """Return the folder of a dump while it is loaded."""
    return instance.run.resolve() / f"dump-{job_id}"


def load_dump(operation: DatabaseRestore, safety_backup: Callable[[], str | None]) -> tuple[int, str | None]:
    """Do it; returns the size of the dump in bytes, and the id of the safety backup.

    Raises ServiceError, DatabaseFailed, VaultError, StoreError, Cancelled.
    """
    dump = dump_in(operation.instance, operation.backup, operation.wanted.name)
    spec = target_of(operation.instance, operation.app, dump, operation.wanted)
    operation.scratch.mkdir(mode=0o700, exist_ok=True)
    try:
        path = operation.scratch / dump.path.decode().rpartition("/")[2]
        with database_named(dump.name):
            size = _fetch(operation, dump, path)
            load = _ready(operation, dump, spec, path)
            safety = safety_backup()
            operation.control.check(CANCELLED)
            load()
        return size, safety
    finally:
        shutil.rmtree(operation.scratch, ignore_errors=True)


def _fetch(operation: DatabaseRestore, dump: Dump, path: Path) -> int:
    """Write the dump to a scratch file. Raises DamagedError, ChunkMissing, DumpNoRoom, Cancelled."""
    snapshot = operation.instance.vault(operation.backup.account_id).open(operation.backup.id)
    try:
        entry = Browser(snapshot).entry(dump.path)
        if entry is None:
            raise DamagedError(f"The backup's dump of {dump.name} is not where it should be.")
        done = 0
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            for piece in content_range(snapshot, entry, 0, entry.size):
                operation.control.check(CANCELLED)
                file.write(piece)
                done += len(piece)
                operation.control.progress(Progress(0, done, 1, entry.size))
        return done
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DumpNoRoom(f"The dump has no room in {path.parent}; free some. Nothing was changed.") from None
        raise
    finally:
        snapshot.close()


def _ready(operation: DatabaseRestore, dump: Dump, spec: DatabaseSpec, path: Path) -> Callable[[], None]:
    """Find the tool, check the dump and see that the target answers; returns what loads it."""
    short, long = Patience(control=operation.control), Patience(LOAD_SECONDS, operation.control)
    if dump.kind == "postgres":
        restores = postgres.tool_for_load(spec, path)
        return lambda: postgres.load(spec, restores, path, long, is_same=operation.wanted.to is None)
    if dump.kind == "mariadb":
        mariadb.check_dump(path)
        client = mariadb.tool_for_load(spec, short)
        return lambda: mariadb.load(spec, client, path, long)
    redis.check_dump(path)
    server = redis.tool_for_load(spec)
    return lambda: redis.load(spec, server, path, long)
