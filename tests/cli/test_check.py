"""`holdfast check`, as a shell runs it."""

from __future__ import annotations

import json
from pathlib import Path

from kit.command import Run, damage_data


def test_damage_is_reported_and_healed(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    run("backup", "create", "bot", "--name", "first")
    assert "nothing is damaged" in run("check").stdout
    assert json.loads(run("check", "--read-data", "--json").stdout)["is_clean"] is True
    damage_data(tmp_path / "home")
    assert run("check").returncode == 0  # only reading the data tells
    found = run("check", "--read-data", "--no-repair", "--app", "bot", code=1).stdout
    assert "does not match the hash in its name; 1 of its chunks are lost" in found
    assert "bot, first" in found
    assert "The file sub/b can't be read." in found
    assert "Nothing was changed" in found
    shown = json.loads(run("check", "--read-data-subset", "100%", "--json", code=1).stdout)
    assert shown["accounts"][0]["damaged_backups"][0]["files"][0]["path"] == "sub/b"
    assert run("check", code=1).stdout.count("can't be read") == 1
    run("backup", "create", "bot")
    assert "nothing is damaged" in run("check", "--read-data").stdout


def test_wrong_use(run: Run, bot: tuple[str, str]) -> None:
    run("check", "--read-data", "--read-data-subset", "5%", code=2)
    for share in ("0", "101%", "half"):
        run("check", "--read-data-subset", share, code=2)
    assert "app list" in run("check", "--app", "nothing", code=1).stderr
