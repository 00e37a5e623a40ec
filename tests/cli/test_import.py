"""`holdfast backup import`, as a shell runs it, and an import through a server whose jobs' process is killed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
from kit.archives import member, tar_of
from kit.command import PROGRAM, Run, Server
from kit.zstandard import zstd


def leftovers(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "home" / "run").iterdir() if path.name.startswith("import-")]


def test_an_archive_becomes_a_backup(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    archive = tmp_path / "old.tar.zst"
    subprocess.run(["tar", "-C", str(tmp_path / "app"), "-cf", str(tmp_path / "old.tar"), "."], check=True)
    archive.write_bytes(zstd.compress((tmp_path / "old.tar").read_bytes()))
    shown = run("backup", "import", "bot", archive, "--name", "from before").stdout
    assert shown.startswith("from before: 2 files, 200.0 kB")
    made = json.loads(run("backup", "import", "bot", archive, "--json").stdout)
    assert (made["state"], made["origin"], made["files"]) == ("successful", "imported", 2)
    assert made["stored_size"] < 2000
    run("backup", "download", "bot", "from before", "-o", "again.tar.gz", "--format", "tar.gz")
    assert json.loads(run("backup", "import", "bot", "again.tar.gz", "--json").stdout)["key"] == made["key"]
    assert leftovers(tmp_path) == []


def test_from_standard_input(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "backup", "import", "bot", "-", "--json"],
        env={**os.environ, "HOLDFAST_HOME": str(tmp_path / "home")},
        input=tar_of(member("a", b"hello")), capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["files"] == 1


def test_what_cannot_be_imported_is_1_and_says_why(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "evil.tar").write_bytes(tar_of(member("../evil", b"x")))
    assert "neither a zip nor a tar" in run("backup", "import", "bot", "text", code=1).stderr
    assert "member ../evil has '..'" in run("backup", "import", "bot", "evil.tar", code=1).stderr
    assert "No such file" in run("backup", "import", "bot", "nothing.zip", code=1).stderr
    assert "Is a directory" in run("backup", "import", "bot", tmp_path, code=1).stderr
    assert "No application" in run("backup", "import", "cat", "evil.tar", code=1).stderr
    error = json.loads(run("backup", "import", "bot", "evil.tar", "--json", code=1).stderr)
    assert error["code"] == "INVALID_ARCHIVE"
    assert leftovers(tmp_path) == []


def test_through_a_server_and_its_jobs(run: Run, bot: tuple[str, str], tmp_path: Path, server: Server) -> None:
    key = json.loads(run("account", "rotate-key", bot[0], "--json").stdout)["api_key"]
    url = f"http://127.0.0.1:{server.port}/v3/apps/{bot[1]}/backups/import?wait=60"
    big = tar_of(*(member(f"{n}", os.urandom(100_000)) for n in range(200)))  # worker processes read it
    made = httpx.post(url, content=big, headers={"Authorization": key}, timeout=60).json()["response"]
    assert (made["state"], made["files"], made["content_size"]) == ("successful", 200, 20_000_000)
    assert "Traceback" not in server.stop()
    assert leftovers(tmp_path) == []
