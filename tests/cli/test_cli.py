"""The commands, as a shell runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from kit.command import PROGRAM, Run, Server
from kit.receiver import receiving

# Up to thirty commands one after the other, each a process that loads all of Holdfast.
pytestmark = pytest.mark.timeout(400)


def test_help_and_version_need_no_instance(run: Run) -> None:
    assert "backup" in run("--help").stdout
    assert run("--version").stdout.startswith("0.")
    run("backup", "--help")


def test_wrong_use_is_2(run: Run) -> None:
    run("nonsense", code=2)
    run("account", "add", code=2)
    run("backup", "download", "a", "b", "--format", "rar", code=2)


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; import holdfast.cli.main; "
        "print([m for m in ('sqlalchemy', 'dbos', 'numpy', 'litestar', 'rich.progress') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def test_a_day_with_it(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    created = json.loads(run("backup", "create", "bot", "--name", "first", "--json").stdout)
    assert (created["state"], created["name"], created["files"]) == ("successful", "first", 2)
    run("backup", "create", bot[1])
    listed = json.loads(run("backup", "list", "bot", "--json").stdout)
    assert [list(item) for item in listed] == [["name", "size", "modified", "key", "created_at", "is_successful"]] * 2
    assert "first" in run("backup", "list", "bot").stdout
    run("backup", "download", "bot", "first", "-o", "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.read("a.txt") == b"hello\n"
    run("backup", "download", "bot", created["id"], "--format", "tar.gz")
    assert subprocess.run(["tar", "-tzf", tmp_path / "first.tar.gz"], capture_output=True).returncode == 0
    run("backup", "rename", "bot", "first", "kept")
    run("backup", "lock", "bot", "kept")
    assert "unlock it first" in run("backup", "delete", "bot", "kept", code=1).stderr
    run("backup", "unlock", "bot", "kept")
    run("backup", "delete", "bot", "kept")
    assert len(json.loads(run("backup", "list", "bot", "--json").stdout)) == 1
    assert json.loads(run("account", "list", "--json").stdout)[0]["backups"] == 1
    run("account", "set-plan", bot[0], "Bronze")
    assert json.loads(run("account", "rotate-key", bot[0], "--json").stdout)["api_key"].startswith("hf_")
    assert json.loads(run("app", "list", "--json").stdout)[0]["name"] == "bot"
    run("app", "remove", "bot")
    assert json.loads(run("app", "list", "--json").stdout) == []


def test_notices(run: Run, bot: tuple[str, str]) -> None:
    with receiving() as receiver:
        made = json.loads(run("notice", "add", receiver.url, "--json").stdout)
        assert (made["account_id"], made["label"]) == (None, f"http://127.0.0.1:{receiver.port}/...")
        assert run("notice", "test", made["id"]).stdout.startswith("The test arrived at http://127.0.0.1")
        assert receiver.received[0].is_signed_with(made["secret"])
        receiver.answers = [(500, {})]
        assert "the status 500" in run("notice", "test", made["id"], code=1).stderr
    assert "private or reserved" in run("notice", "add", "https://127.0.0.1/", "--account", bot[0], code=2).stderr
    options = ("--account", bot[0], "--event", "backup.failed", "--json")
    theirs = json.loads(run("notice", "add", "ntfys://1.1.1.1/t0pic", *options).stdout)
    assert (theirs["label"], theirs["events"], theirs["secret"]) == ("ntfy (1.1.1.1)", ["backup.failed"], None)
    listed = run("notice", "list").stdout
    assert "operator" in listed
    assert bot[0] in listed
    assert "t0pic" not in listed
    assert [one["state"] for one in json.loads(run("notice", "log", made["id"], "--json").stdout)] == [
        "failed",
        "delivered",
    ]
    run("notice", "remove", made["id"])
    assert "No endpoint" in run("notice", "remove", made["id"], code=1).stderr


def test_the_home_may_stand_anywhere(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run("init", "--home", other)
    assert (other / "FORMAT").exists()
    run("account", "list", f"--home={other}")
    run("--home", other, "account", "list")


def test_download_to_standard_output(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    run("backup", "create", "bot", "--name", "one")
    with (tmp_path / "piped").open("wb") as file:
        subprocess.run(
            [*PROGRAM, "backup", "download", "bot", "one", "-o", "-"],
            env={**os.environ, "HOLDFAST_HOME": str(tmp_path / "home")}, stdout=file, check=True,
        )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "piped") as archive:
        assert archive.testzip() is None


@pytest.mark.parametrize(
    ("arguments", "sentence", "code"),
    [
        (("account", "add", "x@example.com", "--plan", "Gold"), "the plans are Bronze, Silver, Titanium, Essential", 2),
        (("account", "set-plan", "nobody", "Silver"), "account list", 1),
        (("app", "add", "x", "--account", "nobody", "--path", "/"), "No account nobody", 1),
        (("backup", "create", "nothing"), "app list", 1),
        (("backup", "download", "bot", "none"), "no such backup", 1),
        (("backup", "create", "bot", "--name", "a/b"), "no slash", 2),
        (("init",), "already", 1),
    ],
)
def test_bad_input_is_one_sentence(
    run: Run, bot: tuple[str, str], arguments: tuple[str, ...], sentence: str, code: int
) -> None:
    done = run(*arguments, code=code)
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    if "--json" not in arguments and arguments != ("init",):
        error = json.loads(run(*arguments, "--json", code=code).stderr)
        assert error["status"] == "error"
        assert error["code"].isupper()


def test_paths_that_cannot_be_an_application(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    for path, sentence in ((tmp_path / "nowhere", "does not exist"), (tmp_path / "app" / "a.txt", "not a folder")):
        assert sentence in run("app", "add", "x", "--account", bot[0], "--path", path, code=2).stderr


def test_a_failed_backup_is_1_and_says_why(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "app").rename(tmp_path / "moved")
    done = run("backup", "create", "bot", "--json", code=1)
    assert json.loads(done.stderr)["code"] == "SOURCE_MISSING"
    assert json.loads(done.stdout)["error"]["code"] == "SOURCE_MISSING"


def test_the_recovery_sheet_opens_the_instance_elsewhere(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    key = json.loads(run("key", "export", "--json").stdout)["master_key"]
    assert key in run("key", "export").stdout
    (tmp_path / "home" / "master.key").unlink()
    assert "recovery sheet" in run("account", "list", code=1).stderr
    run("account", "list", HOLDFAST_MASTER_KEY=key)


def test_a_newer_home_is_refused(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "home" / "FORMAT").write_text("holdfast home 99\n")
    assert "use the newer Holdfast" in run("account", "list", code=1).stderr
    assert "use the newer Holdfast" in run("serve", code=1).stderr


def test_serving(run: Run, bot: tuple[str, str], tmp_path: Path, server: Server) -> None:
    assert f"http://127.0.0.1:{server.port}" in server.line
    about = json.loads((tmp_path / "home" / "run" / "server.json").read_text())
    assert about["port"] == server.port
    key = json.loads(run("account", "rotate-key", bot[0], "--json").stdout)["api_key"]
    done = server.call(key, "POST", f"/v3/apps/{bot[1]}/backups?wait=60")["response"]
    assert done["state"] == "successful"
    run("backup", "create", "bot")  # the commands work beside a running server
    assert len(server.call(key, "GET", f"/v3/apps/{bot[1]}/backups")["response"]) == 2
    assert "runs on" in run("serve", "--port", "1", code=1).stderr
    errors = server.stop()
    assert server.process.returncode == 0
    assert "Traceback" not in errors
    assert not (tmp_path / "home" / "run" / "server.json").exists()


def test_a_port_in_use_is_one_sentence(run: Run, bot: tuple[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port}" in run("serve", "--port", port, code=1).stderr


def test_a_killed_jobs_process_comes_back_and_tells_what_was_lost(
    run: Run, bot: tuple[str, str], tmp_path: Path, server: Server
) -> None:
    key = json.loads(run("account", "rotate-key", bot[0], "--json").stdout)["api_key"]
    path = f"/v3/apps/{bot[1]}/backups"
    good = server.call(key, "POST", f"{path}?wait=60")["response"]
    with (tmp_path / "app" / "large").open("wb") as file:
        for _ in range(60):
            file.write(os.urandom(10_000_000))
    started = server.call(key, "POST", path)["response"]
    while server.call(key, "GET", f"{path}/{started['id']}")["response"]["state"] == "queued":
        pass
    os.kill(server.jobs_pid(), signal.SIGKILL)
    while (now := server.call(key, "GET", f"{path}/{started['id']}")["response"])["state"] == "running":
        pass
    assert (now["state"], now["error"]["code"]) == ("failed", "INTERRUPTED")
    assert server.call(key, "GET", path)["response"][0]["key"] == good["key"]
    again = server.call(key, "POST", f"{path}?wait=60")["response"]
    assert again["state"] == "successful"


def test_giving_back(run: Run, bot: tuple[str, str], tmp_path: Path) -> None:
    """Look into a backup, compare, restore, undo, prune, lose the catalog, rebuild, erase: as an operator would."""
    root = tmp_path / "app"
    first = json.loads(run("backup", "create", "bot", "--json").stdout)["id"]
    (root / "a.txt").write_text("changed\n")
    (root / "new").write_text("new\n")
    (root / "sub" / "b").unlink()
    second = json.loads(run("backup", "create", "bot", "--json").stdout)["id"]
    assert run("cat", "bot", first, "a.txt").stdout == "hello\n"
    assert [f["name"] for f in json.loads(run("files", "bot", first, "--json").stdout)] == ["a.txt", "sub"]
    assert "a.txt" in run("files", "bot", first).stdout
    assert run("diff", "bot", first, second).stdout.splitlines()[:3] == [
        "~ a.txt  (6 -> 8)",
        "+ new  (4)",
        "= sub/  (0 -> 0)",
    ]
    assert len(json.loads(run("find", "bot", "a*", "--json").stdout)["paths"][0]["versions"]) == 2
    run("find", "bot", "nothing", code=1)
    assert "- new" in run("restore", "bot", first, "--dry-run").stdout
    done = json.loads(run("restore", "bot", first, "--json").stdout)
    assert (root / "a.txt").read_text() == "hello\n"
    assert not (root / "new").exists()
    run("restore", "bot", done["result"]["safety_backup_id"], "--no-safety-backup")
    assert (root / "new").read_text() == "new\n"
    run("restore", "bot", first, "--path", "sub", "--to", tmp_path / "elsewhere")
    assert sorted(p.name for p in (tmp_path / "elsewhere").rglob("*")) == ["b", "sub"]
    failed = run("restore", "bot", first, "--path", "no/such", "--json", code=1)
    assert json.loads(failed.stderr)["code"] == "PATH_NOT_FOUND"
    run("restore", "bot", first, "--to", tmp_path / "x", "--app", "bot", code=2)
    freed = json.loads(run("backup", "delete", "bot", first, "--final", "--json").stdout)["freed_size"]
    assert freed > 200_000
    assert json.loads(run("prune", "--dry-run", "--json").stdout)[0]["freed_size"] >= freed - 2_000
    pruned = json.loads(run("prune", "--grace-hours", "0", "--json").stdout)[0]
    assert abs(pruned["freed_size"] - freed) < 2_000
    before = run("backup", "list", "bot", "--json").stdout
    for path in (tmp_path / "home").glob("catalog.sqlite*"):
        path.unlink()
    assert "is missing" in run("backup", "list", "bot", code=1).stderr
    assert json.loads(run("rebuild", "--json").stdout)[0]["backups"] == 2
    assert run("backup", "list", "bot", "--json").stdout == before
    assert run("check", "--read-data").returncode == 0
    account, _ = bot
    run("account", "erase", account, code=1)  # nobody said yes
    run("account", "erase", account, "--yes")
    assert run("account", "list", "--json").stdout.strip() == "[]"
