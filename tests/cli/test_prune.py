"""`holdfast prune` over several accounts: one that cannot be pruned does not keep the next from making room."""

from __future__ import annotations

import json
import os
from pathlib import Path

from kit.command import Run


def test_the_next_account_is_pruned_when_one_fails(tmp_path: Path, run: Run, bot: tuple[str, str]) -> None:
    other = json.loads(run("account", "add", "bo@example.com", "--plan", "Silver", "--json").stdout)["account_id"]
    (tmp_path / "other").mkdir()
    run("app", "add", "web", "--account", other, "--path", tmp_path / "other")
    run("backup", "create", "bot")
    for name in ("first", "second"):
        (tmp_path / "other" / "file").write_bytes(os.urandom(500_000))
        run("backup", "create", "web", "--name", name)
    run("backup", "delete", "web", "first", "--final")
    # The first account lacks a root that the catalog names, so nothing of it may go.
    for root in (tmp_path / "home" / "store" / "vaults" / bot[0] / "backups").iterdir():
        root.unlink()
    done = run("prune", "--grace-hours", "0", "--json", code=1)
    assert [one["account_id"] for one in json.loads(done.stdout)] == [other]
    assert json.loads(done.stdout)[0]["deleted_size"] > 0
    failure = json.loads(done.stderr)
    assert failure["code"] == "VAULT"
    assert failure["message"].startswith("ana@example.com: ")
