"""A server of one kind, started for the tests of a session and stopped at its end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kit.servers.debian import libraries, programs, unpacked

START_SECONDS = 60.0
PASSWORD = 'se"cret#\\pass:w örd'
"""Everything that a quoting could get wrong."""


@dataclass(frozen=True)
class Server:
    """A running server. `bin`: where its tools are."""

    kind: str
    dsn: str
    bin: Path
    folder: Path


@contextmanager
def place() -> Iterator[Path]:
    """A short-named folder that the server's user can reach; gone in the end."""
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(command: Sequence[str | Path], folder: Path, ready: Callable[[], bool], **how: Any) -> Iterator[int]:
    """A server's process; given out when it answers. Its output goes to `folder/log`."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **how
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"{command[0]} did not start:\n{(folder / 'log').read_text()[-2000:]}", pytrace=False)
            time.sleep(0.02)
        yield process.pid
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(path: Path) -> bool:
    """Whether somebody listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(str(path))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port of this machine that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def found(names: Sequence[str]) -> Path | None:
    """The folder that has all these programs on this machine."""
    for folder in (*os.environ["PATH"].split(os.pathsep), "/usr/sbin"):
        if all(os.access(Path(folder) / name, os.X_OK) for name in names):
            return Path(folder)
    return None


# -- PostgreSQL ----------------------------------------------------------------------------------------------------


def _postgres_programs() -> tuple[Path, Path, str]:
    """Folder of the server's programs, folder of the clients, where libraries are that the machine may not have."""
    own = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    usable = [path for path in own if (path / "initdb").exists() and (path / "pg_dump").exists()]
    if usable:
        return usable[-1], usable[-1], ""
    root = unpacked("postgresql", ["postgresql"])
    inside = sorted(root.glob("usr/lib/postgresql/*/bin"))[-1]
    clients = programs(root, ["pg_dump", "pg_restore"], [str(inside.relative_to(root))])
    return inside, clients, libraries(root)


def _unprivileged() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


@contextmanager
def postgres() -> Iterator[Server]:
    """A PostgreSQL on a Unix socket, with the superuser `holdfast` and a password."""
    tools, clients, where = _postgres_programs()
    with place() as folder:
        who = _unprivileged()
        if who:
            shutil.chown(folder, "nobody", "nogroup")
        (folder / "password").write_text(PASSWORD)
        environ = {**os.environ, "LC_ALL": "C", **({"LD_LIBRARY_PATH": where} if where else {})}
        made = subprocess.run(
            [tools / "initdb", "-D", folder / "data", "-A", "scram-sha-256", "-U", "holdfast", "-N", "-E", "UTF8",
             "--locale=C", "--pwfile", folder / "password"],
            cwd=folder, capture_output=True, text=True, env=environ, **who,
        )  # fmt: skip
        if made.returncode:
            pytest.fail(f"initdb failed: {made.stderr}", pytrace=False)
        settings = {"unix_socket_directories": folder, "listen_addresses": "", "fsync": "off", "port": 5432}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        ready = folder / "data" / "postmaster.pid"

        def is_ready() -> bool:
            return ready.exists() and "ready" in ready.read_text()

        command: list[str | Path] = [tools / "postgres", "-D", folder / "data", *options]
        with running(command, folder, is_ready, cwd=folder, env=environ, **who):
            yield Server("postgres", f"postgresql://holdfast@/{{name}}?host={folder}", clients, folder)


# -- MariaDB -------------------------------------------------------------------------------------------------------

_MARIADB = ("mariadb", "mariadb-dump", "mariadbd")


def _mariadb_programs() -> tuple[Path, Path]:
    """Folder of programs, folder of the system tables' SQL."""
    clients, server = found(_MARIADB[:2]), found(_MARIADB[2:])
    share = Path("/usr/share/mysql")
    if clients and server == Path("/usr/sbin") and (share / "mysql_system_tables.sql").exists():
        folder = place_of_links(clients, server)
        return folder, share
    root = unpacked("mariadb", ["mariadb-server-core", "mariadb-client"])
    return programs(root, _MARIADB), root / "usr/share/mysql"


def place_of_links(clients: Path, server: Path) -> Path:
    """One folder for programs that are in two."""
    folder = Path(tempfile.gettempdir()) / f"hf-links-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    for name in _MARIADB:
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to((server if name == "mariadbd" else clients) / name)
    return folder


@contextmanager
def mariadb() -> Iterator[Server]:
    """A MariaDB on a Unix socket and a port, with the user `holdfast` and a password."""
    tools, share = _mariadb_programs()
    with place() as folder:
        data = folder / "data"
        data.mkdir()
        common = [
            tools / "mariadbd", "--no-defaults", f"--datadir={data}", f"--lc-messages-dir={share}",
            f"--character-sets-dir={share}/charsets", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=16M",
            "--innodb-flush-log-at-trx-commit=0", *(["--user=root"] if os.geteuid() == 0 else []),
        ]  # fmt: skip
        tables = "".join(
            (share / f"mysql_{name}.sql").read_text()
            for name in ("system_tables", "performance_tables", "system_tables_data")
        )
        quoted = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
        boot = (
            f"create database mysql;\nuse mysql;\n{tables}\nflush privileges;\n"
            f"create user 'holdfast'@'%' identified by '{quoted}';\n"
            f"create user 'holdfast'@'localhost' identified by '{quoted}';\n"
            "grant all on *.* to 'holdfast'@'%';\ngrant all on *.* to 'holdfast'@'localhost';\n"
        )
        made = subprocess.run([*map(str, common), "--bootstrap"], input=boot.encode(), capture_output=True)
        if made.returncode:
            pytest.fail(f"mariadbd could not be set up: {made.stderr.decode()[-2000:]}", pytrace=False)
        socket_path = folder / "s"
        command = [*map(str, common), f"--socket={socket_path}", "--skip-networking", f"--pid-file={data}/pid"]
        with running(command, folder, lambda: answers(socket_path)):
            yield Server("mariadb", f"mariadb://holdfast@localhost/{{name}}?socket={socket_path}", tools, folder)


# -- Redis ---------------------------------------------------------------------------------------------------------

_REDIS = ("redis-server", "redis-cli")


def _redis_programs() -> Path:
    return found(_REDIS) or programs(unpacked("redis", ["redis-server", "redis-tools"]), _REDIS)


@contextmanager
def redis(*settings: str) -> Iterator[Server]:
    """A Redis on a port of this machine, with a password."""
    tools, port = _redis_programs(), free_port()
    with place() as folder:
        command: list[str | Path] = [
            tools / "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
            "--requirepass", PASSWORD, "--repl-diskless-sync-delay", "0", "--unixsocket", folder / "s", *settings,
        ]  # fmt: skip
        with running(command, folder, lambda: answers(folder / "s")):
            yield Server("redis", f"redis://127.0.0.1:{port}", tools, folder)
