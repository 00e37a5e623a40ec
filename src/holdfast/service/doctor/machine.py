"""Checks of the machine: clock, disks, tools, limits."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from holdfast.catalog.accounts.apps import active_apps
from holdfast.catalog.statistics import app_statistics, newest_time
from holdfast.schemas.times import iso, local_time
from holdfast.service.doctor.finding import Check, Finding, Level, problem, warning
from holdfast.service.instance.capacity import capacity_of, open_files_max
from holdfast.service.instance.disks import Disk, disk_of
from holdfast.service.instance.home import Instance
from holdfast.service.registry.databases import databases_of
from holdfast.sources.databases.spec import Kind
from holdfast.units import GIB, SECOND_NS, size_text

CLOCK_SECONDS_MAX = 120
"""The clocks may differ by at most this much."""

YEAR_MIN = 2024
FREE_BYTES_MIN = GIB
FREE_SHARE_MIN = 0.05
OPEN_FILES_MIN = 1024
SQLITE_MIN = (3, 37, 0)

_TOOLS: dict[Kind, tuple[tuple[str, ...], str]] = {
    "postgres": (("pg_dump", "pg_restore"), "postgresql-client"),
    "mariadb": (("mariadb-dump", "mariadb"), "mariadb-client"),
    "redis": (("redis-cli",), "redis-tools"),
}
"""By kind of database: the programs, and Debian's package that has them."""


def _clock(instance: Instance) -> Iterator[Finding]:
    now_ns = instance.clock.now_ns()
    if local_time(now_ns, instance.zone).year < YEAR_MIN:
        yield problem(f"The clock says {iso(now_ns, instance.zone)}; set it, and switch its synchronisation on.")
    newest = newest_time(instance.catalog)
    if newest - now_ns > CLOCK_SECONDS_MAX * SECOND_NS:
        yield problem(
            f"The clock went back: it says {iso(now_ns, instance.zone)}, and the newest backup or event is of "
            f"{iso(newest, instance.zone)}. Until then schedules and retention go wrong; set the clock."
        )
    with tempfile.TemporaryFile(dir=instance.home / "store") as probe:
        probe.write(b"x")
        probe.flush()
        apart = (os.fstat(probe.fileno()).st_mtime_ns - now_ns) / SECOND_NS
    if abs(apart) > CLOCK_SECONDS_MAX:
        yield warning(
            f"The store's disk has a clock that is {abs(apart):.0f} s {'ahead' if apart > 0 else 'behind'}; "
            "synchronise the clock of this machine and that of the file server."
        )


def _disks(instance: Instance) -> Iterator[Finding]:
    apps = app_statistics(instance.catalog, instance.clock.now_ns())
    largest = max((app.good_bytes or 0 for app in apps), default=0)
    seen = set()
    for name, path in (("store", instance.home / "store"), ("home", instance.home)):
        disk = disk_of(str(path))
        if disk is None or disk.number in seen:
            continue
        seen.add(disk.number)
        yield from _disk(f"the disk of the {name} ({path})", disk, largest if name == "store" else 0)
    for app in apps:
        disk = disk_of(app.path) if app.node == instance.config.node else None
        if disk is not None and disk.free_bytes < (app.good_bytes or 0):
            yield warning(
                f"The disk of the application {app.name} has {size_text(disk.free_bytes)} free and its newest backup "
                f"{size_text(app.good_bytes or 0)}: a restore of all of it would not fit; free space on it."
            )


def _disk(name: str, disk: Disk, wanted: int) -> Iterator[Finding]:
    free = f"{size_text(disk.free_bytes)} of {size_text(disk.size_bytes)} free on {name}"
    if disk.free_bytes < FREE_BYTES_MIN:
        yield problem(f"Only {free}; backups fail when it is full. Free space, or delete backups and prune.", _PRUNE)
    elif disk.free_bytes < disk.size_bytes * FREE_SHARE_MIN:
        yield warning(f"Only {free}; free space, or delete backups and prune.", _PRUNE)
    elif disk.free_bytes < wanted:
        yield warning(f"Only {free}, and the largest application has {size_text(wanted)}; free space.", _PRUNE)
    if disk.inodes and disk.free_inodes < disk.inodes * FREE_SHARE_MIN:
        yield warning(f"Only {disk.free_inodes} more files can be made on {name}; remove files from it.")


_PRUNE = "holdfast prune"


def _tools(instance: Instance) -> Iterator[Finding]:
    if sqlite3.sqlite_version_info < SQLITE_MIN:
        wanted = ".".join(map(str, SQLITE_MIN))
        yield problem(f"Python has SQLite {sqlite3.sqlite_version}, and Holdfast needs {wanted}; use a newer Python.")
    wanting: dict[str, list[str]] = {}
    for app in active_apps(instance.catalog):
        if app.node == instance.config.node:
            for kind in {database.kind for database in databases_of(instance, app)}:
                wanting.setdefault(kind, []).append(app.name)
    for kind, (programs, package) in _TOOLS.items():
        missing = [program for program in programs if shutil.which(program) is None]
        if kind in wanting and missing:
            names = ", ".join(wanting[kind][:3]) + (" and others" if len(wanting[kind]) > 3 else "")
            yield problem(
                f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing, which backups of {names} "
                f"need; install the package {package}.",
                f"apt-get install {package}",
            )


def _open_files(instance: Instance) -> Iterator[Finding]:
    config = instance.config
    limit = _open_files_of_server(instance)
    fits = capacity_of(config, limit)
    fitting = f"{fits.connections} connections and {fits.downloads} downloads at once fit"
    if limit is not None and limit < OPEN_FILES_MIN:
        yield warning(
            f"The server may have only {limit} files open, so only {fitting}; raise that to {OPEN_FILES_MIN} or more "
            "(systemd: LimitNOFILE).",
            f"ulimit -n {OPEN_FILES_MIN}",
        )
    elif (fits.connections, fits.downloads) != (config.connections_max, config.downloads_max):
        yield warning(
            f"The server may have only {limit} files open, so {fitting}, and not {config.connections_max} and "
            f"{config.downloads_max} as the settings say; raise the limit (systemd: LimitNOFILE), or lower "
            "connections_max and downloads_max."
        )
    else:
        yield Finding(Level.OK, f"Processes may open enough files: {fitting}.")


def _open_files_of_server(instance: Instance) -> int | None:
    """The limit of the server that runs; where none does, the one that it would have if it was started from here."""
    try:
        pid = json.loads((instance.run / "server.json").read_text())["pid"]
        return open_files_max(pid)
    except (OSError, ValueError, KeyError, TypeError):
        return open_files_max(hard=True)


def _fsync(instance: Instance) -> Iterator[Finding]:
    path = Path(instance.run) / f"doctor-{secrets.token_hex(8)}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, b"x")
        os.fsync(fd)
    except OSError as error:
        yield problem(f"The home's disk does not write durably ({error.strerror}); use another disk for the home.")
    finally:
        os.close(fd)
        path.unlink(missing_ok=True)


MACHINE_CHECKS = (
    Check("clock", "The clock fits the newest backup and the store's disk.", _clock),
    Check("disk space", "There is room on the disks.", _disks),
    Check("durability", "The home's disk writes durably.", _fsync),
    Check("tools", "All programs that backups need are there.", _tools),
    Check("open files", "Processes may open enough files.", _open_files),
)
