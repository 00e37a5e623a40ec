"""A restore that somebody asked for after having seen what it would change."""

from __future__ import annotations

import sqlite3

from kit.trees import tree_of
from kit.world import World

from holdfast.catalog.records import SYSTEM, Backup, Job, JobState
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import CHANGED_PATHS_MAX, Expected, Wanted, preview_restore

ONCE = "0123456789abcdef" * 2


def restore(world: World, backup: Backup, wanted: Wanted) -> Job:
    return run_restore(world.instance, request_restore(world.instance, backup, world.app, wanted, SYSTEM).id)


def expected(world: World, backup: Backup) -> Expected:
    """The counts that a preview shows now."""
    changes = preview_restore(world.instance, backup, world.app, Wanted()).changes
    return Expected(changes.added, changes.changed, changes.removed)


def test_a_restore_of_something_else_than_was_shown_touches_nothing(world: World) -> None:
    (world.root / "a.txt").write_text("old\n")
    backup = world.take()
    (world.root / "a.txt").write_text("a newer one\n")
    shown = expected(world, backup)
    for number in range(CHANGED_PATHS_MAX + 1):
        (world.root / f"made since {number}").write_text("x")
    before = tree_of(world.root)
    refused = restore(world, backup, Wanted(expected=shown))
    assert (refused.state, refused.error_code) == (JobState.FAILED, "TARGET_CHANGED")
    assert "21 are removed. Nothing was touched" in (refused.error_message or "")
    assert tree_of(world.root) == before
    (world.root / "made since 20").unlink()
    assert restore(world, backup, Wanted(expected=shown)).state is JobState.SUCCESSFUL
    assert (world.root / "a.txt").read_text() == "old\n"


def test_the_same_form_twice_is_one_restore(world: World) -> None:
    (world.root / "a.txt").write_text("old\n")
    backup = world.take()
    (world.root / "a.txt").write_text("a newer one\n")
    wanted = Wanted(once=ONCE)
    first = request_restore(world.instance, backup, world.app, wanted, SYSTEM)
    assert request_restore(world.instance, backup, world.app, wanted, SYSTEM).id == first.id
    assert run_restore(world.instance, first.id).state is JobState.SUCCESSFUL
    assert request_restore(world.instance, backup, world.app, wanted, SYSTEM).id == first.id
    assert restore(world, backup, Wanted(once=ONCE[::-1])).id != first.id


def test_a_preview_names_the_databases_by_what_is_in_them(world: World) -> None:
    with sqlite3.connect(world.root / "shop.data") as database:
        database.execute("CREATE TABLE t (x)")
    (world.root / "other.sqlite").write_bytes(b"x" * 512)
    backup = world.take()
    (world.root / "shop.data").unlink()
    (world.root / "other.sqlite").unlink()
    assert preview_restore(world.instance, backup, world.app, Wanted()).databases == ("shop.data",)
