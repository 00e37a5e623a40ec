"""The people of an account from the shell."""

from __future__ import annotations

import json
import re

from kit.command import Run


def test_members_are_invited_listed_changed_and_ended(run: Run, bot: tuple[str, str]) -> None:
    account = bot[0]
    printed = run("member", "add", account, "Eva@example.org", "--group", "view", "--app", "bot").stdout
    assert re.fullmatch(r"Member      \w{32}\nInvitation  http://\S+/invite/[\w-]{43}\n", printed)
    (listed,) = json.loads(run("member", "list", account, "--json").stdout)
    assert (listed["email"], listed["state"], len(listed["app_ids"])) == ("eva@example.org", "invited", 1)
    changed = run("member", "change", account, "eva@example.org", "--group", "owner", "--all-apps", "--json").stdout
    assert (json.loads(changed)["group"], json.loads(changed)["app_ids"]) == ("owner", None)
    assert "--group" in run("member", "change", account, "eva@example.org", code=2).stderr
    run("member", "add", account, "nobody", "--group", "view", code=2)
    run("member", "end", account, "eva@example.org")
    assert json.loads(run("member", "list", account, "--json").stdout) == []
    link = json.loads(run("sign-in-link", account, "--right", "backups.read", "--json").stdout)
    assert re.fullmatch(r"http://\S+/in\?ticket=[\w-]{43}", link["url"])
