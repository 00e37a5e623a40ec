"""Commands that change what there is: an application's path and name, an account's address, the locks of a backup."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from kit.command import Run

pytestmark = pytest.mark.timeout(300)


def test_an_application_moves_and_gets_another_name(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    run("backup", "create", "bot", "--name", "before")
    shutil.move(tmp_path / "app", tmp_path / "moved")
    assert "holdfast app set-path" in run("backup", "create", "bot", code=1).stderr
    run("app", "set-path", "bot", tmp_path / "nowhere", code=2)
    assert str(tmp_path / "moved") in run("app", "set-path", "bot", tmp_path / "moved").stdout
    created = json.loads(run("backup", "create", "bot", "--json").stdout)
    assert (created["state"], created["files"]) == ("successful", 2)
    run("app", "rename", "bot", "a/b", code=2)
    assert json.loads(run("app", "rename", "bot", "discord", "--json").stdout)["name"] == "discord"
    assert "before" in run("backup", "list", "discord").stdout
    run("app", "add", "other", "--account", bot[0], "--path", tmp_path / "moved")
    assert "named other already" in run("app", "rename", "discord", "other", code=1).stderr


def test_an_account_gets_another_address(run: Run, bot: tuple[str, str]) -> None:
    run("account", "set-email", bot[0], "nonsense", code=2)
    run("account", "set-email", bot[0], "anabel@example.com")
    assert json.loads(run("account", "list", "--json").stdout)[0]["email"] == "anabel@example.com"
    run("account", "add", "ana@example.com", "--plan", "Silver")
    assert "already" in run("account", "set-email", bot[0], "ana@example.com", code=1).stderr


def test_locks_until_a_time_and_their_override(run: Run, bot: tuple[str, str]) -> None:
    run("backup", "create", "bot", "--name", "one")
    run("backup", "lock", "bot", "one", "--until", "whenever", code=2)
    run("backup", "lock", "bot", "one", "--until", "2001-01-01", code=2)
    assert "is locked until 2200-01-01T00:00:00" in run("backup", "lock", "bot", "one", "--until", "2200-01-01").stdout
    assert "shorter" in run("backup", "lock", "bot", "one", "--until", "30d", code=1).stderr
    assert "is still locked until 2200-01-01" in run("backup", "unlock", "bot", "one").stdout
    assert "locked until 2200-01-01" in run("app", "remove", "bot", code=1).stderr
    assert "locked until 2200-01-01" in run("backup", "delete", "bot", "one", code=1).stderr
    assert "is unlocked now" in run("backup", "unlock", "bot", "one", "--force").stdout
    assert "time lock was over" in run("log").stdout
    run("backup", "delete", "bot", "one")


def test_a_thing_s_own_id_is_id(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    made = json.loads(run("account", "add", "eva@example.com", "--plan", "Silver", "--json").stdout)
    assert list(made) == ["id", "account_id", "api_key"]
    assert made["id"] == made["account_id"]
    app = json.loads(run("app", "add", "web", "--account", made["id"], "--path", tmp_path / "app", "--json").stdout)
    assert list(app) == ["id", "app_id"]
    listed = json.loads(run("account", "list", "--json").stdout)
    assert [one["id"] for one in listed] == [bot[0], made["id"]]
    removed = json.loads(run("app", "remove", "bot", "--json").stdout)
    assert removed["id"] == removed["app_id"] == bot[1]
