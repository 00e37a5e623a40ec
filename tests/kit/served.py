"""An instance that `holdfast serve` serves as a process of its own, for attacks: what it holds can be measured."""

from __future__ import annotations

import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx

from holdfast.catalog.records import SYSTEM, Backup
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.registry.accounts import NewAccount, add_account
from holdfast.service.registry.apps import add_app
from holdfast.service.registry.link_keys import LinkKeys
from holdfast.service.take.run import take_now
from kit.servers import running

WAIT_SECONDS = 20


@dataclass
class Tenant:
    """An account with one backup of one application."""

    key: NewAccount
    backup: Backup
    link: str
    """Path and query of the backup's download."""


@dataclass
class Served:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    tenants: Sequence[Tenant]
    log: Path

    def connect(self, receive_bytes: int | None = None) -> socket.socket:
        """A connection; `receive_bytes` keeps the kernel from taking much more than a client reads."""
        opened = socket.socket()
        if receive_bytes is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        opened.settimeout(WAIT_SECONDS)
        opened.connect(("127.0.0.1", self.port))
        return opened

    def ask(self, path: str, *headers: str, receive_bytes: int | None = 4096) -> tuple[socket.socket, int]:
        """Ask for a path and read no more than the start of the answer; the status is 0 when none came."""
        opened = self.connect(receive_bytes)
        head = "".join(f"{line}\r\n" for line in ("Host: localhost", *headers))
        opened.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        try:
            return opened, int(opened.recv(12)[9:12] or b"0")
        except ConnectionError:
            return opened, 0

    def client(self, key: str | None = None) -> httpx.Client:
        """A client, with an API key or without."""
        headers = {} if key is None else {"Authorization": key}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=WAIT_SECONDS)

    def resident_bytes(self) -> int:
        """The memory of the web process."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    def descriptors(self) -> int:
        """The number of descriptors that the web process has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def make_tenants(instance: Instance, folder: Path, count: int, content_bytes: int) -> list[Tenant]:
    """Accounts with a backup each, whose content does not compress."""
    found = []
    for number in range(count):
        root = folder / f"app{number}"
        root.mkdir()
        (root / "data.bin").write_bytes(random.Random(number).randbytes(content_bytes))
        key = add_account(instance, f"tenant{number}@example.org", "Titanium", SYSTEM)
        app = add_app(instance, key.account.id, "bot", root, SYSTEM)
        backup = take_now(instance, app.id, SYSTEM)
        assert backup.state == "successful", backup.error_message
        link_key = LinkKeys(instance).of(backup)
        found.append(Tenant(key, backup, f"/{backup.account_id}_{quote(backup.name, safe='')}.zip?{link_key}"))
    return found


@contextmanager
def served(
    folder: Path,
    *,
    tenants: int = 1,
    content_bytes: int = 100_000,
    settings: str = "",
    is_limited: bool = True,
    open_files: int | None = None,
) -> Iterator[Served]:
    """Make an instance and serve it. `open_files`: the server's soft limit, which it may raise to the hard one.

    `is_limited`: the plans limit how often backups are made.
    """
    port = running.free_port()
    home = folder / "home"
    instance = create_instance(home, base_url=f"http://127.0.0.1:{port}", time_zone="UTC")
    try:
        made = make_tenants(instance, folder, tenants, content_bytes)
    finally:
        instance.close()
    config = home / "holdfast.toml"
    written = config.read_text()
    if not is_limited:
        written = re.sub("(cooldown_seconds|backups_per_day) = [0-9]+", r"\1 = 0", written)
    config.write_text(settings + "\n" + written)

    def limit_files() -> None:
        if open_files is not None:
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, hard))

    log = folder / "serve.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.cli.main", "--home", str(home), "serve", "--port", str(port)],
            stdout=subprocess.PIPE, stderr=errors, preexec_fn=limit_files,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert b"serves" in process.stdout.readline(), log.read_text()
            yield Served(port, process, made, log)
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
