"""The commands that pages print: each works in a shell as it stands, and no name in it is a command of its own."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
from pathlib import Path

import httpx
from kit.browser import signed_in
from kit.site import Site

from holdfast.catalog.records import SYSTEM
from holdfast.service.notify.endpoints import add_endpoint
from holdfast.service.registry.apps import add_app
from holdfast.service.restore.files import request_restore
from holdfast.service.restore.plan import Wanted

FILE = 'it\'s $(touch ran) `touch ran` "x" & \\ !.txt'
FOLD = re.compile(r'<details class="more curl">.*?<pre tabindex="0">(.*?)</pre>', re.DOTALL)


def pages(site: Site) -> dict[str, dict[str, str]]:
    """The pages with commands, and their queries."""
    (site.folder / FILE).write_text("content")
    backup, newer = site.take(), site.take()
    app = f"/apps/{site.app.id}"
    add_app(site.instance, site.silver.account.id, "wiki", site.folder, SYSTEM)
    endpoint = add_endpoint(site.instance, site.silver.account.id, "discord://1/a", SYSTEM).endpoint
    job = request_restore(site.instance, backup, site.app, Wanted(mode="overlay"), SYSTEM)
    ticked = {"backup": backup.id, "what": "ticked", "paths": FILE}
    return {
        **{path: {} for path in ("/", "/plans", "/notices", f"/notices/{endpoint.id}", f"/jobs/{job.id}", app)},
        **{f"/account/{page}": {} for page in ("keys", "people", "plan", "erase", "export")},
        **{f"{app}/{page}": {} for page in ("activity", "schedule", f"backups/{backup.id}")},
        f"{app}/files": {"path": "sub"},
        f"{app}/files?": {"q": "it's $(touch ran)"},
        f"{app}/file": {"backup": backup.id, "path": FILE},
        f"{app}/versions": {"path": FILE},
        f"{app}/diff": {"from": backup.id, "to": newer.id},
        f"{app}/restore": ticked,
    }


def test_each_command_works_as_it_stands(site: Site, http: httpx.Client, tmp_path: Path) -> None:
    signed_in(site, http)
    here = tmp_path / "here"
    here.mkdir()
    environ = {**os.environ, "HOLDFAST_KEY": site.silver.api_key}
    for path, fields in pages(site).items():
        page = http.get(path.rstrip("?"), params=fields)
        (command,) = [html.unescape(text) for text in FOLD.findall(page.text)] or [""]
        assert command.startswith("curl "), path
        if all(word in command for word in ("-X POST", "account/erase")):
            assert json.loads(_words(command)[-2]) == {"name": site.silver.account.email}
            continue
        run = subprocess.run(
            ["sh", "-c", command.replace("curl ", "curl -sS --fail-with-body ", 1)],
            env=environ,
            cwd=here,
            capture_output=True,
            timeout=30,
            text=True,
        )
        assert run.returncode == 0, (command, run.stdout, run.stderr)
        if "-OJ" not in command:
            assert json.loads(run.stdout)["status"] == "success", (command, run.stdout)
            if path.endswith("/versions"):
                assert json.dumps(FILE) in run.stdout
    assert not (here / "ran").exists()
    downloads = [file.read_bytes() for file in here.iterdir()]
    assert b"content" in downloads


def _words(command: str) -> list[str]:
    """The words that a shell makes of a command."""
    shown = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()
