"""Finding the databases' own tools on this machine, and choosing among several versions."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass

from holdfast.isolation import ROOT, UMASK, search_path
from holdfast.sources.databases.client import environment
from holdfast.sources.databases.errors import ToolMissing, ToolTooOld

POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
"""The folders in which distributions keep several versions side by side (Debian; Red Hat)."""

REDIS_OLDEST = (6,)
"""Users came with Redis 6, and with them the option for one."""

_NUMBER = re.compile(r"(\d+)(?:\.(\d+))?")
_MARIADB_NUMBER = re.compile(r"(?:Distrib |from )(\d+)\.(\d+)")
_VERSION_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on this machine. `version`: major and minor."""

    path: str
    version: tuple[int, ...]

    @property
    def text(self) -> str:
        """Name and version for people."""
        return f"{os.path.basename(self.path)} {'.'.join(map(str, self.version))}"

    def sibling(self, name: str) -> str:
        """Another program of the same package."""
        return os.path.join(os.path.dirname(self.path), name)


@dataclass(frozen=True, slots=True)
class Found:
    """The facts to know before a dump. `size`: approximate bytes, as far as the server tells.

    `tables`: those that are not dumped in one state with the others.
    """

    tool: Tool
    server: str
    size: int = 0
    tables: tuple[str, ...] = ()


def postgres_tools() -> list[Tool]:
    """Return all installed pg_dump that have their pg_restore beside them, the newest first. Raises ToolMissing."""
    folders = [folder for pattern in POSTGRES_FOLDERS for folder in glob.glob(pattern)]
    found: dict[str, Tool] = {}
    for folder in (*folders, *search_path().split(os.pathsep)):
        path = os.path.realpath(os.path.join(folder, "pg_dump"))
        # Debian's /usr/bin/pg_dump is a chooser of versions, which follows rules of its own.
        if os.path.basename(path) != "pg_dump" or path in found or not os.access(path, os.X_OK):
            continue
        tool = Tool(path, _version(path, _NUMBER))
        if tool.version and os.access(tool.sibling("pg_restore"), os.X_OK):
            found[path] = tool
    if not found:
        raise ToolMissing(
            "This machine has no pg_dump; install the package postgresql-client (on Debian: "
            "apt-get install postgresql-client)."
        )
    return sorted(found.values(), key=lambda tool: tool.version, reverse=True)


def postgres_tool(server_version: int) -> Tool:
    """Return the newest pg_dump if it can dump a server of that major version. Raises ToolMissing, ToolTooOld."""
    newest = postgres_tools()[0]
    if newest.version[0] < server_version:
        raise ToolTooOld(
            f"The server is PostgreSQL {server_version} and the newest pg_dump on this machine is of version "
            f"{newest.version[0]}; install the package postgresql-client-{server_version}."
        )
    return newest


def mariadb_tool(*names: str) -> Tool:
    """Return the first of some programs that is installed and is MariaDB's. Raises ToolMissing."""
    for name in names:
        path = shutil.which(name, path=search_path())
        if path:
            version = _version(path, _MARIADB_NUMBER, needed="MariaDB")
            if version:
                return Tool(path, version)
    raise ToolMissing(
        f"This machine has no {names[0]} of MariaDB; install the package mariadb-client (on Debian: "
        "apt-get install mariadb-client)."
    )


def redis_tool(name: str = "cli", package: str = "redis-tools") -> Tool:
    """`redis-<name>`, or Valkey's where only that is. Raises ToolMissing, ToolTooOld."""
    for made_by in ("redis", "valkey"):
        path = shutil.which(f"{made_by}-{name}", path=search_path())
        version = _version(path, _NUMBER) if path else ()
        if path and version:
            if version < REDIS_OLDEST:
                raise ToolTooOld(f"{path} is of version {version[0]}; at least 6 is needed: install a newer {package}.")
            return Tool(path, version)
    raise ToolMissing(
        f"This machine has no redis-{name}; install the package {package} (on Debian: apt-get install {package})."
    )


def _version(path: str, number: re.Pattern[str], needed: str = "") -> tuple[int, ...]:
    """Return the version that a program reports; empty when it reports nothing usable."""
    try:
        done = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment(search_path()),
            cwd=ROOT,
            umask=UMASK,
            timeout=_VERSION_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    text = done.stdout.decode(errors="replace")
    found = number.search(text)
    if done.returncode or needed not in text or not found:
        return ()
    return tuple(int(part) for part in found.groups() if part is not None)
