"""`holdfast app source`: databases of an application, as a shell adds and lists them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from kit.command import Run


@pytest.fixture
def run(run: Run, tmp_path: Path) -> Run:
    """Runs `holdfast` on the test's own home, which has the application `bot`."""
    run("init")
    account = json.loads(run("account", "add", "ana@example.com", "--plan", "Silver", "--json").stdout)
    (tmp_path / "bot").mkdir()
    run("app", "add", "bot", "--account", account["account_id"], "--path", tmp_path / "bot")
    return run


def test_add_list_remove(run: Run, tmp_path: Path) -> None:
    def add(*more: str, kind: str = "postgres", dsn: str = "postgresql://ana@h/shop", code: int = 0) -> str:
        done = run("app", "source", "add", "bot", kind, "--dsn", dsn, "--no-check", *more, code=code)
        return done.stdout + done.stderr

    refused = add(dsn="postgresql://ana:hunter2@h/shop", code=2)
    assert "--password-env" in refused
    assert "hunter2" not in refused
    assert "not the password" in add("--password-env", "hunter 2!", code=2)
    assert "postgres, mariadb, redis" in add(kind="oracle", code=2)
    assert "_databases/shop.pgdump" in add("--password-env", "SHOP_PASSWORD")
    assert "already" in add(code=1)
    add("--name", "cache", kind="redis", dsn="redis://h")
    (app,) = json.loads(run("app", "list", "--json").stdout)
    with (tmp_path / "home" / "holdfast.toml").open("a") as file:
        file.write(f'[[databases]]\napp = "{app["id"]}"\nname = "forum"\nkind = "mariadb"\ndsn = "mariadb://h/forum"\n')
    listed = json.loads(run("app", "source", "list", "bot", "--json").stdout)
    assert [(one["name"], one["from"], one["password"]) for one in listed] == [
        ("cache", "settings", "none"),
        ("forum", "holdfast.toml", "none"),
        ("shop", "settings", "environment variable SHOP_PASSWORD"),
    ]
    assert "holdfast.toml" in run("app", "source", "remove", "bot", "forum", code=1).stderr
    run("app", "source", "remove", "bot", "shop")
    assert (
        "has no database named shop; it has cache, forum"
        in run("app", "source", "remove", "bot", "shop", code=1).stderr
    )


def test_wrong_use_of_restore(run: Run) -> None:
    assert "--to-dsn" in run("restore", "bot", "x", "--database", "a", "--path", "b", code=2).stderr
    assert "--database" in run("restore", "bot", "x", "--to-dsn", "redis://h", code=2).stderr
    assert "--to-dsn" in run("restore", "bot", "x", "--database", "a", "--password-env", "B", code=2).stderr
