"""Exit codes: 2 for wrong use, whoever finds it; 1 for what failed; and sentences that say what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kit.command import Run

pytestmark = pytest.mark.timeout(300)

WRONG = (
    "account add x@example.com --plan Gold",
    "account add nonsense --plan Silver",
    "account set-plan {account} Gold",
    "app add x --account {account} --path /nowhere-at-all",
    "app schedule bot nonsense",
    "app schedule bot @daily --off",
    "app schedule bot --keep-within soon",
    "app ignore bot [open",
    "app hook bot before true --timeout 9999999",
    "app source add bot oracle --dsn redis://127.0.0.1:1/0",
    "backup create bot --name a/b",
    "log --since yesterday",
    "notice add nonsense",
    "restore bot",
    "restore bot x --to /tmp --app bot",
    "serve --port 99999",
    "serve --base-url nonsense",
    "serve --backups-url ftp://host",
    "demo --port 99999",
    "--home {tmp}/other init --time-zone Mars/Olympus",
    "--home {tmp}/other init --base-url nonsense",
)
FAILED = ("backup create nothing", "backup download bot none", "account set-plan nobody Silver", "init")


def test_wrong_use_is_2_and_failure_is_1(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    for code, commands in ((2, WRONG), (1, FAILED)):
        for command in commands:
            done = run(*command.format(account=bot[0], tmp=tmp_path).split(), code=code)
            assert not done.stdout, command
            assert "holdfast.toml" not in done.stderr, command
    assert not (tmp_path / "other").exists()


def test_wrong_use_is_2_for_programs_too(run: Run, bot: tuple[str, str]) -> None:
    told = json.loads(run("log", "--since", "yesterday", "--json", code=2).stderr)
    assert (told["status"], told["code"]) == ("error", "INVALID_SINCE")


def test_sentences_name_the_thing_at_fault(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    assert "UTF-8" in run("backup", "create", "bot", "--name", b"\xff".decode(errors="surrogateescape"), code=2).stderr
    within = run("app", "schedule", "bot", "--keep-within", "soon", code=2).stderr
    assert within == "keep_within must be like 36h, 30d or 8w, and not 'soon'.\n"


def test_init_with_a_key_of_the_environment_names_no_key_file(run: Run, tmp_path: Path) -> None:
    made = run("init", HOLDFAST_MASTER_KEY="ab" * 32).stdout
    assert "master.key" not in made
    assert "HOLDFAST_MASTER_KEY" in made
