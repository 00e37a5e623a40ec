"""`holdfast admin-key`: made, listed, ended."""

from __future__ import annotations

import json

from kit.command import Run


def test_a_key_is_made_listed_and_ended(run: Run, bot: tuple[str, str]) -> None:
    made = json.loads(
        run(
            "admin-key", "add", "panel", "--scope", "act", "--scope", "accounts", "--network", "10.0.0.0/8", "--json"
        ).stdout
    )
    assert made["key"].startswith("hfa_")
    assert (made["scopes"], made["networks"]) == (["accounts", "act"], ["10.0.0.0/8"])
    taken = json.loads(run("admin-key", "add", "panel", "--scope", "read", "--json", code=1).stderr)
    assert taken["code"] == "ADMIN_KEY_NAME_TAKEN"
    assert "No scope" in run("admin-key", "add", "two", "--scope", "all", code=2).stderr
    run("admin-key", "add", "two", "--scope", "read", "--network", "somewhere", code=2)
    run("admin-key", "add", "two", "--scope", "read", "--expires-in", "0", code=2)
    listed = json.loads(run("admin-key", "list", "--json").stdout)
    assert [(one["name"], one["start"]) for one in listed] == [("panel", made["key"][:8])]
    run("admin-key", "end", "panel")
    assert json.loads(run("admin-key", "list", "--json").stdout) == []
    missing = json.loads(run("admin-key", "end", "panel", "--json", code=1).stderr)
    assert missing["code"] == "ADMIN_KEY_NOT_FOUND"
