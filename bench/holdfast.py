"""Holdfast as its users meet it: the command `holdfast`, and a running server with its API.

Every instance of the benchmark has a home of its own with one account (plan Silver) and one application.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.measure import Measured, MeasuredCommandFailed, measure_call, measure_command, process_trees, stored_bytes
from bench.shell import run_quietly, user_environment
from bench.workplace import CHECKOUT

PROGRAM = CHECKOUT / ".venv" / "bin" / "holdfast"
READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
APP = "app"


class Home:
    """One instance: its folder, account, API key and application."""

    def __init__(self, path: Path, folder: Path, level: str = "fast") -> None:
        """Make the instance and an application whose data is `folder`."""
        self.path = path
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = user_environment() | {"HOLDFAST_HOME": str(path), "HOLDFAST_LEVEL": level}
        self._say("init")
        self._lift_limits()
        account = self._json("account", "add", "bench@example.org", "--plan", "Silver", "--json")
        self.account_id, self.api_key = str(account["account_id"]), str(account["api_key"])
        app = self._json("app", "add", APP, "--account", self.account_id, "--path", str(folder), "--json")
        self.app_id = str(app["app_id"])

    def _lift_limits(self) -> None:
        """Let the plan allow as many backups as are measured."""
        settings = self.path / "holdfast.toml"
        limits = r"(cooldown_seconds|backups_per_app|backups_per_day) = [0-9]+"
        settings.write_text(re.sub(limits, r"\1 = 0", settings.read_text()))

    def stored(self) -> int:
        return stored_bytes(self.path / "store")

    def delete(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def _say(self, *arguments: str) -> str:
        return run_quietly([str(PROGRAM), *arguments], env=self.environment)

    def _json(self, *arguments: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._say(*arguments))
        return answer


class Server:
    """A running `holdfast serve` of a home."""

    def __init__(self, home: Home, before: Sequence[str] = ()) -> None:
        """Start it and wait until it answers; `before` is put before the command, such as `taskset -c 0`."""
        self.home = home
        self._log = (home.path.parent / f"{home.path.name}.log").open("ab")
        command = [*before, str(PROGRAM), "serve", "--port", str(home.port), "--base-url", home.url]
        self._process = subprocess.Popen(command, env=home.environment, stdout=self._log, stderr=self._log)
        self._wait_ready()

    @property
    def processes(self) -> list[int]:
        return [self._process.pid]

    def backup(self) -> dict[str, Any]:
        """POST a backup, wait until it is finished, return the full object. Raises MeasuredCommandFailed."""
        path = f"/v3/apps/{self.home.app_id}/backups"
        backup: dict[str, Any] = self.request("POST", f"{path}?wait=90", b"{}")
        while backup["state"] in ("queued", "running"):
            time.sleep(0.05)
            backup = self.request("GET", f"{path}/{backup['id']}")
        if backup["state"] != "successful":
            raise MeasuredCommandFailed(f"Holdfast's backup ended as {backup['state']}: {backup['error']}")
        return backup

    def newest(self) -> dict[str, Any]:
        """Return the full object of the newest backup."""
        backups = self.request("GET", f"/v3/apps/{self.home.app_id}/backups?view=full")
        newest: dict[str, Any] = backups[-1]
        return newest

    def request(self, method: str, path: str, body: bytes | None = None) -> Any:
        """Call the API; return the contents of the envelope. Raises MeasuredCommandFailed for anything but success."""
        parts = urlsplit(self.home.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        headers = {"Authorization": self.home.api_key, "Content-Type": "application/json"}
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            said = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise MeasuredCommandFailed(f"{method} {path} answered {answer.status}: {said[:500].decode()}")
        return json.loads(said)["response"]

    def stop(self) -> None:
        """Stop it as Ctrl-C does, and its processes too if they outlive that."""
        if self._process.poll() is None:
            members = process_trees([self._process.pid])
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                for member in members:
                    os.kill(member, signal.SIGKILL)
                self._process.wait()
        self._log.close()

    def _wait_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS_MAX
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.request("GET", "/readyz")
            except (OSError, MeasuredCommandFailed, KeyError, ValueError):
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise MeasuredCommandFailed(f"`holdfast serve` did not become ready; see {self._log.name}")


class HoldfastCommand:
    """`holdfast backup create` from the shell: a process that starts, takes the backup and ends."""

    def __init__(self, run: Path, level: str = "fast") -> None:
        self.name = "holdfast CLI" if level == "fast" else f"holdfast CLI {level}"
        self._path = run / f"home-cli-{level}"
        self._level = level
        self._home: Home | None = None

    def begin(self, folder: Path) -> None:
        self.end()
        self._home = Home(self._path, folder, self._level)

    def take(self) -> Measured:
        return measure_command([str(PROGRAM), "backup", "create", APP, "--json"], env=self._begun().environment)

    def restore(self, target: Path) -> Measured:
        """Return the whole newest backup into an empty folder."""
        environment = self._begun().environment
        listed = json.loads(run_quietly([str(PROGRAM), "backup", "list", APP, "--json"], env=environment))
        command = [str(PROGRAM), "restore", APP, listed[-1]["name"], "--to", str(target), "--json"]
        return measure_command(command, env=environment)

    def stored(self) -> int:
        return self._begun().stored()

    def end(self) -> None:
        if self._home is not None:
            self._home.delete()
            self._home = None

    def _begun(self) -> Home:
        assert self._home is not None, "begin() comes first"
        return self._home


class HoldfastApi:
    """`POST /v3/apps/{id}/backups` to a running server, until the answer says that the backup is finished."""

    name = "holdfast API"

    def __init__(self, run: Path) -> None:
        self._path = run / "home-api"
        self._server: Server | None = None

    @property
    def server(self) -> Server:
        assert self._server is not None, "begin() comes first"
        return self._server

    def begin(self, folder: Path) -> None:
        self.end()
        self._server = Server(Home(self._path, folder))

    def take(self) -> Measured:
        server = self.server
        return measure_call(lambda: json.dumps(server.backup()).encode(), with_processes=server.processes)

    def stored(self) -> int:
        return self.server.home.stored()

    def restart(self) -> Server:
        """Return a fresh server on the same home: it has served nothing yet."""
        home = self.server.home
        self.server.stop()
        self._server = Server(home)
        return self._server

    def end(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server.home.delete()
            self._server = None


def warm_up(run: Path) -> None:
    """A tiny backup in both ways, so that no measured start is the first one after the installation."""
    folder = run / "warm-up"
    folder.mkdir()
    (folder / "file.txt").write_text("warm\n")
    for tool in (HoldfastCommand(run), HoldfastApi(run)):
        tool.begin(folder)
        tool.take()
        tool.end()
    shutil.rmtree(folder)


def _free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port: int = chosen.getsockname()[1]
        return port
