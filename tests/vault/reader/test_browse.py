"""Browsing, comparing, reading from any byte on: as a plain dict of paths would answer, from few blocks."""

from __future__ import annotations

import io
import os
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.trees import contents_of
from kit.vault_bench import Bench

from holdfast.stores.memory import MemoryStore
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.manifest.block import Block
from holdfast.vault.manifest.entry import Kind
from holdfast.vault.reader.browse import Browser, PartView, SelectionView, SubtreeView
from holdfast.vault.reader.content import content_range
from holdfast.vault.reader.diff import differences
from holdfast.vault.reader.snapshot import Snapshot

names = st.sampled_from([b"a", b"b", b"a.b", b"a-b", b"ab", b"\xff", b"z" * 40, "é".encode()])
trees = st.dictionaries(st.lists(names, min_size=1, max_size=4).map(b"/".join), st.binary(max_size=20), max_size=60)


def make(root: Path, tree: dict[bytes, bytes]) -> None:
    for path, content in tree.items():
        full = os.path.join(os.fsencode(root), path)
        try:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "wb") as file:
                file.write(content)
        except OSError:  # a file where another path needs a folder
            continue


def bench_of(root: Path) -> Bench:
    return Bench(root, MemoryStore())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=trees, ticks=st.randoms(use_true_random=False))
def test_any_folder_and_any_path(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[bytes, bytes], ticks: random.Random
) -> None:
    root = tmp_path_factory.mktemp("tree")
    make(root, tree)
    bench = bench_of(root)
    bench.take()
    there = contents_of(root)
    snapshot = bench.open()
    browser = Browser(snapshot)
    for folder in [b"", *(path for path, content in there.items() if content is None)]:
        prefix = folder + b"/" if folder else b""
        expected = sorted(p for p in there if p.startswith(prefix) and b"/" not in p[len(prefix) :])
        assert [e.path for e in browser.children(folder)] == expected
        with zipfile.ZipFile(io.BytesIO(zip_of(SubtreeView(snapshot, folder), snapshot))) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == sum(p.startswith(prefix) for p in there)
    for path in there:
        entry = browser.entry(path)
        assert entry is not None
        assert (entry.kind is Kind.FOLDER) == (there[path] is None)
    for path in (b"nowhere", b"a/nowhere", b"zzz"):
        assert (browser.entry(path) is not None) == (path in there)
    if there:
        chosen = ticks.sample(sorted(there), ticks.randint(1, min(4, len(there))))
        with zipfile.ZipFile(io.BytesIO(zip_of(SelectionView(snapshot, chosen), snapshot))) as archive:
            assert archive.testzip() is None
            files = {archive.read(one) for one in archive.infolist() if not one.is_dir()}
            is_in = [p for p in there if any(p == one or p.startswith(one + b"/") for one in chosen)]
            assert len(archive.namelist()) == len(is_in)
            assert files == {content for p in is_in if (content := there[p]) is not None}
    snapshot.close()


def zip_of(view: PartView, snapshot: Snapshot) -> bytes:
    size = zip_layout.total_bytes(view)
    data = b"".join(bytes(b) for b in snapshot.reader.render(zip_layout.pieces(view, 0, size)))
    assert len(data) == size
    middle = b"".join(bytes(b) for b in snapshot.reader.render(zip_layout.pieces(view, size // 3, size - 5)))
    assert middle == data[size // 3 : size - 5]
    return data


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=trees, second=trees)
def test_differences(
    tmp_path_factory: pytest.TempPathFactory, first: dict[bytes, bytes], second: dict[bytes, bytes]
) -> None:
    bench = bench_of(tmp_path_factory.mktemp("tree"))
    trees = []
    for tree in (first, second):
        bench.root = tmp_path_factory.mktemp("tree")
        make(bench.root, tree)
        trees.append(contents_of(bench.root))
        bench.take()
    old, new = bench.open("b0"), bench.open("b1")
    found = {d.path: d.what for d in differences(old, new) if d.what != "metadata"}
    expected = dict.fromkeys(trees[1].keys() - trees[0].keys(), "added")
    expected |= dict.fromkeys(trees[0].keys() - trees[1].keys(), "removed")
    expected |= {p: "changed" for p in trees[0].keys() & trees[1].keys() if trees[0][p] != trees[1][p]}
    assert found == expected
    old.close()
    new.close()


def test_few_blocks_are_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(200):
        folder = bench.root / f"folder-{n:03}" / "inner"
        folder.mkdir(parents=True)
        for m in range(100):
            (folder / f"file-{m:02}").touch()
    (bench.root / "folder-100" / "last").touch()
    bench.take()
    snapshot = bench.open()
    read: list[int] = []
    block = Snapshot.block

    def counted(self: Snapshot, number: int) -> Block:
        read.append(number)
        return block(self, number)

    monkeypatch.setattr(Snapshot, "block", counted)
    assert [e.path for e in Browser(snapshot).children(b"folder-100")] == [b"folder-100/inner", b"folder-100/last"]
    assert len(set(read)) <= 3 < len(snapshot.blocks) // 10
    snapshot.close()


def test_any_range_of_any_file(bench: Bench) -> None:
    random.seed(7)
    contents = {"small": b"inline", "empty": b"", "one": os.urandom(20_000), "large": os.urandom(3_000_000)}
    for name, content in contents.items():
        (bench.root / name).write_bytes(content)
    with (bench.root / "sparse").open("wb") as file:
        file.write(b"begin")
        file.seek(20_000_000)
        file.write(b"end")
    (bench.root / "pages").write_bytes(b"SQLite format 3\0" + os.urandom(1_500_000))
    bench.take()
    snapshot = bench.open()
    for entry in list(snapshot.entries()):
        whole = (bench.root / os.fsdecode(entry.path)).read_bytes()
        points = [0, len(whole), *(random.randint(0, len(whole)) for _ in range(12))]
        for start in points[:6]:
            for stop in points:
                if start <= stop:
                    assert b"".join(content_range(snapshot, entry, start, stop)) == whole[start:stop]
    snapshot.close()
