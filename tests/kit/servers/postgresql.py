"""The databases that the catalog's tests run on: SQLite in a file, and a real PostgreSQL where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

SERVER_USER = "postgres"


def postgresql_programs() -> Path | None:
    """Where initdb and postgres are; None when this machine has none that we could run."""
    found = shutil.which("postgres")
    programs = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    usable = [p for p in programs if (p / "initdb").exists() and (p / "pg_ctl").exists()]
    if not usable or (os.geteuid() == 0 and not shutil.which("setpriv")):
        return None
    return usable[-1]


@contextmanager
def postgresql_server(folder: Path, programs: Path) -> Iterator[str]:
    """A server of its own on a Unix socket in `folder` (kept short: a socket's path has at most 107 bytes).

    Gives the URL without a database's name. PostgreSQL refuses to run as root, so root hands it to its own user.
    """
    as_user: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, SERVER_USER, SERVER_USER)
        as_user = ["setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--clear-groups"]
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [*as_user, programs / program, "-D", data, *arguments],
            cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    run("initdb", "-A", "trust", "-U", "holdfast", "-N", "-E", "UTF8", "--locale=C")
    run("pg_ctl", "-w", "-o", f"-k {folder} -c listen_addresses='' -c fsync=off", "-l", str(folder / "log"), "start")
    try:
        yield f"postgresql://holdfast@/{{name}}?host={folder}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Makes an empty database and gives its URL."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("needs PostgreSQL's programs (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="hfpg"))
    made = 0

    def new_database() -> str:
        nonlocal made
        made += 1
        with psycopg.connect(url.format(name="postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE test{made}".encode())
        return url.format(name=f"test{made}")

    try:
        with postgresql_server(folder, programs) as url:
            yield new_database
    finally:
        shutil.rmtree(folder)
