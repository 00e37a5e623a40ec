"""`holdfast doctor`, as a shell runs it."""

from __future__ import annotations

import json
from pathlib import Path

from kit.command import Run


def test_warnings_alone_are_no_failure_and_a_problem_is(run: Run, tmp_path: Path) -> None:
    run("init")
    told = json.loads(run("doctor", "--json").stdout)
    assert told["problems"] == 0
    (exported,) = [line for line in told["checks"] if line["check"] == "master key"]
    assert (exported["level"], exported["command"]) == ("warning", "holdfast key export")
    assert "master_key" in run("key", "export", "--json").stdout
    quiet = run("doctor", "--quiet").stdout
    assert "never exported" not in quiet
    assert "No server runs" in " ".join(quiet.split())
    (tmp_path / "home").chmod(0o755)
    bad = run("doctor", code=1).stdout
    assert "PROBLEM" in bad
    assert "chmod 700" in bad


def test_no_instance_is_a_problem_and_no_crash(run: Run) -> None:
    told = json.loads(run("doctor", "--json", code=1).stdout)
    assert [line["check"] for line in told["checks"]] == ["instance"]
