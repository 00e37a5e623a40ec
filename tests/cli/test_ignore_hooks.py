"""`holdfast app ignore`, `ignored`, `hook` and `backup log`, as a shell runs them."""

from __future__ import annotations

import json
from pathlib import Path

from kit.command import Run


def test_what_is_left_out(run: Run, bot: tuple[str, str]) -> None:
    run("app", "ignore", "bot", "--clear", "x", code=2)
    assert "can never match" in run("app", "ignore", "bot", "[open", code=2).stderr
    assert run("app", "ignore", "bot", "*.log", "/sub/").stdout == "*.log\n/sub/\n"
    assert json.loads(run("app", "ignore", "bot", "--remove", "*.log", "--json").stdout)["ignore"] == ["/sub/"]
    shown = run("app", "ignored", "bot").stdout
    assert shown.endswith("\nLeft out: 1 of 2 files, 200.0 kB of 200.0 kB.\n")
    tried = json.loads(run("app", "ignored", "bot", "--pattern", "*.txt", "--json").stdout)
    assert [(p["path"], p["files"], p["bytes"]) for p in tried["paths"]] == [("a.txt", 1, 6)]


def test_what_runs_around_a_backup(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    run("app", "hook", "bot", "before", "echo password; false", "--timeout", 5)
    failed = run("backup", "create", "bot", "--name", "one", code=1)
    assert "exit code 1" in failed.stderr
    assert "password" not in failed.stderr
    log = run("backup", "log", "bot", "one").stdout
    assert "  | password\n" in log
    assert "Failed (HOOK_FAILED)" in log
    assert "no command" in run("app", "hook", "bot", "before", "--remove").stdout
