"""Hooks: `before` guards the copy, `after` always runs, and nothing leaves an application waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from kit.command import heed_interrupts
from kit.host_apps import configure
from kit.world import World
from msgspec.structs import replace

from holdfast.catalog.accounts.apps import change_settings
from holdfast.catalog.database.tables import accounts
from holdfast.catalog.records import SYSTEM, Backup, Hook, State
from holdfast.service.errors import Invalid
from holdfast.service.instance.config import ConfiguredHooks
from holdfast.service.instance.home import open_instance
from holdfast.service.registry.apps import find_app
from holdfast.service.take import hooks
from holdfast.service.take.failing import recover_backups
from holdfast.service.take.hooks import set_hook
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.log import log_lines
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control, Progress
from holdfast.vault.vault import TakeResult, Vault


@pytest.fixture
def notes(world: World, tmp_path: Path) -> Path:
    """A file to which both commands of the application add a line."""
    place = tmp_path / "notes"
    for when in ("before", "after"):
        set_hook(world.instance, world.app, when, Hook(f'echo {when} "${{HOLDFAST_STATE-}}" >> {place}', 10), SYSTEM)
    return place


def lines(place: Path) -> list[str]:
    return [line.strip() for line in place.read_text().splitlines()] if place.exists() else []


def log(world: World, backup: Backup) -> str:
    return "\n".join(log_lines(world.instance, backup, with_private=True))


def no_mark(world: World) -> bool:
    return not list(world.instance.run.glob("hook-*"))


def test_both_run_around_the_copy_and_after_as_soon_as_all_is_read(
    world: World, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    take = Vault.take

    def watched(self: Vault, *given: Any, **options: Any) -> TakeResult:
        seen.append(lines(notes))
        result = take(self, *given, **options)
        seen.append(lines(notes))
        return result

    monkeypatch.setattr(Vault, "take", watched)
    done = world.take()
    assert done.state is State.SUCCESSFUL
    assert seen == [["before"], ["before", "after read"]], "the after does not wait for the store"
    assert (done.warnings, no_mark(world)) == ((), True)


def test_they_are_told_what_is_backed_up_and_nothing_of_ours(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_MASTER_KEY", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    set_hook(world.instance, world.app, "before", Hook(f"(pwd; env) > {tmp_path}/before", 10), SYSTEM)
    set_hook(world.instance, world.app, "after", Hook(f"env > {tmp_path}/after", 10), SYSTEM)
    done = world.take()
    place, *rest = (tmp_path / "before").read_text().splitlines()
    told = dict(line.split("=", 1) for line in rest)
    assert place == "/", "never the application's folder, whose owner is hostile"
    expected = {
        "HOLDFAST_APP_ID": world.app.id,
        "HOLDFAST_APP": "bot",
        "HOLDFAST_PATH": str(world.root),
        "HOLDFAST_BACKUP_ID": done.id,
        "HOLDFAST_BACKUP": done.name,
        "HOLDFAST_HOOK": "before",
    }
    assert {k: v for k, v in told.items() if k.startswith("HOLDFAST")} == expected
    assert set(told) - set(expected) <= {"PATH", "HOME", "LANG", "TZ", "PWD", "OLDPWD", "SHLVL", "_"}
    assert "HOLDFAST_STATE=read" in (tmp_path / "after").read_text().splitlines()


def test_a_before_that_fails_fails_the_backup_and_after_still_runs(world: World, notes: Path) -> None:
    set_hook(world.instance, world.app, "before", Hook("echo last words; echo to stderr >&2; exit 3", 10), SYSTEM)
    done = world.take()
    assert (done.state, done.error_code) == (State.FAILED, "HOOK_FAILED")
    assert "exit code 3" in (done.error_detail or "")
    assert "last words" not in (done.error_detail or ""), "customers see the message; commands may print secrets"
    assert "| last words" in log(world, done)
    assert "| to stderr" in log(world, done)
    assert lines(notes) == ["after failed"]


def test_a_before_over_its_time_is_killed_with_all_that_it_started(
    world: World, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "TERM_SECONDS", 0.1)
    command = f"trap '' TERM; sleep 100 & echo $! > {tmp_path}/child; echo waiting; wait; wait; sleep 100"
    set_hook(world.instance, world.app, "before", Hook(command, 1), SYSTEM)
    done = world.take()
    assert (done.state, done.error_code) == (State.FAILED, "HOOK_FAILED")
    assert "not done after 1 s" in (done.error_detail or "")
    assert "| waiting" in log(world, done)
    assert lines(notes) == ["after failed"]
    assert is_gone(int((tmp_path / "child").read_text()))


def is_gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def test_an_after_that_fails_is_a_warning(world: World) -> None:
    set_hook(world.instance, world.app, "after", Hook("echo cannot; kill -9 $$", 10), SYSTEM)
    done = world.take()
    assert done.state is State.SUCCESSFUL
    assert [w.code for w in done.warnings] == ["AFTER_HOOK_FAILED"]
    assert "signal 9" in done.warnings[0].message
    assert no_mark(world)
    world.root.rename(world.root.with_name("moved"))
    failed = world.take()
    assert (failed.error_code, [w.code for w in failed.warnings]) == ("SOURCE_MISSING", ["AFTER_HOOK_FAILED"])


def test_a_command_that_leaves_a_process_behind_is_not_waited_for(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hooks, "DRAIN_SECONDS", 0.05)
    set_hook(world.instance, world.app, "after", Hook(f"echo started; sleep 60 & echo $! > {tmp_path}/pid", 10), SYSTEM)
    began = time.monotonic()
    done = world.take()
    assert time.monotonic() - began < 5
    pid = int((tmp_path / "pid").read_text())
    assert not is_gone(pid), "it is the operator's wish, say a server that is started"
    os.kill(pid, signal.SIGKILL)
    assert "| started" in log(world, done)


def test_very_much_output_is_cut_and_odd_bytes_are_harmless(world: World) -> None:
    command = "yes 'a line of output' | head -n 200000; printf '\\377 \\033[2J \\000 end'"
    set_hook(world.instance, world.app, "before", Hook(command, 10), SYSTEM)
    done = world.take()
    text = log(world, done)
    assert done.state is State.SUCCESSFUL
    assert len(text) < 2 * hooks.OUTPUT_BYTES_MAX * 3
    assert "the beginning is left out" in text
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "\ufffd \ufffd[2J \ufffd end" in text


def test_cancelled_while_before_runs(world: World, notes: Path, tmp_path: Path) -> None:
    set_hook(world.instance, world.app, "before", Hook(f"touch {tmp_path}/begun; sleep 100", 60), SYSTEM)
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    done = run_backup(world.instance, asked.id, control=Control((tmp_path / "begun").exists))
    assert done.error_code == "CANCELLED"
    assert lines(notes) == ["after cancelled"]


def test_cancelled_while_files_are_read(world: World, notes: Path) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    done = run_backup(world.instance, asked.id, control=Control(lambda: "before" in lines(notes)))
    assert done.error_code == "CANCELLED"
    assert lines(notes)[-1].startswith("after")
    assert len(lines(notes)) == 2


def test_a_copy_that_starts_again_has_both_again(world: World, notes: Path) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    fenced: list[bool] = []

    def fence(progress: Progress) -> None:
        if not fenced:
            fenced.append(True)
            with world.instance.catalog.write() as connection:
                connection.execute(accounts.update().values(vault_epoch=accounts.c.vault_epoch + 1))

    assert run_backup(world.instance, asked.id, control=Control(report=fence)).state is State.SUCCESSFUL
    assert [line.split()[0] for line in lines(notes)] == ["before", "after", "before", "after"]


def test_an_import_runs_none(world: World, notes: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(world.root / "a.txt", "a.txt")
    with Upload(world.instance, world.app.id, SYSTEM) as upload:
        upload.write((tmp_path / "a.tar").read_bytes())
        backup = upload.queue()
    assert run_backup(world.instance, backup.id).state is State.SUCCESSFUL
    assert lines(notes) == []


RUN = """
import sys
from pathlib import Path
from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.config import ConfiguredHooks
from holdfast.service.instance.home import open_instance
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control

instance = open_instance(Path(sys.argv[1]))
backup, _ = request_backup(instance, sys.argv[2], SYSTEM)
control = Control(report=lambda progress: (print("reading", flush=True), sys.stdin.read()))
run_backup(instance, backup.id, control=control)
"""


def test_killed_between_the_two_the_next_start_lets_the_application_go(world: World, notes: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, world.instance.home, world.app.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"reading\n"
    assert recover_backups(world.instance) == [], "while it lives nobody takes its after away"
    process.kill()
    process.communicate()
    assert lines(notes) == ["before"]
    # Removed since: what runs is the command that belongs to the `before` that ran.
    set_hook(world.instance, world.app, "after", None, SYSTEM)
    instance = open_instance(world.instance.home)
    (failed,) = recover_backups(instance)
    assert failed.error_code == "INTERRUPTED"
    assert lines(notes) == ["before", "after interrupted"]
    assert "run in its place" in log(world, failed)
    assert recover_backups(instance) == []
    assert lines(notes) == ["before", "after interrupted"]
    assert no_mark(world)
    instance.close()


def test_killed_while_before_runs_it_does_not_go_on_after_after(world: World, notes: Path, tmp_path: Path) -> None:
    command = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; sleep 100; echo late >> {notes}"
    set_hook(world.instance, world.app, "before", Hook(command, 200), SYSTEM)
    process = subprocess.Popen([sys.executable, "-c", RUN, world.instance.home, world.app.id], stdin=subprocess.PIPE)
    until = time.monotonic() + 20
    while not (tmp_path / "pid").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert not is_gone(int((tmp_path / "pid").read_text()))
    (failed,) = recover_backups(world.instance)
    assert failed.error_code == "INTERRUPTED"
    assert is_gone(int((tmp_path / "pid").read_text()))
    assert lines(notes) == ["after interrupted"]


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGINT])
def test_a_command_line_that_is_told_to_stop_lets_the_application_go(
    world: World, notes: Path, tmp_path: Path, asked: signal.Signals
) -> None:
    set_hook(world.instance, world.app, "before", Hook(f"touch {tmp_path}/begun; sleep 100", 200), SYSTEM)
    program = [
        sys.executable,
        "-m",
        "holdfast.cli.entry",
        "--home",
        str(world.instance.home),
        "backup",
        "create",
        "bot",
    ]
    process = subprocess.Popen(program, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, preexec_fn=heed_interrupts)
    until = time.monotonic() + 20
    while not (tmp_path / "begun").exists() and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(asked)
    process.communicate(timeout=20)
    assert process.returncode in (143, 130)
    assert lines(notes) == ["after cancelled"]
    assert no_mark(world)
    assert recover_backups(world.instance) == []


def test_what_can_be_no_command_is_refused(world: World) -> None:
    for when, hook in (
        ("during", Hook("true")),
        ("before", Hook("  ")),
        ("before", Hook("a\0b")),
        ("before", Hook("\udcff")),
        ("before", Hook("x" * 20000)),
        ("after", Hook("true", 0)),
        ("after", Hook("true", 10**6)),
    ):
        with pytest.raises(Invalid):
            set_hook(world.instance, world.app, when, hook, SYSTEM)
    assert find_app(world.instance, world.app.id).settings.before is None


def test_what_the_host_named_runs_and_is_never_left_out(world: World, tmp_path: Path) -> None:
    place = tmp_path / "notes"
    before, after = (f"echo {when} >> {place}" for when in ("named-before", "named-after"))
    named = {"game": ConfiguredHooks(before=before, after=after, timeout_seconds=10)}
    configure(world.instance, hooks=named)
    change_settings(
        world.instance.catalog, world.app.id, lambda now: replace(now, hooks="game"), 0, SYSTEM, "app.changed"
    )
    assert world.take().state is State.SUCCESSFUL
    set_hook(world.instance, find_app(world.instance, world.app.id), "before", Hook(f"echo own >> {place}"), SYSTEM)
    assert world.take().state is State.SUCCESSFUL
    assert lines(place) == ["named-before", "named-after", "own", "named-after"]
    configure(world.instance, hooks={})
    failed = world.take()
    assert (failed.state, failed.error_code) == (State.FAILED, "HOOK_FAILED")
    assert "No hooks named game are in holdfast.toml any more" in str(failed.reason)
    assert "holdfast.toml" not in (failed.error_message or "")
    assert len(lines(place)) == 4
