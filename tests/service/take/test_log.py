"""The log of a backup: what a person wants to know of it, bounded, and without what is not for customers."""

from __future__ import annotations

import sqlite3

from kit.world import FakeClock, World

from holdfast.catalog.records import SYSTEM, Hook, State
from holdfast.service.take.hooks import set_hook
from holdfast.service.take.log import LOG_BYTES_MAX, BackupLog, log_lines
from holdfast.service.take.request import request_backup


def test_it_tells_what_was_done(world: World) -> None:
    world.clock.ns = 4_000_000_000_000_000_000  # long after the files were made, so that they count as settled
    world.take()
    with sqlite3.connect(world.root / "bot.db") as database:
        database.execute("create table t (x)")
    set_hook(world.instance, world.app, "before", Hook("echo save-off", 10), SYSTEM)
    set_hook(world.instance, world.app, "after", Hook("echo save-on", 10), SYSTEM)
    done = world.take()
    lines = log_lines(world.instance, done, with_private=True)
    assert all(line.startswith("2096-10-02T09:06:40+02:00 ") for line in lines)
    texts = [line.partition(" ")[2] for line in lines]
    assert [text.split(" after 0")[0] for text in texts if not text.startswith("Copied")] == [
        "Started.",
        "The command before the copy runs.",
        "  | save-off",
        "The command before the copy ended well",
        "3 files, 1 of them to read (8,192 bytes); 2 are as the backup before has them.",
        "All is read.",
        "The command after the copy runs.",
        "  | save-on",
        "The command after the copy ended well",
        f"Finished: 3 files, {done.content_bytes:,} bytes; {done.stored_bytes:,} bytes added to the store; "
        f"{done.zip_bytes:,} bytes as a zip.",
    ]
    assert sum(text.startswith("Copied the database bot.db") for text in texts) == 1
    public = log_lines(world.instance, done, with_private=False)
    assert public == [line for line in lines if "save-o" not in line]


def test_a_failure_is_in_it_and_a_waiting_backup_has_none(world: World) -> None:
    world.root.rename(world.root.with_name("moved"))
    failed = world.take()
    assert failed.state is State.FAILED
    last = log_lines(world.instance, failed, with_private=False)[-1]
    assert last.endswith(f"Failed (SOURCE_MISSING): {failed.error_message}")
    asked, _ = request_backup(world.instance, world.app.id, SYSTEM)
    assert log_lines(world.instance, asked, with_private=True) == []


def test_of_a_long_one_the_middle_is_left_out() -> None:
    log = BackupLog(FakeClock())
    for number in range(20_000):
        log.write(f"line {number} " + "x" * 50)
    lines = log.lines()
    assert lines[0].text.startswith("line 0 ")
    assert lines[-1].text.startswith("line 19999 ")
    (gap,) = [line.text for line in lines if line.text.startswith("...")]
    assert int(gap.split()[1]) == 20_000 - (len(lines) - 1)
    assert len(log.encoded()) <= LOG_BYTES_MAX
    log.write("x" * 1_000_000)
    assert len(log.encoded()) <= LOG_BYTES_MAX
