"""Holes cost nothing by their size: neither time nor parts nor memory; and there is a bound on what a file spans."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest
from kit.hostile import MIB, measured
from kit.world import World

from holdfast.catalog.records import SYSTEM
from holdfast.service.restore.files import request_restore, run_restore
from holdfast.service.restore.plan import Wanted
from holdfast.sources.directory.source import DirectorySource
from holdfast.units import TIB
from holdfast.vault.archiver.sparse import PART_BYTES, sparse_layout


def sparse_file(path: Path, size: int, *data_at: int) -> None:
    """Make a file of holes with a few bytes of data here and there."""
    with path.open("wb") as file:
        file.truncate(size)
        for at in data_at:
            file.seek(at)
            file.write(b"data")


def test_terabytes_of_holes_are_backed_up_by_what_they_hold(tmp_path: Path, bot: tuple[str, str]) -> None:
    for number in range(8):
        sparse_file(tmp_path / "app" / f"hole-{number}", 2 * TIB, 5 * PART_BYTES + 7, TIB)
    done = measured(["backup", "create", "bot"], tmp_path)
    assert done.code == 0, done.output
    assert done.cpu_seconds < 6, "18 s a file, before"
    assert done.peak_bytes < 256 * MIB


def test_holes_are_joined_to_one_part(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    sparse_file(path, 1000 * PART_BYTES + 5, 2 * PART_BYTES, 2 * PART_BYTES + 5, 10 * PART_BYTES - 2)
    reader = DirectorySource(tmp_path).reader()
    layout = sparse_layout(reader, b"sparse", path.stat().st_size)
    assert layout is not None
    parts = [(offset // PART_BYTES, length // PART_BYTES) for offset, length in layout.parts]
    assert parts == [(0, 2), (2, 1), (3, 6), (9, 1), (10, 1), (11, 988), (999, 1)]
    (tmp_path / "full").write_bytes(b"x" * 5000)
    assert sparse_layout(reader, b"full", 5000) is None
    assert sparse_layout(reader, b"gone", 500 * PART_BYTES) is not None
    reader.close()


def test_a_sparse_file_comes_back_as_it_was(world: World, tmp_path: Path) -> None:
    path = world.root / "sparse"
    sparse_file(path, 40 * PART_BYTES + 12345, 0, 7 * PART_BYTES - 2, 20 * PART_BYTES + 3, 40 * PART_BYTES + 12000)
    backup = world.take()
    to = tmp_path / "to"
    job = request_restore(world.instance, backup, world.app, Wanted(paths=("sparse",), to=str(to)), SYSTEM)
    assert run_restore(world.instance, job.id).state == "successful"
    back = to / "sparse"
    assert back.stat().st_size == path.stat().st_size
    assert back.stat().st_blocks * 512 < 8 * MIB
    with path.open("rb") as old, back.open("rb") as new:
        for at in (0, 7 * PART_BYTES - 2, 20 * PART_BYTES, 40 * PART_BYTES + 11990):
            old.seek(at)
            new.seek(at)
            assert old.read(4096) == new.read(4096)


@pytest.mark.parametrize(
    ("bound", "sentence"), [("tree_file_bytes_max", "The file huge has"), ("tree_bytes_max", "files have")]
)
def test_what_a_file_spans_is_bounded(world: World, bound: str, sentence: str) -> None:
    sparse_file(world.root / "huge", 2 * TIB)
    os.link(world.root / "huge", world.root / "huge-too")
    world.instance.config = msgspec.structs.replace(world.instance.config, **{bound: TIB})
    began = time.monotonic()
    failed = world.take()
    assert (failed.state, failed.error_code) == ("failed", "SOURCE_TOO_LARGE")
    assert sentence in (failed.error_detail or "")
    assert time.monotonic() - began < 5
    world.instance.config = msgspec.structs.replace(world.instance.config, **{bound: 3 * TIB})
    assert world.take().state == "successful"
