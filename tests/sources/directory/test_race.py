"""A hostile tree: folders and files are swapped for links to a secret while they are read, thousands of times."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.sources.directory.source import DirectorySource
from holdfast.sources.reader import DirectoryReader
from holdfast.vault.manifest.entry import Kind

SECRET = b"THE SECRET"
SECRET_NAME = b"name-of-the-secret"
ROUNDS = 3000
_libc = ctypes.CDLL(None, use_errno=True)
_RENAME_EXCHANGE, _AT_FDCWD = 2, -100


def exchange(one: Path, other: Path) -> None:
    """Swap two names in one step, so that at every moment there is one or the other."""
    if _libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "renameat2")


@contextmanager
def swapping(pairs: list[tuple[Path, Path]]) -> Iterator[list[int]]:
    """Keep swapping the pairs on another thread; gives a list that holds how often."""
    stop, count = threading.Event(), [0]

    def swap() -> None:
        while not stop.is_set():
            for one, other in pairs:
                exchange(one, other)
            count[0] += 1

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield count
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Path, list[tuple[Path, Path]]]:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(SECRET)
    (outside / os.fsdecode(SECRET_NAME)).write_bytes(SECRET)
    root = tmp_path / "root"
    (root / "deep" / "folder").mkdir(parents=True)
    (root / "deep" / "folder" / "file").write_bytes(b"harmless")
    (root / "deep" / "plain").write_bytes(b"harmless")
    (root / "piped").write_bytes(b"harmless")
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "folder").symlink_to(outside)
    (aside / "deep").symlink_to(outside)
    (aside / "plain").symlink_to(outside / "file")
    os.mkfifo(aside / "piped")
    pairs = [
        (root / "deep" / "folder", aside / "folder"),
        (root / "deep" / "plain", aside / "plain"),
        (root / "piped", aside / "piped"),
    ]
    return root, pairs


@pytest.mark.parametrize("by_component", [False, True])
def test_no_file_outside_is_ever_read(hostile: tuple[Path, list[tuple[Path, Path]]], by_component: bool) -> None:
    root, pairs = hostile
    reader = DirectoryReader(root, by_component=by_component)
    got, refused = 0, 0
    with swapping(pairs) as swaps:
        rounds = 0
        while rounds < ROUNDS or swaps[0] < ROUNDS:
            rounds += 1
            for path in (b"deep/folder/file", b"deep/plain", b"piped"):
                try:
                    fd = reader.open(path)
                except OSError:
                    refused += 1
                    continue
                content = os.read(fd, 100)
                os.close(fd)
                assert content == b"harmless"
                got += 1
    reader.close()
    assert got > 100
    assert refused > 100  # the race was really run, both ways


def test_no_name_outside_is_ever_seen(hostile: tuple[Path, list[tuple[Path, Path]]]) -> None:
    root, pairs = hostile
    source = DirectorySource(root)
    links = 0
    with swapping(pairs) as swaps:
        rounds = 0
        while rounds < ROUNDS or swaps[0] < ROUNDS:
            rounds += 1
            scan = source.scan()
            paths = list(scan.paths)
            assert not any(SECRET_NAME in path for path in paths)
            assert all(int(k) in list(Kind) for k in scan.kind)
            links += int((scan.kind == Kind.SYMLINK).sum())
    assert links > 100
