"""Where output goes: terminals that ask, files that are there, full disks, and terminals that know few characters."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest
from kit.command import PROGRAM, Run, heed_interrupts

pytestmark = pytest.mark.timeout(300)


def on_terminal(home: Path, *arguments: str, answer: str = "", folder: Path | None = None) -> tuple[int, str]:
    """Run a command on a terminal of its own; return its exit code and all that it shows."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "--home", str(home), *arguments], stdin=slave, stdout=slave, stderr=slave, cwd=folder
    ) as process:
        os.close(slave)
        os.write(master, answer.encode())
        shown = b""
        try:
            while piece := os.read(master, 65536):
                shown += piece
        except OSError:  # the terminal's other side is closed
            pass
        os.close(master)
        return process.wait(), shown.decode()


def test_removing_an_application_asks_on_a_terminal(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    run("backup", "create", "bot")
    code, shown = on_terminal(home, "app", "remove", "bot", answer="n\n")
    assert (code, "1 backup" in shown, "Aborted" in shown) == (1, True, True)
    assert len(json.loads(run("app", "list", "--json").stdout)) == 1
    assert on_terminal(home, "app", "remove", "bot", answer="y\n")[0] == 0
    assert json.loads(run("app", "list", "--json").stdout) == []
    run("app", "add", "bot", "--account", bot[0], "--path", tmp_path / "app")
    assert on_terminal(home, "app", "remove", "bot", "--yes")[0] == 0


def test_a_download_overwrites_nothing_unasked(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    run("backup", "create", "bot", "--name", "one")
    out = tmp_path / "out.zip"
    out.write_text("mine")
    assert "--force" in run("backup", "download", "bot", "one", "-o", out, code=1).stderr
    code, shown = on_terminal(tmp_path / "home", "backup", "download", "bot", "one", "-o", str(out), answer="n\n")
    assert (code, "Overwrite" in shown, out.read_text()) == (1, True, "mine")
    run("backup", "download", "bot", "one", "-o", out, "--force")
    assert out.read_bytes().startswith(b"PK")


def test_two_applications_with_one_folder_get_a_warning(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    twin = run("app", "add", "twin", "--account", bot[0], "--path", tmp_path / "app")
    assert "bot" in twin.stderr
    assert "same folder" in twin.stderr
    (tmp_path / "free").mkdir()
    assert not run("app", "add", "free", "--account", bot[0], "--path", tmp_path / "free").stderr
    assert "same folder" in run("app", "set-path", "free", tmp_path / "app").stderr


@pytest.mark.parametrize("arguments", ["backup list bot --json", "backup list bot", "backup download bot one -o -"])
def test_a_full_disk_is_one_sentence(run: Run, bot: tuple[str, str], tmp_path: Path, arguments: str) -> None:
    run("backup", "create", "bot", "--name", "one")
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, "--home", str(tmp_path / "home"), *arguments.split()],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_characters_that_the_terminal_does_not_have(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "app" / "emoji \U0001f600").write_text("x")
    environment = {"PYTHONIOENCODING": "iso-8859-1"}
    run("backup", "create", "bot", "--name", "one \U0001f600", **environment)
    assert "\\U0001f600" in run("backup", "list", "bot", **environment).stdout
    assert "emoji \\U0001f600" in run("files", "bot", "one \U0001f600", **environment).stdout
    listed = json.loads(run("files", "bot", "one \U0001f600", "--json", **environment).stdout)
    assert "emoji \U0001f600" in [entry["name"] for entry in listed]


def test_ctrl_c_says_what_became_of_the_backup(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    run("app", "hook", "bot", "before", f"touch {tmp_path}/begun; exec sleep 60")
    with subprocess.Popen(
        [*PROGRAM, "--home", str(tmp_path / "home"), "backup", "create", "bot"],
        stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    ) as process:  # fmt: skip
        while not (tmp_path / "begun").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "backup of bot was stopped" in told
    assert json.loads(run("backup", "list", "bot", "--json").stdout)[0]["is_successful"] is False
