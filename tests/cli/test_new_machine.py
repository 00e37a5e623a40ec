"""The page "On a new machine": its five lines are run as they stand there, with this test's folders and names."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from kit.command import Run, Server

PAGE = (Path(__file__).parents[2] / "docs" / "new-machine.md").read_text()
LINES = re.findall(r"^    (.*)$", PAGE, re.MULTILINE)
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def started() -> Iterator[list[Server]]:
    """Servers to be stopped at the end."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        if server.process.poll() is None:
            server.stop()


def run_line(run: Run, line: str, tmp_path: Path, backup: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the page in this test's folders; its home is the one that the first line names."""
    assert line.startswith("holdfast ")
    words = [
        word.replace("/srv/holdfast-store", str(tmp_path / "copy")).replace("Backup at 2026-11-23 12:20:07", backup)
        for word in shlex.split(line)
    ]
    return run(*words[1:])


def test_five_lines_bring_everything_back(
    run: Run, bot: tuple[str, str], tmp_path: Path, free_port: int, started: list[Server]
) -> None:
    run("backup", "create", "bot", "--name", "older")
    made = json.loads(run("backup", "create", "bot", "--json").stdout)
    key = json.loads(run("account", "rotate-key", bot[0], "--json").stdout)["api_key"]
    sheet = run("key", "export").stdout
    (tmp_path / "sheet.txt").write_text(sheet)
    subprocess.run(["cp", "-a", tmp_path / "home" / "store", tmp_path / "copy"], check=True)
    shutil.rmtree(tmp_path / "home")
    shutil.rmtree(tmp_path / "app")

    export, init, restore, doctor, serve = LINES
    assert export == "export HOLDFAST_HOME=/var/lib/holdfast"  # as the fixture `run` does, with another folder
    shown = run_line(run, init, tmp_path, made["name"]).stdout
    assert f"holdfast restore bot {shlex.quote(made['name'])} " in shown
    assert {backup["name"] for backup in json.loads(run("backup", "list", "bot", "--json").stdout)} == {
        "older",
        made["name"],
    }
    run_line(run, restore, tmp_path, made["name"])
    assert (tmp_path / "app" / "a.txt").read_text() == "hello\n"
    findings = run_line(run, doctor, tmp_path, made["name"])
    assert "PROBLEM" not in findings.stdout
    assert serve == "holdfast serve"
    started.append(Server(tmp_path / "home", free_port))
    assert len(started[0].call(key, "GET", f"/v3/apps/{bot[1]}/backups")["response"]) == 2
    old_link = httpx.URL(made["url"]).copy_with(port=free_port)
    (tmp_path / "out.zip").write_bytes(httpx.get(old_link).raise_for_status().content)
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("a.txt") == b"hello\n"
    assert json.loads(run("doctor", "--json").stdout)["problems"] == 0


def test_the_sheet_has_the_lines_of_the_page(run: Run, bot: tuple[str, str]) -> None:
    printed = re.findall(r"^    (.*)$", run("key", "export").stdout, re.MULTILINE)
    placeholders = [
        line.replace("/srv/holdfast-store", "STORE")
        .replace("sheet.txt", "SHEET")
        .replace('bot "Backup at 2026-11-23 12:20:07"', "APP BACKUP")
        for line in LINES
    ]
    assert printed[1:] == placeholders[1:]
    assert printed[0].startswith("export HOLDFAST_HOME=")


def test_wrong_use_is_2_and_a_wrong_sheet_is_1(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "cut.txt").write_text(run("key", "export").stdout[:200])
    (tmp_path / "home" / "store").rename(tmp_path / "copy")
    new = ("--home", tmp_path / "new", "init")
    assert "--from-store needs --key" in run(*new, "--from-store", tmp_path / "copy", code=2).stderr
    assert "--key belongs to --from-store" in run(*new, "--key", "cut.txt", code=2).stderr
    assert "cannot be read" in run(*new, "--from-store", tmp_path / "copy", "--key", "no.txt", code=2).stderr
    failed = run(*new, "--from-store", tmp_path / "copy", "--key", "cut.txt", "--json", code=1)
    assert json.loads(failed.stderr)["code"] == "INSTANCE"
    assert not (tmp_path / "new").exists()
    done = run(*new, "--from-store", tmp_path / "copy", "--json", HOLDFAST_MASTER_KEY=key_of(tmp_path)).stdout
    assert json.loads(done)["accounts"][0]["apps"] == 1


def key_of(tmp_path: Path) -> str:
    return (tmp_path / "home" / "master.key").read_text().strip()
