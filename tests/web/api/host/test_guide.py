"""docs/host.md: its ten lines, given to a shell, and the configuration that it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import httpx
from kit.admin_keys import admin_key
from kit.host_apps import app_folder
from kit.site import Site

from holdfast.catalog.records import JobState
from holdfast.service.instance.config import checked_config
from holdfast.service.restore.files import run_restore

GUIDE = (Path(__file__).parents[4] / "docs" / "host.md").read_text()
LINES = re.findall(r"^    (curl .*(?:\n {8,}\S.*)*)", GUIDE, re.M)


def variables(site: Site) -> dict[str, str]:
    """The guide's variables, with this server in the place of its own."""
    shown = dict(re.findall(r"(\w+)=(\S+)", "\n".join(re.findall(r"^    export (.*)", GUIDE, re.M))))
    scopes = re.findall(r"--scope (\w+)", GUIDE)
    here = {"BASE": site.url, "KEY": admin_key(site.instance, *scopes), "FOLDER": str(app_folder(site.instance))}
    assert here.keys() < shown.keys()
    return {**shown, **here}


def test_the_ten_lines_do_what_they_say(site: Site) -> None:
    given = variables(site)
    file = Path(given["FOLDER"]) / "data.txt"
    before = file.read_text()
    site.start_worker()

    def run(line: str) -> Any:
        done = subprocess.run(
            ["sh", "-c", line.replace("curl ", "curl -sS ", 1)],
            env={**os.environ, **given},
            capture_output=True,
            timeout=60,
            check=True,
        )
        answer = json.loads(done.stdout)
        assert answer["status"] == "success", (line, answer)
        return answer["response"]

    assert len(LINES) == 10
    account, app, backup, listed, link = map(run, LINES[:5])
    assert (account["external_id"], app["id"], app["account"]) == ("ana", given["APP"], "ana")
    assert (backup["is_successful"], backup["reference"]) == (True, "panel-1")
    assert [one["key"] for one in listed] == [backup["key"]]
    assert httpx.get(link["url"]).content[:2] == b"PK"
    site.stop_worker()
    file.write_text("lost\n")
    job, signed_in, failed = map(run, LINES[5:8])
    with httpx.Client(follow_redirects=True) as browser:
        assert browser.get(signed_in["url"]).status_code == 200
    assert failed == []
    assert run_restore(site.instance, job["id"]).state is JobState.SUCCESSFUL
    assert file.read_text() == before
    ended, gone = map(run, LINES[8:])
    assert ended["keep_until"] is not None
    assert gone["erase_at"] is not None


def test_what_it_shows_of_the_configuration_is_one() -> None:
    shown = re.findall(r"```toml\n(.*?)```", GUIDE, re.S)
    config = checked_config(tomllib.loads("".join(shown)), "it")
    assert config.app_roots == ("/srv/apps",)
    assert (list(config.hooks), [one.name for one in config.databases]) == (["game"], ["shop"])
