"""The log of a process: what deeds say has its fields, in JSON and as text, and no line is made by somebody else."""

from __future__ import annotations

import io
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from kit.world import World

from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.logs import Format, Level, configure_logs
from holdfast.service.integrity.verify import request_verify, run_verify
from holdfast.service.registry.backups import delete_now
from holdfast.service.retention.prune import prune_account
from holdfast.stores.port import StoreFull
from holdfast.worker.periodic import PeriodicTask, PeriodicTasks

Configure = Callable[..., io.BytesIO]


@pytest.fixture
def configured() -> Iterator[Configure]:
    """Sets the log up, and gives where it is written."""
    root, dbos = logging.getLogger(), logging.getLogger("dbos")
    before = (root.handlers[:], root.level, dbos.handlers[:], dbos.propagate, dbos.filters[:])

    def configure(level: Level = "info", form: Format = "json") -> io.BytesIO:
        stream = io.BytesIO()
        configure_logs("jobs", level, form, stream)
        return stream

    yield configure
    structlog.reset_defaults()
    root.handlers[:], root.level, dbos.handlers[:], dbos.propagate, dbos.filters[:] = before
    logging.getLogger("holdfast").setLevel(logging.NOTSET)


def lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_backup_says_when_it_starts_and_how_it_ended(world: World, configured: Configure) -> None:
    stream = configured()
    good = world.take()
    shutil.rmtree(world.root)
    bad = world.take()
    started, finished, _, failed = lines(stream)
    ids = {"backup_id": good.id, "app_id": world.app.id, "account_id": world.account.id}
    assert {**started, **ids} == started
    assert (started["event"], started["process"], started["level"]) == ("backup_started", "jobs", "info")
    assert {**finished, **ids, "seconds": 0.0, "bytes": good.content_bytes, "files": 2} == finished
    assert (failed["event"], failed["level"], failed["code"]) == ("backup_failed", "warning", "SOURCE_MISSING")
    assert (failed["backup_id"], failed["reason"]) == (bad.id, bad.error_detail)
    assert list(started)[:4] == ["timestamp", "level", "process", "event"]


def test_jobs_and_prunes_say_what_they_did(world: World, configured: Configure) -> None:
    good = world.take()
    job = request_verify(world.instance, good, "main", SYSTEM)
    stream = configured()
    run_verify(world.instance, job.id)
    delete_now(world.instance, good, SYSTEM)
    prune_account(world.instance, world.account, SYSTEM, grace_ns=0)
    started, finished, pruned = lines(stream)
    assert (started["event"], started["kind"], started["job_id"]) == ("job_started", "verify", job.id)
    assert (finished["event"], finished["backup_id"]) == ("job_finished", good.id)
    assert (pruned["event"], pruned["account_id"]) == ("prune_finished", world.account.id)
    assert pruned["freed_bytes"] > 0


def test_what_was_foreseen_is_a_sentence_and_a_fault_of_ours_a_traceback(world: World, configured: Configure) -> None:
    stream = configured()
    errors: list[Exception] = [StoreFull("The disk is full; free space."), ValueError("nobody thought of it")]
    leases = iter(errors)

    def turn(*_: object) -> None:
        error = next(leases, None)
        if error is None:
            rounds._stopping.set()
            return
        raise error

    rounds = PeriodicTasks(world.instance, [PeriodicTask("tidy", 0.001, turn)])
    rounds.start()
    for thread in rounds._threads:
        thread.join(20)
    foreseen, fault = lines(stream)
    assert (foreseen["event"], foreseen["round"], foreseen["reason"]) == ("round_failed", "tidy", str(errors[0]))
    assert "exception" not in foreseen
    assert "Traceback" in fault["exception"]


def test_what_dbos_says_again_and_again_is_written_once_a_minute(configured: Configure) -> None:
    stream, dbos = configured(), logging.getLogger("dbos")

    def said(text: str, at: float) -> None:
        record = dbos.makeRecord("dbos", logging.WARNING, __file__, 1, text, (), None)
        record.created = at
        dbos.handle(record)

    for at in (0.0, 0.1, 59.9, 60.0, 61.0, 30.0):  # in the end the clock is set back
        said("the database is gone", at)
        said(f"something else at {at}", at)
    events = [line["event"] for line in lines(stream)]
    assert events.count("the database is gone") == 3
    assert len(events) == 9


def test_what_dbos_says_has_the_same_form(configured: Configure) -> None:
    logging.getLogger("dbos").addHandler(logging.StreamHandler())
    stream = configured()
    logging.getLogger("dbos").warning("something odd", extra={"applicationVersion": "1"})
    logging.getLogger("dbos").info("chatter")
    (line,) = lines(stream)
    assert (line["event"], line["level"], "applicationVersion" in line) == ("something odd", "warning", False)


def test_the_level_holds_for_what_is_ours(world: World, configured: Configure) -> None:
    stream = configured("error")
    world.take()
    assert stream.getvalue() == b""
    stream = configured("debug")
    logging.getLogger("holdfast.x").debug("fine print")
    assert [line["event"] for line in lines(stream)] == ["fine print"]


def test_text_is_for_people(configured: Configure) -> None:
    stream = configured("info", "text")
    logging.getLogger("holdfast.x").warning("backup_failed", extra={"seconds": 1.5, "reason": "It is full."})
    text = stream.getvalue().decode()
    assert text[10:].split(" ", 1)[1] == "warning jobs backup_failed seconds=1.5 reason='It is full.'\n"


@pytest.mark.parametrize("form", ["json", "text"])
def test_nobody_else_can_begin_a_line(configured: Configure, form: Format) -> None:
    stream = configured("info", form)
    logging.getLogger("holdfast.x").warning("a\nb", extra={"path": "x\n2026-01-01 forged", "key": "hf_" + "a" * 30})
    (line,) = stream.getvalue().splitlines()
    assert b"hf_" not in line


def test_without_a_server_deeds_say_nothing(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """A command that takes a backup in its own process has its own words."""
    logging.getLogger("holdfast").setLevel(logging.NOTSET)
    shutil.rmtree(world.root)
    world.take()
    assert capfd.readouterr().err == ""
