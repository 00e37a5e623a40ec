"""`python -m bench growth`: what a thing costs beside n others of its kind, and how that grows with n.

CPU seconds are of all processes that take part, so that other work on the machine hardly matters; memory is the highest
sum of proportional set sizes. The exponent is the slope of a line through the logarithms: 0 is a cost that does not
grow, 1 one that grows as n does, 2 a quadratic one.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from urllib.parse import urlsplit

from bench.daily import make_small_tree
from bench.holdfast import APP, PROGRAM, Home, Server
from bench.measure import MeasuredCommandFailed, MemoryWatch, process_trees
from bench.mutate import change_tree
from bench.workplace import Size

BACKUPS: dict[Size, tuple[int, ...]] = {"full": (10, 100, 1_000), "quick": (10, 30, 100)}
APPS: dict[Size, tuple[int, ...]] = {"full": (100, 1_000, 10_000), "quick": (100, 300, 1_000)}
FILES: dict[Size, tuple[int, ...]] = {"full": (10_000, 100_000, 1_000_000), "quick": (3_000, 10_000, 30_000)}
TURNS = 5
FILES_PER_FOLDER = 100
FILE_BYTES = 500

MB = 1_000_000
DELETION_RATIO_MAX, LIST_EXPONENT_MAX = 1.5, 1.1
BACKUP_MB_MAX, DIFF_MB_MAX, FIRST_BYTE_MS_MAX = 350.0, 300.0, 200.0

FILL = """
CREATE TEMP TABLE numbers AS
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) SELECT i FROM n;
INSERT OR IGNORE INTO accounts (id, email, plan, created_at, data_key_sealed, link_secret_sealed, vault_epoch,
    commit_seq)
    SELECT 'other' || i, 'other' || i || '@example.org', plan, created_at, data_key_sealed, link_secret_sealed,
    vault_epoch, commit_seq FROM accounts, numbers WHERE accounts.id = '{account}';
INSERT OR IGNORE INTO apps (id, account_id, name, path, node, created_at)
    SELECT printf('%032x', i), account_id, 'app' || i, path, node, apps.created_at
    FROM apps, numbers WHERE apps.id = '{app}';
"""
"""Accounts and applications beside the benchmark's own."""


@dataclass(slots=True)
class Growth:
    """The costs of one thing by n, and what becomes of them. `unit`: of the costs, such as `ms`; `most`: what the
    largest may cost; `ratio_most`: how much more than the smallest."""

    name: str
    unit: str
    most: float | None = None
    ratio_most: float | None = None
    exponent_most: float | None = None
    costs: dict[int, float] = field(default_factory=dict)

    @property
    def exponent(self) -> float:
        """Return the slope of the costs' logarithms over those of n, by least squares."""
        points = [(math.log(n), math.log(max(cost, 1e-9))) for n, cost in self.costs.items()]
        x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
        slope: float = sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points)
        return slope

    @property
    def is_good(self) -> bool:
        """Return False when it costs more than it may."""
        costs = list(self.costs.values())
        return not (
            (self.most is not None and costs[-1] > self.most)
            or (self.ratio_most is not None and costs[-1] > self.ratio_most * costs[0])
            or (self.exponent_most is not None and self.exponent > self.exponent_most)
        )

    def text(self) -> str:
        """Return the line of the report."""
        costs = ", ".join(f"{n:,}: {cost:,.1f}" for n, cost in self.costs.items())
        bounds = [
            f"at most {self.most:g} {self.unit}" if self.most is not None else "",
            f"at most {self.ratio_most:g} times the first" if self.ratio_most is not None else "",
            f"exponent at most {self.exponent_most:g}" if self.exponent_most is not None else "",
        ]
        bound = "; ".join(filter(None, bounds))
        verdict = "" if self.is_good else ": TOO MUCH"
        shown = f"  {self.name} ({self.unit}): {costs}; exponent {self.exponent:.2f}"
        return f"{shown} ({bound}){verdict}" if bound else shown


def measure_growth(run: Path, form: Size, only: Sequence[str], say: Callable[[str], None]) -> bool:
    """Measure it, and say each n with its cost; returns whether all are as they must be."""
    parts: dict[str, Callable[[], list[Growth]]] = {
        "backups": lambda: _of_backups(BACKUPS[form], run, say),
        "apps": lambda: _of_apps(APPS[form], run),
        "files": lambda: _of_files(FILES[form], run, say),
    }
    is_good = True
    for name, part in parts.items():
        if name in only:
            say(f"beside other {name}:")
            for growth in part():
                say(growth.text())
                is_good &= growth.is_good
    return is_good


# -- backups of one application --------------------------------------------------------------------------------------


def _of_backups(numbers: Sequence[int], run: Path, say: Callable[[str], None]) -> list[Growth]:
    deleting = Growth("deleting a backup, by the API", "ms", ratio_most=DELETION_RATIO_MAX)
    by_command = Growth("deleting a backup, by the command", "ms", ratio_most=DELETION_RATIO_MAX)
    taking = Growth("a backup with a few changes, by the API", "ms")
    folder = run / "growth"
    make_small_tree(folder)
    server = Server(Home(run / "home-growth", folder))
    there: list[str] = []
    try:
        for number in numbers:
            while len(there) < number + 2 * TURNS:
                before = _cpu_seconds(server)
                change_tree(folder, seed=7_000 + len(there))
                there.append(server.backup()["id"])
                if number <= len(there) < number + TURNS:
                    taking.costs[number] = taking.costs.get(number, 0.0) + _ms(server, before) / TURNS
            _settle(server)
            deleting.costs[number] = sum(_deletion(server, there) for _ in range(TURNS)) / TURNS
            command = [str(PROGRAM), "backup", "delete", APP]
            costs = [command_cost([*command, _middle(there), "--json"], server.home) for _ in range(TURNS)]
            by_command.costs[number] = min(cost for cost, _, _ in costs)
            say(f"  {number:,} backups: measured")
    finally:
        server.stop()
        server.home.delete()
    return [deleting, by_command, taking]


def _deletion(server: Server, there: list[str]) -> float:
    before = _cpu_seconds(server)
    server.request("DELETE", f"/v3/apps/{server.home.app_id}/backups/{_middle(there)}")
    return _ms(server, before)


def _middle(there: list[str]) -> str:
    return there.pop(len(there) // 2)


def _settle(server: Server) -> None:
    """Wait until nothing goes on in the server behind a backup."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        before = _cpu_seconds(server)
        time.sleep(0.5)
        if _cpu_seconds(server) - before < 0.03:
            return


def _cpu_seconds(server: Server) -> float:
    """Return the CPU seconds of the server's processes, in nanoseconds' steps (/proc/PID/task/TID/schedstat)."""
    spent = 0
    for pid in process_trees(server.processes):
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                spent += int(task.read_text().split()[0])
            except OSError:
                continue
    return spent / 1e9


def _ms(server: Server, before: float) -> float:
    return (_cpu_seconds(server) - before) * 1000


# -- applications and accounts ---------------------------------------------------------------------------------------


def _of_apps(numbers: Sequence[int], run: Path) -> list[Growth]:
    apps = Growth("app list", "ms", exponent_most=LIST_EXPONENT_MAX)
    accounts = Growth("account list", "ms", exponent_most=LIST_EXPONENT_MAX)
    adding = Growth("app add, beside n in its account", "ms")
    folder = run / "one-app"
    folder.mkdir()
    home = Home(run / "home-apps", folder)
    try:
        for number in numbers:
            with closing(sqlite3.connect(home.path / "catalog.sqlite")) as catalog, catalog:
                catalog.executescript(FILL.format(most=number, account=home.account_id, app=home.app_id))
            for growth, words in ((apps, ["app", "list"]), (accounts, ["account", "list"])):
                command = [str(PROGRAM), *words, "--json"]
                growth.costs[number] = min(command_cost(command, home)[0] for _ in range(2))
            command = [str(PROGRAM), "app", "add", "--account", home.account_id, "--path", str(folder), "--json"]
            costs = [command_cost([*command, f"more-{number}-{i}"], home)[0] for i in range(3)]
            adding.costs[number] = min(costs)  # the first writes the record of those that were filled in
    finally:
        home.delete()
    return [apps, accounts, adding]


# -- files of one application ----------------------------------------------------------------------------------------


def _of_files(numbers: Sequence[int], run: Path, say: Callable[[str], None]) -> list[Growth]:
    first, first_mb = Growth("first backup", "ms"), Growth("first backup, memory", "MB", most=BACKUP_MB_MAX)
    again, again_mb = Growth("1 % changed", "ms"), Growth("1 % changed, memory", "MB", most=BACKUP_MB_MAX)
    diff, diff_mb = Growth("diff", "ms"), Growth("diff, memory", "MB", most=DIFF_MB_MAX)
    byte = Growth("first byte of the zip, just started", "ms")
    warm = Growth("first byte of the zip", "ms", most=FIRST_BYTE_MS_MAX)
    for number in numbers:
        folder = run / f"files-{number}"
        make_files(folder, number)
        home = Home(run / f"home-files-{number}", folder)
        create = [str(PROGRAM), "backup", "create", APP, "--json"]
        try:
            first.costs[number], first_mb.costs[number], said = command_cost(create, home)
            before = json.loads(said)["id"]
            _touch_some(folder, number)
            again.costs[number], again_mb.costs[number], said = command_cost(create, home)
            after = json.loads(said)["id"]
            command = [str(PROGRAM), "diff", APP, before, after, "--json"]
            diff.costs[number], diff_mb.costs[number], _ = command_cost(command, home)
            server = Server(home)
            try:
                url = urlsplit(server.newest()["url"])
                path = f"{url.path}?{url.query}" if url.query else url.path
                byte.costs[number] = _first_byte_ms(url.hostname or "", url.port or 0, path)
                warm.costs[number] = min(_first_byte_ms(url.hostname or "", url.port or 0, path) for _ in range(TURNS))
            finally:
                server.stop()
        finally:
            home.delete()
            shutil.rmtree(folder, ignore_errors=True)
        say(f"  {number:,} files: measured")
    return [first, first_mb, again, again_mb, diff, diff_mb, byte, warm]


def make_files(folder: Path, number: int) -> None:
    """Make `number` small files that all differ, a hundred in a folder."""
    for start in range(0, number, FILES_PER_FOLDER):
        inner = folder / f"part-{start // 10_000:04}" / f"folder-{start // FILES_PER_FOLDER % 100:02}"
        inner.mkdir(parents=True)
        for i in range(start, min(number, start + FILES_PER_FOLDER)):
            with open(f"{inner}/file-{i:07}.json", "wb") as file:
                file.write(b'{"number": %d, "text": "%s"}\n' % (i, os.urandom(FILE_BYTES // 2).hex().encode()))


def _touch_some(folder: Path, number: int) -> None:
    for i in range(0, number, 100):
        inner = folder / f"part-{i // 10_000:04}" / f"folder-{i // FILES_PER_FOLDER % 100:02}"
        (inner / f"file-{i:07}.json").write_text('{"changed": true}\n')


def _first_byte_ms(host: str, port: int, path: str) -> float:
    connection = HTTPConnection(host, port, timeout=120)
    try:
        began = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        read = answer.read(1)
        took = (time.perf_counter() - began) * 1000
        if answer.status != 200 or not read:
            raise MeasuredCommandFailed(f"GET {path} answered {answer.status}")
        return took
    finally:
        connection.close()


# -- commands --------------------------------------------------------------------------------------------------------


def command_cost(command: Sequence[str], home: Home) -> tuple[float, float, bytes]:
    """Run a command; return its CPU time in ms and its peak in MB, with those of its children, and what it printed.

    Raises MeasuredCommandFailed.
    """
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = subprocess.Popen(command, env=home.environment, stdout=output, stderr=errors)
        with MemoryWatch([process.pid]) as watch:
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        if process.returncode:
            said = errors.read()[-1000:].decode(errors="replace")
            raise MeasuredCommandFailed(f"`{' '.join(command)}` ended with {process.returncode}:\n{said}")
        return (used.ru_utime + used.ru_stime) * 1000, watch.peak_bytes / MB, output.read()
