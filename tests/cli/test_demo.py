"""The demo, as `make run` starts it: any number of times, with two links to sign in by and a month of backups."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from kit.browser import OPENED
from kit.command import PROGRAM, Run

pytestmark = pytest.mark.timeout(200)
BYTES_MAX = 20_000_000


def test_the_demo_starts_again_at_once_and_opens_with_links_to_sign_in_by(
    run: Run, tmp_path: Path, free_port: int
) -> None:
    home = tmp_path / "home"
    for time in range(2):
        shown = ""
        with subprocess.Popen(
            [*PROGRAM, "--home", str(home), "demo", "--port", str(free_port)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                shown += line
                if "Serving until" in line:
                    look(shown) if not time else None
                    process.send_signal(signal.SIGTERM)
        assert "A backup of bot by the API: " in shown
        assert ("30 days" in shown) == (not time)
    jobs = json.loads(run("jobs", "--all", "--json").stdout)
    assert {job["state"] for job in jobs if job["kind"] in ("prove", "restore")} == {"successful"}
    used = sum(path.stat().st_size for name in ("bot", "shop") for path in (tmp_path / f"demo-{name}").rglob("*"))
    assert used < BYTES_MAX


def look(shown: str) -> None:
    """Open the links that were printed, and see the states that it promises."""
    customer, operator = re.findall(r"(http://\S+/in\?ticket=\S+)", shown)
    with httpx.Client(headers=OPENED, follow_redirects=True) as browser:
        page = browser.get(customer)
        assert page.status_code == 200
        apps = dict(re.findall(r'class="cover" href="(/apps/\w+)">(\w+)<', page.text))
        assert sorted(apps.values()) == ["bot", "shop"]
        texts = {name: browser.get(str(page.url.join(path))).text for path, name in apps.items()}
    assert "backup failed" in texts["shop"]
    assert "folder is not there" in texts["shop"]
    assert "28 good" in texts["bot"] or "29 good" in texts["bot"]
    assert "1 failed" in texts["bot"]
    assert "Before a restore" in texts["bot"]
    with httpx.Client(headers=OPENED, follow_redirects=True) as browser:
        assert browser.get(operator).status_code == 200
