"""A client that a generator makes of the served description, with the configuration that docs/api.md gives."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import pytest
from kit.site import Site

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
FIRST_LINE = "    content_type_overrides:\n"


def documented_configuration() -> str:
    """The three lines under which the generator makes the downloads too."""
    _before, found, after = DOCS.read_text().partition(FIRST_LINE)
    assert found
    return textwrap.dedent(found + after.split("\n\n")[0]) + "\n"


def generate(site: Site, folder: Path) -> str:
    """Generate the package `generated` into a folder, and return what the generator said."""
    (folder / "config.yml").write_text(documented_configuration())
    programs = Path(sys.executable).parent
    command = [str(programs / "openapi-python-client"), "generate", "--url", f"{site.url}/openapi.json"]
    options = ["--config", "config.yml", "--meta", "none", "--output-path", "generated"]
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder)}
    done = subprocess.run(
        [*command, *options], cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout + done.stderr


def module(name: str) -> Any:
    return importlib.import_module(f"generated.{name}")


def test_a_generated_client_creates_lists_restores_and_downloads(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = generate(site, tmp_path)
    assert "warning" not in said.lower(), said
    monkeypatch.syspath_prepend(tmp_path)
    site.start_worker()
    changed = site.folder / "hello.txt"
    content = changed.read_text()

    with module("client").AuthenticatedClient(base_url=site.url, token=site.silver.api_key) as client:
        named = module("models.new_backup").NewBackup(name="before-the-update")
        backup = module("api.backups.start_backup").sync(site.app.id, client=client, body=named, wait=60).response
        assert (backup.name, backup.is_successful, backup.files) == ("before-the-update", True, 2)
        listed = module("api.backups.list_backups").sync(site.app.id, client=client)
        assert [one.name for one in listed.response] == [backup.name]
        assert module("api.backups.get_backup").sync(site.app.id, backup.id, client=client).response == backup

        changed.write_text("other")
        wanted = module("models.restore").Restore(paths=["hello.txt"], safety_backup=False)
        job = module("api.jobs.restore_backup").sync(site.app.id, backup.id, client=client, body=wanted).response
        while job.finished_at is None:
            job = module("api.jobs.get_job").sync(job.id, client=client).response
        assert (str(job.state), job.error) == ("successful", None)
        assert changed.read_text() == content

    key = {"params": {listed.response[0].key: ""}}
    with module("client").Client(base_url=site.url, httpx_args=key) as client:
        archive = module("api.download.download_backup").sync(
            f"{site.silver.account.id}_{backup.name}.zip", client=client
        )
    with zipfile.ZipFile(archive.payload) as opened:
        assert opened.testzip() is None
        assert {name for name in opened.namelist() if not name.endswith("/")} == {
            path.relative_to(site.folder).as_posix() for path in site.folder.rglob("*") if path.is_file()
        }
