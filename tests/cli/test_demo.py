"""The demo, as `make run` starts it: any number of times, with a restore and its undo."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest
from kit.command import PROGRAM, Run

pytestmark = pytest.mark.timeout(200)


def test_the_demo_starts_again_at_once_and_shows_a_restore(run: Run, tmp_path: Path, free_port: int) -> None:
    home = tmp_path / "home"
    for _ in range(2):
        shown = []
        with subprocess.Popen(
            [*PROGRAM, "--home", str(home), "demo", "--port", str(free_port)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                shown.append(line)
                if "Serving until" in line:
                    process.send_signal(signal.SIGTERM)
        text = "".join(shown)
        assert text.count("  successful; ") == 2
        assert "its content is the good one again" in text
        assert "its content is: spoiled by a mistake" in text
        assert "ago" not in text
    (account,) = re.findall(r"sign-in-link (\w+) ", text)
    assert "/in?ticket=" in run("sign-in-link", account).stdout
    names = [one["name"] for one in json.loads(run("files", "checkout", _newest(run), "--json").stdout)]
    assert "src" in names
    assert ".venv" not in names
    assert len(json.loads(run("backup", "list", "checkout", "--json").stdout)) == 2


def _newest(run: Run) -> str:
    name: str = json.loads(run("backup", "list", "checkout", "--json").stdout)[-1]["name"]
    return name
