"""Backups and jobs as one list: looked at and cancelled by one id, with nothing of them left."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from kit.world import World
from msgspec import to_builtins
from sqlalchemy import text

from holdfast.catalog.backups.found import backup_by_id
from holdfast.catalog.jobs.work import open_work
from holdfast.catalog.records import SYSTEM, EventKind, JobState, State, Work
from holdfast.service.errors import Conflict, NotFound
from holdfast.service.instance.import_scratch import scratch_folder
from holdfast.service.instance.locks import held
from holdfast.service.integrity.verify import request_verify, run_verify
from holdfast.service.jobs import lifecycle as jobs
from holdfast.service.jobs.events import history
from holdfast.service.jobs.work import account_work, cancel_work, get_work, seen_work, work_with_log
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.service.take import failing
from holdfast.service.take.failing import recover_backups
from holdfast.service.take.import_backup import Upload
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup
from holdfast.sources.directory.source import DirectorySource
from holdfast.vault.control import Control, Progress
from holdfast.vault.errors import Cancelled, Stopped


def stop() -> bool:
    raise Stopped("The server was stopped before it was finished.")


def test_a_backup_is_a_job_too(world: World) -> None:
    backup = world.take()
    view = to_builtins(work_with_log(world.instance, get_work(world.instance, backup.id, world.account.id)))
    assert (view["kind"], view["backup_id"], view["state"]) == ("backup", backup.id, "successful")
    assert view["result"] == {
        "files": 2,
        "size": backup.zip_bytes,
        "content_size": backup.content_bytes,
        "stored_size": backup.stored_bytes,
    }
    assert [line["message"].removeprefix(backup.name) for line in view["log"]] == [
        " waits to be made.",
        " is being made.",
        f" is finished: 2 files, {backup.stored_bytes:,} bytes added.",
    ]
    with pytest.raises(NotFound):
        get_work(world.instance, backup.id, "somebodyelse")


def test_a_job_has_its_own_log(world: World) -> None:
    job = request_verify(world.instance, world.take(), "main", SYSTEM)
    run_verify(world.instance, job.id)
    log = to_builtins(work_with_log(world.instance, get_work(world.instance, job.id)))["log"]
    assert [line["message"].startswith("The reading back of ") for line in log] == [False, True]
    assert log[0]["message"].endswith(" is being read back.")
    assert log[1]["message"].endswith(" ended as successful.")


def test_what_waits_is_cancelled_at_once(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert [work.id for work in open_work(world.instance.catalog)] == [asked.id]
    work = cancel_work(world.instance, get_work(world.instance, asked.id), SYSTEM)
    assert (work.state, work.error_code) == (JobState.FAILED, "CANCELLED")
    assert run_backup(world.instance, asked.id).error_code == "CANCELLED"  # the queue comes to it all the same
    with pytest.raises(Conflict) as ended:
        cancel_work(world.instance, work, SYSTEM)
    assert ended.value.code == "JOB_ENDED"
    assert world.take().state is State.SUCCESSFUL
    kinds = [event.kind for event in history(world.instance, 0, world.app.id)]
    assert kinds[:2] == [EventKind.BACKUP_QUEUED, EventKind.BACKUP_FAILED]


def test_an_import_that_waits_leaves_no_archive(world: World, tmp_path: Path) -> None:
    import io
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.txt", "hello")
    with Upload(world.instance, world.app.id, SYSTEM, None) as upload:
        upload.write(packed.getvalue())
        asked = upload.queue()
    assert scratch_folder(world.instance, asked.id).exists()
    cancel_work(world.instance, get_work(world.instance, asked.id), SYSTEM)
    assert not scratch_folder(world.instance, asked.id).exists()


def test_what_runs_stops_and_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.root / "large").write_bytes(os.urandom(13 << 20))  # enough for worker processes
    monkeypatch.setattr(jobs, "CONTROL_EVERY_NS", 0)
    instance, asked = world.instance, request_backup(world.instance, world.app.id, SYSTEM)[0]
    seen: list[Work] = []

    def cancel(progress: Progress) -> None:
        if not seen:
            seen.append(cancel_work(instance, get_work(instance, asked.id), SYSTEM))

    done = run_backup(instance, asked.id, control=Control(report=cancel))
    assert (seen[0].state, seen[0].cancel_asked) == (JobState.RUNNING, True)
    assert (done.state, done.error_code) == (State.FAILED, "CANCELLED")
    assert list((instance.home / "store" / "unfinished").iterdir()) == []
    assert not list((instance.home / "store").glob("vaults/*/backups/*"))
    assert list(instance.run.glob("*-*")) == []


def test_a_stopped_server_puts_a_backup_back_and_fails_the_rest(world: World) -> None:
    good = world.take()
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert run_backup(world.instance, asked.id, control=Control(stop)).state is State.QUEUED
    assert run_backup(world.instance, asked.id).state is State.SUCCESSFUL
    (world.root / "a.txt").write_text("mine")
    for job, run in (
        (request_verify(world.instance, good, "main", SYSTEM), run_verify),
        (request_restore(world.instance, good, world.app, Wanted(), SYSTEM), run_restore),
    ):
        done = run(world.instance, job.id, control=Control(stop))
        assert (done.state, done.error_code) == (JobState.FAILED, "INTERRUPTED")
    assert (world.root / "a.txt").read_text() == "mine"
    cancelled, _ = request_backup(world.instance, world.app.id, SYSTEM)

    def both() -> bool:
        cancel_work(world.instance, get_work(world.instance, cancelled.id), SYSTEM)
        return stop()

    # Whoever cancelled it gets that, also when the server stops at the same moment.
    assert run_backup(world.instance, cancelled.id, control=Control(both)).state is State.FAILED


def test_the_list_is_newest_first_and_goes_on_behind_an_id(world: World) -> None:
    ids = []
    for _ in range(3):
        world.clock.ns += 1_000_000_000
        backup = world.take()
        world.clock.ns += 1_000_000_000
        ids += [backup.id, request_verify(world.instance, backup, "main", SYSTEM).id]
    found = [work.id for work in account_work(world.instance, world.account.id, 100, None)]
    assert found == ids[::-1]
    assert [work.id for work in account_work(world.instance, world.account.id, 2, found[1])] == found[2:4]
    assert account_work(world.instance, "somebodyelse", 100, None) == []
    running, ended = seen_work(world.instance, 2)
    assert ([work.id for work in running], [work.id for work in ended]) == (ids[1::2], [ids[4], ids[2]])


def test_what_is_open_is_found_by_an_index(world: World) -> None:
    if world.instance.catalog.engine.dialect.name != "sqlite":
        pytest.skip("SQLite says how it would search")
    for table in ("backups", "jobs"):
        states = "'queued', 'running', 'deleting'" if table == "backups" else "'queued', 'running'"
        with world.instance.catalog.read() as connection:
            plan = connection.execute(
                text(f"EXPLAIN QUERY PLAN SELECT id FROM {table} WHERE state IN (:s) AND state IN ({states})"),
                {"s": "running"},
            ).all()
        assert f"ix_{table}_open" in str(plan)


def test_a_walk_stops(world: World) -> None:
    for folder in range(30):
        (world.root / str(folder)).mkdir()
        for file in range(100):
            (world.root / str(folder) / str(file)).touch()
    asked = threading.Event()

    def cancelled() -> bool:
        asked.set()
        return True

    try:
        DirectorySource(world.root).scan(Control(cancelled))
    except Cancelled:
        assert asked.is_set()
    else:
        assert not asked.is_set()  # it was finished before anyone was asked


def test_a_lock_whose_file_was_taken_away_counts_for_nothing(world: World) -> None:
    with held(world.instance, "one") as first:
        assert first
        (world.instance.run / "one.lock").unlink()
        with held(world.instance, "one") as second:
            assert second  # another file: only who removes it while he holds it lets others in
            with held(world.instance, "one") as third:
                assert not third


def test_one_that_just_finished_is_not_taken_for_a_dead_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recovery lists what runs, and gets the lock only when it has ended."""
    backup = world.take()
    running = [backup_by_id(world.instance.catalog, backup.id)]
    monkeypatch.setattr(failing, "backups_in", lambda *_: running)
    assert recover_backups(world.instance) == []
    assert list((world.instance.home / "store").glob(f"vaults/*/backups/{backup.id}"))
