"""A tenant's file names reach the operator's terminal as text."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from kit.command import Run

from holdfast.cli.terminal import escaped

HOSTILE = b"\x1b]0;owned\x07 \x1b]52;c;cm0gLXJm\x07 \x1b[2J\r\xc2\x9b31m \xe2\x80\xae\nAll is well.\x7f"
"""Sets the title, writes the clipboard, clears the screen, turns text around, and fakes a line of its own."""
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture
def hostile(tmp_path: Path, bot: tuple[str, str]) -> Path:
    root = tmp_path / "app"
    (root / os.fsdecode(HOSTILE)).write_bytes(b"SQLite format 3\0")
    os.mkfifo(root / os.fsdecode(HOSTILE + b"fifo"))
    (root / ".backupignore").write_bytes(b"*ignored\n\x1b]0;x\x07[\n")
    (root / os.fsdecode(HOSTILE + b"ignored")).write_text("x")
    return root


def test_no_command_prints_a_control_character_of_a_name(hostile: Path, run: Run) -> None:
    def check(*arguments: object, code: int = 0) -> str:
        done = run(*arguments, code=code)
        text = done.stdout + done.stderr
        assert not CONTROL.search(text), (arguments, text)
        assert "All is well." not in text.splitlines()
        return text

    made = check("backup", "create", "bot")
    assert made.count("Warning: ") == 2
    assert r"\u001b]0;owned\u0007" in made
    backup = check("backup", "list", "bot").splitlines()[1].split()[0]
    (hostile / os.fsdecode(HOSTILE)).write_text("changed")
    for arguments in (
        ("files", "bot", backup),
        ("find", "bot", "*owned*"),
        ("app", "ignored", "bot"),
        ("restore", "bot", backup, "--dry-run"),
        ("check",),
        ("doctor",),
        ("jobs",),
    ):
        text = check(*arguments)
        if arguments[0] in ("files", "find", "restore"):
            assert r"\u001b" in text, arguments
    listed = check("files", "bot", backup, "--json")
    assert any(any(str(value).startswith("\x1b]0;owned") for value in one.values()) for one in json.loads(listed)), (
        "JSON means the same"
    )
    check("backup", "create", "bot")
    check("diff", "bot", backup, check("backup", "list", "bot").splitlines()[1].split()[0])
    check("restore", "bot", backup, "--path", os.fsdecode(HOSTILE) + "gone", code=1)


def test_text_is_one_line_without_control_characters() -> None:
    assert escaped(HOSTILE.decode()).startswith(r"\u001b]0;owned\u0007 ")
    assert not CONTROL.search(escaped(HOSTILE.decode()))
    assert "\n" not in escaped(HOSTILE.decode())
    assert escaped("größe 猫 🐈") == "größe 猫 🐈"
