"""A tenant's tree takes no more memory than its names do, in backups, previews and restores."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from kit.command import Run
from kit.hostile import (
    MIB,
    deep_tree,
    empty_file,
    fifo,
    folder_in,
    hard_link,
    measured,
    remove_deep,
    sqlite_header,
)
from kit.sized import sized
from kit.world import World

from holdfast.service.take.run import WARNING_BYTES_MAX
from holdfast.sources.directory.bounds import TreeBounds
from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.port import SourceTooLarge

DEPTH = 126
"""Folders with names of 255 bytes: 32 KB for each path below."""
COUNT = sized(9_000, short=4_000)
"""Paths of 290 MB (130 MB), and names of some kB."""
PEAK_MAX = sized(320, short=250) * MIB


def in_turn(name: str, folder: int) -> None:
    """One of each sort of thing."""
    (sqlite_header, fifo, folder_in)[int(name[1:]) % 3](name, folder)


def backed_up(tmp_path: Path) -> int:
    """Take a backup; return the largest peak of the processes that made it."""
    done = measured(["backup", "create", "bot"], tmp_path)
    assert done.code == 0, done.output
    return done.peak_bytes


def test_a_backup_of_long_paths_takes_the_memory_of_their_names(tmp_path: Path, bot: tuple[str, str]) -> None:
    deep_tree(tmp_path / "app", DEPTH, COUNT, in_turn)
    assert backed_up(tmp_path) < PEAK_MAX
    assert backed_up(tmp_path) < PEAK_MAX, "the second one, which also reads the list of the first"
    remove_deep(tmp_path / "app")


def test_warnings_with_long_paths_are_kept_up_to_a_size(world: World) -> None:
    deep_tree(world.root, DEPTH, 300, fifo)
    done = world.take()
    assert sum(len(w.path) + len(w.message) for w in done.warnings) < 2 * WARNING_BYTES_MAX
    assert done.warnings[-1].code == "MORE_WARNINGS"
    assert f"{300 - len(done.warnings) + 1} more" in done.warnings[-1].message
    remove_deep(world.root)


def test_a_backup_of_long_paths_is_restored_in_the_memory_of_their_names(
    tmp_path: Path, run: Run, bot: tuple[str, str]
) -> None:
    deep_tree(tmp_path / "app", DEPTH, COUNT)
    assert backed_up(tmp_path) < PEAK_MAX
    found = run("backup", "list", "bot").stdout.splitlines()[1].split()[0]
    remove_deep(tmp_path / "app")
    (tmp_path / "app").mkdir()
    preview = measured(["restore", "bot", found, "--dry-run"], tmp_path)
    assert f"{COUNT + DEPTH + 3} would be added" in preview.output, preview.output[-300:]
    assert preview.peak_bytes < PEAK_MAX
    done = measured(["restore", "bot", found], tmp_path)
    assert done.code == 0, done.output[-300:]
    assert done.peak_bytes < PEAK_MAX
    again = measured(["restore", "bot", found, "--dry-run"], tmp_path)
    assert "0 would be added, 0 changed, 0 removed" in again.output
    assert again.peak_bytes < PEAK_MAX
    remove_deep(tmp_path / "app")


def test_hard_links_with_long_paths_end_at_a_bound(tmp_path: Path, bot: tuple[str, str]) -> None:
    deep_tree(tmp_path / "app", DEPTH, 9_000, hard_link)
    done = measured(["backup", "create", "bot"], tmp_path)
    assert (done.code, done.peak_bytes < PEAK_MAX) == (1, True), done.output
    assert "too many hard links with long paths" in done.output
    remove_deep(tmp_path / "app")


def test_more_names_than_may_be_are_refused_with_a_sentence(world: World) -> None:
    many = world.root / "many"
    many.mkdir()
    folder = os.open(many, os.O_RDONLY)
    for number in range(1100):
        empty_file(f"{number:0240}", folder)
    os.close(folder)
    for bounds, sentence in (
        (TreeBounds(entries=1000), "more than 1,000 files and folders"),
        (TreeBounds(name_bytes=200_000), "take more than 200,000 bytes"),
    ):
        with pytest.raises(SourceTooLarge, match=sentence):
            DirectorySource(world.root, bounds=bounds).scan()
        assert len(DirectorySource(world.root, ignore=("many/",), bounds=bounds).scan().kind) == 4
    world.instance.config = msgspec.structs.replace(world.instance.config, tree_entries_max=1000)
    failed = world.take()
    assert (failed.state, failed.error_code) == ("failed", "SOURCE_TOO_LARGE")
    assert "ignore patterns" in (failed.error_detail or "")
