"""A tenant's folder as the current folder: nothing that lies there is run, whichever process is started from it.

The folder has a module for each name that Python or we import, and a program for each that we look for. Each leaves a
mark when it is run.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from kit.command import Server

import holdfast
from holdfast.isolation import leave_caller_folder, search_path
from holdfast.sources.databases.client import Client, environment
from holdfast.sources.databases.errors import ToolMissing
from holdfast.sources.databases.tools import redis_tool

HOLDFAST = Path(sys.prefix) / "bin" / "holdfast"
"""The console script, as an operator has it."""
PROGRAMS = ("sh", "python3", "pg_dump", "pg_restore", "redis-cli", "valkey-cli", "mariadb-dump", "mariadb")
FILES = 1200
"""So many that worker processes read them."""


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Path]:
    """The tenant's folder; at the end of the test nothing in it was run."""
    folder = tmp_path / "bot"
    folder.mkdir()
    mark = tmp_path / "was-run"
    site = Path(httpx.__file__).parents[1]
    names = {*sys.stdlib_module_names, *(found.name.partition(".")[0] for found in site.iterdir())}
    for name in names:
        if name.isidentifier() and name not in ("holdfast", "tests"):
            (folder / f"{name}.py").write_text(
                f"import os\nopen({str(mark)!r}, 'a').write({name!r} + '\\n')\nos._exit(7)\n"
            )
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho {name} >> {mark}\n")
        (folder / name).chmod(0o755)
    with closing(sqlite3.connect(folder / "app.db")) as database:
        database.execute("CREATE TABLE t (a)")
    for number in range(FILES):
        (folder / f"data-{number}.txt").write_text(str(number))
    (folder / "shared").mkdir()
    (folder / "shared").chmod(0o2775)
    (folder / "data-0.txt").chmod(0o664)
    yield folder
    assert not mark.exists(), f"run from the tenant's folder: {sorted(set(mark.read_text().split()))}"


@pytest.fixture
def run(hostile: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs the console script in the tenant's folder, as root may, with a PATH that ends in it."""

    def holdfast(*arguments: object, code: int = 0) -> str:
        done = subprocess.run(
            [HOLDFAST, *map(str, arguments)],
            env={**os.environ, "HOLDFAST_HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"] + ":"},
            cwd=hostile,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout

    return holdfast


@pytest.fixture
def app_id(run: Callable[..., str], tmp_path: Path) -> tuple[str, str]:
    """The tenant's application: (API key, app id). Its path was given as one relative to the current folder."""
    run("init", "--time-zone", "UTC")
    settings = tmp_path / "home" / "holdfast.toml"
    settings.write_text(re.sub("cooldown_seconds = [0-9]+", "cooldown_seconds = 0", settings.read_text()))
    account = json.loads(run("account", "add", "ana@example.com", "--plan", "Silver", "--json"))
    app = json.loads(run("app", "add", "bot", "--account", account["account_id"], "--path", ".", "--json"))
    return account["api_key"], app["app_id"]


def test_commands(app_id: tuple[str, str], run: Callable[..., str], hostile: Path, tmp_path: Path) -> None:
    # Worker processes, SQLite's copier, a hook's shell.
    run("app", "hook", "bot", "before", "true")
    run("backup", "create", "bot", "--name", "one")
    # A whole restore that is compared, with the checker of databases.
    run("prove", "bot", "one")
    # apprise's process.
    run("notice", "add", "ntfys://ntfy.sh/topic")
    # Paths stay relative to the folder in which the command is given.
    run("backup", "download", "bot", "one", "-o", "../one.zip")
    run("backup", "import", "bot", "../one.zip")
    run("restore", "bot", "one", "--to", "../elsewhere")
    assert (tmp_path / "one.zip").stat().st_size > 0
    assert (tmp_path / "elsewhere" / "data-0.txt").read_text() == "0"
    # Our umask is no business of what is restored, nor of the folder that it comes into.
    for name, mode in {".": 0o755, "shared": 0o2775, "data-0.txt": 0o664}.items():
        assert stat.S_IMODE((tmp_path / "elsewhere" / name).stat().st_mode) == mode, name
    copied = sqlite3.connect(tmp_path / "elsewhere" / "app.db")
    with closing(copied):
        assert copied.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_server(
    app_id: tuple[str, str], hostile: Path, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    server = Server(tmp_path / "home", free_port, program=[str(HOLDFAST)])
    try:
        key, app = app_id
        made: Any = server.call(key, "POST", f"/v3/apps/{app}/backups?wait=60")
        assert made["response"]["state"] == "successful", made
        for pid in (server.jobs_pid(),):
            assert os.readlink(f"/proc/{pid}/cwd") == "/"
            assert "Umask:\t0077" in Path(f"/proc/{pid}/status").read_text()
    finally:
        server.stop()


def test_every_process_is_started_by_the_rules() -> None:
    """In `/`, with our umask; and Python only by the command lines of isolation.py."""
    source = Path(holdfast.__file__).parent
    started = 0
    for path in source.rglob("*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("subprocess.Popen", "subprocess.run"):
                given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                assert (given.get("cwd"), given.get("umask")) == ("ROOT", "UMASK"), f"{path}:{node.lineno}"
                started += 1
        if path.name != "isolation.py":
            assert "sys.executable" not in path.read_text(), f"{path} starts Python by itself"
    assert started >= 8


def test_a_database_client(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile)
    monkeypatch.setenv("PYTHONPATH", str(hostile))
    with Client("/bin/sh", ["-c", "pwd; umask"], environment(search_path())) as client:
        assert client.read_all().split() == [b"/", b"0077"]
        assert client.finish() == 0


def test_programs_are_not_looked_for_in_the_current_folder(hostile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(hostile)
    for path in ("", ".", ":/nonexistent", "/nonexistent:"):
        monkeypatch.setenv("PATH", path)
        try:
            found = redis_tool()
        except ToolMissing:
            continue
        assert found.path.startswith("/")
        assert not found.path.startswith(str(hostile))


def test_the_current_folder_leaves_the_search_path(
    hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hostile)
    (tmp_path / "link").symlink_to(hostile)
    path = ["", ".", "lib", str(hostile), str(tmp_path / "link"), "/usr/lib/python3"]
    leave_caller_folder(path)
    assert path == ["/usr/lib/python3"]


def test_an_installation_is_left_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = str(Path(holdfast.__file__).parents[1])
    monkeypatch.chdir(installed)
    path = ["", installed, "/usr/lib/python3"]
    leave_caller_folder(path)
    assert path == [installed, "/usr/lib/python3"]
