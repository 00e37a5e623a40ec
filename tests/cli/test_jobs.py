"""`holdfast jobs`, `jobs cancel`, `log`."""

from __future__ import annotations

import json

import pytest
from kit.in_process import run_command
from kit.world import World, world

from holdfast.catalog.records import SYSTEM
from holdfast.service.errors import Invalid, ServiceError
from holdfast.service.instance.home import Instance
from holdfast.service.take.request import request_backup

__all__ = ["world"]


@pytest.fixture(autouse=True)
def one_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands open the instance of the test, with its clock."""
    monkeypatch.setattr("holdfast.service.instance.home.open_instance", lambda home, **options: world.instance)
    monkeypatch.setattr(Instance, "close", lambda self: None)


def run(*arguments: str) -> str:
    done = run_command(arguments)
    if done.exception is not None:
        raise done.exception
    return done.output


def test_jobs_and_log(world: World) -> None:
    assert run("jobs").startswith("Nothing runs")
    world.take("first")
    waiting, _ = request_backup(world.instance, world.app.id, SYSTEM, name="second")
    lines = run("jobs").splitlines()
    assert lines[0].split() == ["ID", "KIND", "STATE", "NODE", "ASKED", "APP", "PROGRESS"]
    assert [line.split()[1:4] for line in lines[1:]] == [["backup", "queued", "main"], ["backup", "successful", "main"]]
    assert run("jobs", "cancel", waiting.id) == "It is cancelled.\n"
    for job, code in ((waiting.id, "JOB_ENDED"), ("nothing", "JOB_NOT_FOUND")):
        with pytest.raises(ServiceError) as refused:
            run("jobs", "cancel", job)
        assert refused.value.code == code
    shown = json.loads(run("jobs", "--all", "--json"))
    assert sorted((job["state"], job["error"] and job["error"]["code"]) for job in shown) == [
        ("failed", "CANCELLED"),
        ("successful", None),
    ]
    log = run("log", "--app", "bot", "--since", "2h").splitlines()
    assert [line.split()[2].removeprefix("backup.") for line in log] == [
        *("queued", "started", "finished"),
        *("queued", "failed"),
    ]
    assert log[-1].endswith("bot: second failed (CANCELLED): The backup was cancelled before it began.")
    assert json.loads(run("log", "--json").splitlines()[0])["kind"] == "backup.queued"
    world.clock.ns += 3600 * 1_000_000_000
    assert run("log", "--since", "59m") == ""
    with pytest.raises(Invalid):
        run("log", "--since", "yesterday")
