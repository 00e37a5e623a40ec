"""Taking backups as a deed: states, failures with a reason, death at any moment."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from kit.links import key_of
from kit.sized import sized
from kit.world import World
from msgspec import to_builtins

from holdfast.catalog.accounts.rows import account_by_id
from holdfast.catalog.database.engine import CatalogUnreachable
from holdfast.catalog.jobs import rows as job_rows
from holdfast.catalog.jobs import work as running
from holdfast.catalog.records import SYSTEM, State
from holdfast.service.access.download import Download
from holdfast.service.errors import Conflict, IdempotencyKeyReused, Invalid, NotFound
from holdfast.service.instance.home import open_instance
from holdfast.service.integrity.verify import request_verify, run_verify
from holdfast.service.registry.backups import find_backup, list_backups, list_items, list_rows
from holdfast.service.registry.trash import delete_backup
from holdfast.service.take import run
from holdfast.service.take.failing import recover_backups
from holdfast.service.take.request import queued_backups, request_backup
from holdfast.service.take.run import run_backup
from holdfast.vault.control import Control, Progress


def test_a_backup_goes_from_queued_to_successful(world: World) -> None:
    asked, is_new = request_backup(world.instance, world.app.id, SYSTEM)
    assert (asked.state, is_new, asked.name) == (State.QUEUED, True, "Backup at 2024-12-07 22:07:11")
    world.clock.ns += 9_000_000_000
    done = run_backup(world.instance, asked.id)
    assert done.state is State.SUCCESSFUL
    assert done.finished_at == world.clock.ns
    assert (done.files, done.error_code, done.progress) == (2, None, None)
    assert done.stored_bytes > 0


def test_the_list_item_is_the_published_sample(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    world.clock.ns += 9_000_000_000
    done = run_backup(world.instance, asked.id)
    (item,) = to_builtins(list_items(world.instance, world.account.id, list_rows(world.instance, world.app.id)))
    assert list(item) == ["name", "size", "modified", "key", "created_at", "is_successful"]
    assert item == {
        "name": "Backup at 2024-12-07 22:07:11",
        "size": done.zip_bytes,
        "modified": "2024-12-07T22:07:20+01:00",
        "key": key_of(world.instance, done),
        "created_at": "2024-12-07T22:07:11+01:00",
        "is_successful": True,
    }
    assert len(key_of(world.instance, done)) == 40


def test_equal_content_has_equal_size_and_key(world: World) -> None:
    one, two = world.take(), world.take()
    assert (one.zip_bytes, key_of(world.instance, one)) == (two.zip_bytes, key_of(world.instance, two))
    assert two.name == f"{one.name} (2)"
    assert two.stored_bytes < 1000
    (world.root / "a.txt").write_text("other\n")
    assert key_of(world.instance, world.take()) != key_of(world.instance, one)


def test_one_backup_at_a_time(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    with pytest.raises(Conflict) as caught:
        request_backup(world.instance, world.app.id, SYSTEM)
    assert caught.value.code == "BACKUP_IN_PROGRESS"
    run_backup(world.instance, asked.id)
    request_backup(world.instance, world.app.id, SYSTEM)


def test_a_name_is_used_once_and_is_fit_for_a_url(world: World) -> None:
    assert world.take("before the update").name == "before the update"
    for name in ("before the update", "", "  ", "a/b", "line\nbreak", "x" * 192, "\ud800"):
        with pytest.raises(Invalid) as caught:
            request_backup(world.instance, world.app.id, SYSTEM, name=name)
        assert caught.value.code == "INVALID_NAME"


def test_an_idempotency_key_gives_the_same_backup_for_a_day(world: World) -> None:
    one, is_new = request_backup(world.instance, world.app.id, SYSTEM, idempotency_key="k")
    again, is_new_again = request_backup(world.instance, world.app.id, SYSTEM, idempotency_key="k")
    assert (one.id, is_new, is_new_again) == (again.id, True, False)
    with pytest.raises(IdempotencyKeyReused):
        request_backup(world.instance, world.app.id, SYSTEM, name="other", idempotency_key="k")
    run_backup(world.instance, one.id)
    world.clock.ns += 25 * 3600 * 1_000_000_000
    later, is_new = request_backup(world.instance, world.app.id, SYSTEM, idempotency_key="k")
    assert is_new
    assert later.id != one.id


def test_an_app_that_is_not_there(world: World) -> None:
    with pytest.raises(NotFound):
        request_backup(world.instance, "0" * 32, SYSTEM)


def test_a_missing_folder_fails_with_a_sentence(world: World) -> None:
    world.root.rename(world.root.with_name("moved"))
    done = world.take()
    assert (done.state, done.error_code) == (State.FAILED, "SOURCE_MISSING")
    assert str(world.root) in (done.error_detail or "")
    assert str(world.root) not in (done.error_message or "")
    (item,) = to_builtins(list_items(world.instance, world.account.id, list_rows(world.instance, world.app.id)))
    assert (item["is_successful"], item["size"], item["key"]) == (False, 0, "")


def test_a_full_disk_fails_with_a_sentence_and_the_store_stays_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = world.take()
    (world.root / "new").write_bytes(os.urandom(300_000))
    store = str(world.instance.home / "store")
    write = os.write

    def full(fd: int, data: bytes) -> int:
        if os.readlink(f"/proc/self/fd/{fd}").startswith(store):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(fd, data)

    monkeypatch.setattr(os, "write", full)
    failed = world.take()
    monkeypatch.undo()
    assert (failed.state, failed.error_code) == (State.FAILED, "STORE_FULL")
    assert "free some space" in (failed.error_detail or "")
    assert b"".join(Download(world.instance, good, "zip").stream(0, good.zip_bytes))[:2] == b"PK"
    after = world.take()
    assert after.state is State.SUCCESSFUL
    assert len(b"".join(Download(world.instance, after, "zip").stream(0, after.zip_bytes))) == after.zip_bytes


def test_cancel(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    done = run_backup(world.instance, asked.id, control=Control(lambda: True))
    assert (done.state, done.error_code) == (State.FAILED, "CANCELLED")


def away(*given: object, **named: object) -> None:
    raise CatalogUnreachable("The catalog postgresql://db.internal/holdfast cannot be used now (no route to host).")


def test_a_catalog_that_is_away_for_a_moment_ends_no_backup_and_no_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for where, name in (
        (running, "is_backup_cancel_asked"),
        (run, "record_progress"),
        (job_rows, "is_cancel_asked"),
        (job_rows, "record_job_progress"),
    ):
        monkeypatch.setattr(where, name, away)
    done = world.take()
    assert done.state is State.SUCCESSFUL
    job = request_verify(world.instance, done, "main", SYSTEM)
    assert run_verify(world.instance, job.id).state == "successful"


def test_a_catalog_that_is_away_at_the_end_is_said_without_where_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "finish_backup", away)
    failed = world.take()
    assert (failed.state, failed.error_code) == (State.FAILED, "CATALOG_UNREACHABLE")
    assert failed.error_message is not None
    assert "db.internal" not in failed.error_message


def test_progress_is_seen_while_it_runs(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    seen: list[tuple[State, bool]] = []

    def look(progress: Progress) -> None:
        world.clock.ns += 600_000_000
        row = find_backup(world.instance, world.app.id, asked.id)
        seen.append((row.state, row.progress is not None))

    run_backup(world.instance, asked.id, control=Control(report=look))
    assert seen[0] == (State.RUNNING, False)
    assert (State.RUNNING, True) in seen


def test_a_prune_in_the_middle_makes_it_start_again(world: World) -> None:
    from holdfast.catalog.database.tables import accounts

    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    fenced: list[bool] = []

    def fence(progress: Progress) -> None:
        if not fenced:
            fenced.append(True)
            with world.instance.catalog.write() as connection:
                connection.execute(accounts.update().values(vault_epoch=accounts.c.vault_epoch + 1))

    done = run_backup(world.instance, asked.id, control=Control(report=fence))
    assert done.state is State.SUCCESSFUL
    account = account_by_id(world.instance.catalog, world.account.id)
    assert account is not None
    assert account.vault_epoch == 1


KILLED = """
import os, sys
from pathlib import Path
from holdfast.catalog.records import SYSTEM
from holdfast.service.instance.home import open_instance
from holdfast.service.take.request import request_backup
from holdfast.service.take.run import run_backup

home, app_id, step, nth = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
instance = open_instance(home)
backup, _ = request_backup(instance, app_id, SYSTEM)
real, count = getattr(os, step), 0

def die(*args, **kwargs):
    global count
    count += 1
    if count == nth:
        os.kill(os.getpid(), 9)
    return real(*args, **kwargs)

setattr(os, step, die)
run_backup(instance, backup.id)
setattr(os, step, real)
print("finished", count)
"""


@pytest.mark.parametrize(("step", "stride"), [("fsync", sized(1, short=3)), ("rename", 1), ("write", 1)])
def test_killed_at_every_step_nothing_acknowledged_is_lost(world: World, step: str, stride: int) -> None:
    good = world.take()
    good_bytes = b"".join(Download(world.instance, good, "zip").stream(0, good.zip_bytes))
    nth, kills = 1 - stride, 0
    while True:
        nth += stride
        (world.root / "new").write_bytes(os.urandom(100_000))
        child = subprocess.run(
            [sys.executable, "-c", KILLED, world.instance.home, world.app.id, step, str(nth)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        instance = open_instance(world.instance.home)
        if child.returncode == 0:
            assert child.stdout.startswith("finished")
            instance.close()
            break
        assert child.returncode == -signal.SIGKILL, child.stderr
        kills += 1
        failed = recover_backups(instance)
        assert [b.error_code for b in failed] == ["INTERRUPTED"]
        assert recover_backups(instance) == []
        assert not list((instance.home / "store" / "unfinished").iterdir())
        rows = list_backups(instance, world.app.id)
        assert {b.state for b in rows} == {State.SUCCESSFUL, State.FAILED}
        again = b"".join(Download(instance, good, "zip").stream(0, good.zip_bytes))
        assert again == good_bytes
        instance.close()
    assert kills >= 3
    last = world.take()
    assert last.state is State.SUCCESSFUL
    whole = b"".join(Download(world.instance, last, "zip").stream(0, last.zip_bytes))
    assert len(whole) == last.zip_bytes


def test_a_living_backup_is_left_alone(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    found: list[int] = []

    def recover(progress: Progress) -> None:
        other = open_instance(world.instance.home)
        found.append(len(recover_backups(other)))
        other.close()

    assert run_backup(world.instance, asked.id, control=Control(report=recover)).state is State.SUCCESSFUL
    assert set(found) == {0}


def test_a_queued_backup_waits(world: World) -> None:
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert recover_backups(world.instance) == []
    assert [b.id for b in queued_backups(world.instance)] == [asked.id]


def test_running_a_finished_backup_does_nothing(world: World) -> None:
    done = world.take()
    assert run_backup(world.instance, done.id) == done
    delete_backup(world.instance, done, SYSTEM, is_final=True)
    with pytest.raises(NotFound):
        run_backup(world.instance, done.id)


def test_the_instances_own_home_is_left_out(world: World, tmp_path: Path) -> None:
    from holdfast.service.registry.apps import add_app

    app = add_app(world.instance, world.account.id, "everything", tmp_path, SYSTEM)
    backup, _ = request_backup(world.instance, app.id, SYSTEM)
    done = run_backup(world.instance, backup.id)
    snapshot = world.instance.vault(world.account.id).open(done.id)
    assert {e.path.split(b"/")[0] for e in snapshot.entries()} == {b"app"}
    snapshot.close()


def test_dates_that_64_bits_do_not_reach_are_stored_as_the_nearest(world: World) -> None:
    seconds = 13_569_465_600  # 2400-01-01
    for name in ("file", "folder"):
        path = world.root / name
        path.write_text("x") if name == "file" else path.mkdir()
        os.utime(path, (seconds, seconds))
        if path.stat().st_mtime < seconds - 1:
            pytest.skip("this file system has no year 2400")
    backup, again = world.take(), world.take()
    assert (backup.state, again.state, again.stored_bytes < backup.stored_bytes) == ("successful", "successful", True)
    with closing(world.instance.vault(world.account.id).open(again.id)) as snapshot:
        stored = [entry.mtime_ns for entry in snapshot.entries() if entry.path in (b"file", b"folder")]
    assert stored == [2**63 - 1] * 2
