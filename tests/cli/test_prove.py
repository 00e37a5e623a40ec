"""`holdfast prove` and `holdfast proof`, as a shell runs them."""

from __future__ import annotations

import json
from pathlib import Path

from kit.command import Run, damage_data


def test_a_test_restore_by_hand(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    assert "no successful backup yet" in run("prove", "bot", code=1).stderr
    run("backup", "create", "bot", "--name", "first")
    assert "All of it came back as it was backed up: " in run("prove", "bot").stdout
    (shown,) = json.loads(run("proof", "--json").stdout)
    assert shown["restore_proved_at"] is not None
    assert shown["next_proof_at"] > shown["restore_proved_at"]
    assert run("proof").stdout.splitlines()[1].startswith("bot ")
    damage_data(tmp_path / "home")
    failed = run("prove", "bot", "first", code=1).stderr
    assert failed.startswith("The test restore failed, as some of the backup is lost from the store:")
    run("backup", "create", "bot")
    assert json.loads(run("prove", "bot", "first", "--json").stdout)["result"]["is_whole"] is True
