"""Ignore patterns as a deed: set, tried, used by backups, and respected by restores."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kit.world import World

from holdfast.catalog.records import SYSTEM, App, Backup, JobState
from holdfast.service.errors import Conflict, Invalid
from holdfast.service.registry.account_record import read_record
from holdfast.service.registry.apps import find_app
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted, preview_restore
from holdfast.service.take.ignore_patterns import (
    PATHS_SHOWN_MAX,
    add_patterns,
    preview_ignored,
    remove_patterns,
    set_patterns,
)
from holdfast.sources.directory.ignore import PATTERN_BYTES_MAX, PATTERNS_MAX


def paths(world: World, backup: Backup) -> set[str]:
    snapshot = world.instance.vault(world.account.id).open(backup.id)
    try:
        return {entry.path.decode() for entry in snapshot.entries()}
    finally:
        snapshot.close()


def put(root: Path, **files: int) -> None:
    for name, size in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def app(world: World) -> App:
    return find_app(world.instance, world.app.id)


def restored(world: World, backup: Backup, **wanted: Any) -> None:
    job = request_restore(world.instance, backup, app(world), Wanted(**wanted), SYSTEM)
    done = run_restore(world.instance, job.id)
    assert done.state is JobState.SUCCESSFUL, done.error_message


def test_a_backup_leaves_out_what_the_patterns_say(world: World) -> None:
    put(world.root, node_modules__x=10, sub__node_modules__y=10)
    (world.root / "a.log").touch()
    (world.root / "keep.log").touch()
    (world.root / ".backupignore").write_text("!keep.log\n")
    set_patterns(world.instance, world.app, ["*.log", "node_modules/"], SYSTEM)
    done = world.take()
    assert paths(world, done) == {".backupignore", "a.txt", "keep.log", "link", "sub", "sub/b.bin"}
    assert done.warnings == ()
    set_patterns(world.instance, world.app, [], SYSTEM)
    assert {"a.log", "node_modules/x", "sub/node_modules/y"} <= paths(world, world.take())


def test_patterns_are_added_moved_behind_and_removed(world: World) -> None:
    add_patterns(world.instance, world.app, ["*.log", "cache/"], SYSTEM)
    changed = add_patterns(world.instance, app(world), ["!x.log", "*.log"], SYSTEM)
    assert changed.settings.ignore == ("cache/", "!x.log", "*.log")
    changed = remove_patterns(world.instance, changed, ["!x.log"], SYSTEM)
    assert changed.settings.ignore == ("cache/", "*.log")
    with pytest.raises(Invalid) as caught:
        remove_patterns(world.instance, changed, ["nonsense"], SYSTEM)
    assert caught.value.code == "INVALID_IGNORE"
    assert app(world).settings.ignore == ("cache/", "*.log")
    (kept,) = read_record(world.instance, world.account.id).apps
    assert kept.settings.ignore == ("cache/", "*.log"), "a rebuild must find them"


@pytest.mark.parametrize(
    "pattern", ["", "  ", "#note", "a\nb", "a\0", "[a", "end\\", "!", "/", "x" * (PATTERN_BYTES_MAX + 1), "\udcff"]
)
def test_what_can_be_no_pattern_is_refused_with_a_sentence(world: World, pattern: str) -> None:
    for operation in (
        partial(set_patterns, by=SYSTEM),
        partial(add_patterns, by=SYSTEM),
        preview_ignored,
    ):
        with pytest.raises(Invalid) as caught:
            operation(world.instance, world.app, ["fine", pattern])
        assert caught.value.code == "INVALID_IGNORE"
        assert caught.value.message.endswith(".")
    assert app(world).settings.ignore == ()


def test_there_may_not_be_any_number_of_patterns(world: World) -> None:
    many = [f"p{n}" for n in range(PATTERNS_MAX)]
    set_patterns(world.instance, world.app, many, SYSTEM)
    for operation, patterns in ((add_patterns, ["one more"]), (set_patterns, [*many, "one more"])):
        with pytest.raises(Invalid):
            operation(world.instance, world.app, patterns, SYSTEM)


def test_the_preview_shows_what_and_how_much(world: World) -> None:
    put(world.root, cache__a=1000, cache__deep__b=500, big=4000, small=20, sub__cache=7)
    (world.root / "x.log").write_bytes(b"12345")
    (world.root / ".backupignore").write_text("# ours\nsmall\n!big\n")
    set_patterns(world.instance, world.app, ["cache/", "*.log", "big", "nothing"], SYSTEM)
    found = preview_ignored(world.instance, app(world))
    assert [(p.pattern, p.source, p.line, p.files, p.bytes) for p in found.patterns] == [
        ("cache/", "settings", 1, 2, 1500),
        ("*.log", "settings", 2, 1, 5),
        ("big", "settings", 3, 0, 0),
        ("nothing", "settings", 4, 0, 0),
        ("small", ".backupignore", 2, 1, 20),
        ("!big", ".backupignore", 3, 0, 0),
    ]
    assert [(p.path, p.kind, p.files, p.bytes, p.pattern) for p in found.paths] == [
        ("cache", "folder", 2, 1500, "cache/"),
        ("small", "file", 1, 20, "small"),
        ("x.log", "file", 1, 5, "*.log"),
    ]
    assert (found.files, found.bytes, found.total_files) == (4, 1525, 9)
    tried = preview_ignored(world.instance, app(world), ["b*"])
    assert [p.path for p in tried.paths] == ["sub/b.bin", "cache/deep/b", "small"]
    assert app(world).settings.ignore == ("cache/", "*.log", "big", "nothing")
    backed = paths(world, world.take())
    assert {p.path for p in found.paths}.isdisjoint(backed)
    assert found.total_files - found.files == world.take().files


def test_the_preview_of_very_much_is_short(world: World) -> None:
    put(world.root, **{f"f{n}.tmp": 10 for n in range(PATHS_SHOWN_MAX + 30)})
    found = preview_ignored(world.instance, app(world), ["*.tmp"])
    assert (len(found.paths), found.more_paths, found.more_files, found.more_bytes) == (PATHS_SHOWN_MAX, 30, 30, 300)


def test_the_preview_names_what_can_never_match(world: World) -> None:
    (world.root / ".backupignore").write_text("fine\n[open\n")
    found = preview_ignored(world.instance, world.app)
    assert found.notices == ["Line 2 of .backupignore can never match anything: [open"]


def test_the_preview_of_a_folder_that_is_gone(world: World) -> None:
    world.root.rename(world.root.with_name("moved"))
    with pytest.raises(Conflict) as caught:
        preview_ignored(world.instance, world.app)
    assert caught.value.code == "APP_NOT_READABLE"


def test_a_database_counts_with_its_log_whatever_the_patterns_say(world: World) -> None:
    set_patterns(world.instance, world.app, ["*-wal", "*-shm", "secret*"], SYSTEM)
    writer = sqlite3.connect(world.root / "bot.db", isolation_level=None)
    writer.execute("pragma journal_mode=wal")
    writer.execute("create table t (x)")
    hidden = sqlite3.connect(world.root / "secret.db", isolation_level=None)
    hidden.execute("pragma journal_mode=wal")
    hidden.execute("create table t (x)")
    (world.root / "lonely-wal").write_bytes(b"no database's")
    first = world.take()
    assert paths(world, first) == {"a.txt", "bot.db", "link", "sub", "sub/b.bin"}
    writer.execute("insert into t values (42)")  # into the log alone
    second = world.take()
    restored(world, second, to=str(world.root.with_name("out")))
    with closing(sqlite3.connect(world.root.with_name("out") / "bot.db")) as copy, copy:
        assert copy.execute("select x from t").fetchall() == [(42,)]
    writer.close()
    hidden.close()


def test_a_mirror_leaves_alone_what_is_ignored(world: World) -> None:
    put(world.root, node_modules__x=10, old__node_modules__y=10, old__z=5)
    set_patterns(world.instance, world.app, ["node_modules/", "*.cache"], SYSTEM)
    (world.root / "old" / "z").unlink()
    (world.root / "old" / "node_modules" / "y").unlink()
    (world.root / "old" / "node_modules").rmdir()
    (world.root / "old").rmdir()
    backup = world.take()
    put(world.root, new__node_modules__y=10, new__z=5, plain=3)
    (world.root / "a.cache").touch()
    before = preview_restore(world.instance, backup, app(world), Wanted()).changes
    assert {p.path for p in before.paths_removed} == {"new/z", "plain"}
    restored(world, backup)
    left = {str(p.relative_to(world.root)) for p in world.root.rglob("*")}
    assert left == {
        *("a.cache", "a.txt", "link", "sub", "sub/b.bin", "node_modules", "node_modules/x"),
        *("new", "new/node_modules", "new/node_modules/y"),
    }


def test_a_mirror_leaves_alone_what_the_backups_own_file_ignored(world: World) -> None:
    (world.root / ".backupignore").write_text("cache/\n")
    put(world.root, cache__x=10)
    backup = world.take()
    (world.root / ".backupignore").write_text("other/\n")
    put(world.root, other__y=10, gone=1)
    restored(world, backup)
    assert (world.root / "cache" / "x").exists(), "the backup has nothing to say of it"
    assert (world.root / "other" / "y").exists(), "no safety backup has it"
    assert not (world.root / "gone").exists()
    assert (world.root / ".backupignore").read_text() == "cache/\n"


def test_what_the_backup_has_comes_back_though_it_is_ignored_by_now(world: World) -> None:
    put(world.root, data__x=10)
    backup = world.take()
    set_patterns(world.instance, world.app, ["data/"], SYSTEM)
    was = (world.root / "data" / "x").read_bytes()
    put(world.root, data__x=20, data__new=5)
    restored(world, backup)
    assert (world.root / "data" / "x").read_bytes() == was
    assert (world.root / "data" / "new").exists()


def test_a_folder_with_ignored_files_is_never_replaced(world: World) -> None:
    (world.root / "thing").write_text("a file")
    backup = world.take()
    set_patterns(world.instance, world.app, ["*.cache"], SYSTEM)
    (world.root / "thing").unlink()
    (world.root / "thing").mkdir()
    (world.root / "thing" / "dear.cache").write_text("nobody has this")
    for mode in ("mirror", "overlay"):
        with pytest.raises(Conflict) as caught:
            preview_restore(world.instance, backup, app(world), Wanted(mode=mode))
        assert caught.value.code == "TARGET_IN_THE_WAY"
        assert "ignore patterns" in caught.value.message
    (world.root / "thing" / "dear.cache").unlink()
    restored(world, backup)
    assert (world.root / "thing").read_text() == "a file"


def test_a_stale_log_of_a_database_goes_though_it_is_ignored(world: World) -> None:
    set_patterns(world.instance, world.app, ["*-wal", "*-shm"], SYSTEM)
    with closing(sqlite3.connect(world.root / "bot.db")) as writer, writer:
        writer.execute("create table t (x)")
    backup = world.take()
    other = sqlite3.connect(world.root / "bot.db", isolation_level=None)
    other.execute("pragma journal_mode=wal")
    other.execute("insert into t values (1)")
    restored(world, backup)
    assert not (world.root / "bot.db-wal").exists()
    other.close()
