"""The commands as a shell runs them, the server as a process, and an instance to run them on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.home import Instance, create_instance
from holdfast.service.registry.accounts import add_account
from holdfast.service.registry.apps import add_app
from kit.forked import Forker
from kit.servers import running

PROGRAM = (sys.executable, "-m", "holdfast.cli.entry")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `holdfast` on the test's own home."""

    def holdfast(*arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        given = {**os.environ, "HOLDFAST_HOME": str(tmp_path / "home"), **environment}
        words = [*map(str, arguments)]
        if any(name.startswith("PYTHON") for name in environment):  # heeded by an interpreter that starts
            done = subprocess.run(
                [*PROGRAM, *words], env=given, cwd=tmp_path, capture_output=True, text=True, check=False
            )
        else:
            done = _forker().run(words, given, tmp_path)
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    return holdfast


@cache
def _forker() -> Forker:
    return Forker()


@contextmanager
def made_instance(home: Path, time_zone: str = "Europe/Berlin") -> Iterator[Instance]:
    """An instance as `holdfast init` makes it, but without limits on how often backups are made."""
    umask = os.umask(0o077)
    try:
        instance = create_instance(home, time_zone=time_zone)
        settings = home / "holdfast.toml"
        no_limits = re.sub("(cooldown_seconds|backups_per_day) = [0-9]+", r"\1 = 0", settings.read_text())
        settings.write_text(no_limits)
        try:
            yield instance
        finally:
            instance.close()
    finally:
        os.umask(umask)


@pytest.fixture
def bot(tmp_path: Path) -> tuple[str, str]:
    """An instance with an account and the application `bot`: (account id, app id).

    Made in this process: three commands would take 3 s of CPU in each test.
    """
    root = tmp_path / "app"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("hello\n")
    (root / "sub" / "b").write_bytes(os.urandom(200_000))
    with made_instance(tmp_path / "home") as instance:
        account = add_account(instance, "ana@example.com", "Silver", SYSTEM).account
        return account.id, add_app(instance, account.id, "bot", root, SYSTEM).id


class Server:
    """`holdfast serve` as a process."""

    def __init__(self, home: Path, port: int, program: Sequence[str] = PROGRAM) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [*program, "--home", str(home), "serve", "--port", str(port)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()

    def call(self, key: str, method: str, path: str) -> Any:
        return httpx.request(
            method, f"http://127.0.0.1:{self.port}{path}", headers={"Authorization": key}, timeout=60
        ).json()

    def jobs_pid(self) -> int:
        """The process that runs the jobs, by its command line among the server's children."""
        pid = self.process.pid
        # The children of each thread: the supervisor starts the process from a thread of its own.
        lists = (path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children"))
        children = [int(child) for children in lists for child in children]
        (found,) = [c for c in children if b"holdfast.worker.process" in Path(f"/proc/{c}/cmdline").read_bytes()]
        return found

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=60)
        return errors


@pytest.fixture
def free_port() -> int:
    """A port of this machine that nobody uses."""
    return running.free_port()


@pytest.fixture
def server(bot: tuple[str, str], tmp_path: Path, free_port: int) -> Iterator[Server]:
    """A server on the home of `bot`."""
    started = Server(tmp_path / "home", free_port)
    yield started
    if started.process.poll() is None:
        started.stop()


def heed_interrupts() -> None:
    """Before a program starts: a job in the background of a shell ignores SIGINT, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def damage_data(home: Path) -> None:
    """Flip a bit in the largest pack."""
    path = max((p for p in home.glob("store/vaults/*/packs/*/*")), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
