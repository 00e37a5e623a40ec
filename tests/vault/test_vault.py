"""Taking backups and reading them back, end to end over a store on disk."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit.memory_ledger import MemoryLedger
from kit.stores.local import new_local
from kit.trees import contents_of
from kit.vault_bench import Bench

from holdfast.sources.directory.source import DirectorySource
from holdfast.stores.local import LocalStore
from holdfast.vault.control import Control, Progress
from holdfast.vault.errors import BackupMissing, Cancelled, DamagedError, FormatError, SessionFenced
from holdfast.vault.manifest.entry import Kind

Write = Callable[[str, bytes], Path]
RNG = random.Random(11)


def some_tree(write: Write) -> None:
    write("a.txt", b"hello\n")
    write("empty", b"")
    write("sub/inline", b"i" * 256)
    write("sub/just over inline", b"j" * 257)
    write("sub/64k", RNG.randbytes(65536))
    write("sub/64k and one", RNG.randbytes(65537))
    write("sub/deep/er/text", b"line of text\n" * 100_000)
    write("中文/الاسم/😀", b"names\n")


def test_a_backup_holds_what_the_folder_holds(bench: Bench, write: Write) -> None:
    some_tree(write)
    (bench.root / "empty folder").mkdir()
    (bench.root / "link").symlink_to("a.txt")
    (bench.root / "dangling").symlink_to("/nowhere/at all")
    Path(os.fsdecode(os.fsencode(bench.root) + b"/bad\xff\xfename")).write_bytes(b"odd")
    result = bench.take()
    assert bench.tree() == contents_of(bench.root)
    assert result.notices == []
    assert result.files == 9


def test_metadata_is_kept(bench: Bench, write: Write) -> None:
    path = write("tool", b"#!/bin/sh\n")
    path.chmod(0o4751)
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    bench.take()
    (entry,) = bench.open().entries()
    stat = path.stat()
    assert (entry.mode, entry.mtime_ns, entry.uid, entry.gid) == (
        0o4751, 1_234_567_890_123_456_789, stat.st_uid, stat.st_gid
    )  # fmt: skip


def test_what_did_not_change_is_not_read_again_and_costs_a_root(bench: Bench, write: Write) -> None:
    some_tree(write)
    first = bench.take()
    steps: list[Progress] = []
    second = bench.take(control=Control(report=steps.append))
    assert second.stored_bytes < 1000 < first.stored_bytes
    assert steps == [Progress(8, steps[0].total_bytes, 8, steps[0].total_bytes)]  # all done before anything was read
    assert (second.digest, second.zip_bytes, second.tar_bytes) == (first.digest, first.zip_bytes, first.tar_bytes)
    assert bench.tree() == contents_of(bench.root)


def test_a_change_is_seen_and_the_older_backup_stays(bench: Bench, write: Write) -> None:
    some_tree(write)
    bench.take()
    before = contents_of(bench.root)
    write("a.txt", b"other\n")
    write("new/file", b"new")
    (bench.root / "sub" / "64k").unlink()
    result = bench.take()
    assert bench.tree("b1") == contents_of(bench.root)
    assert bench.tree("b0") == before
    assert result.digest != bench.open("b0").root.digest


def test_a_change_that_keeps_size_and_mtime_is_seen_by_its_ctime(bench: Bench, write: Write) -> None:
    path = write("sly", b"version one")
    bench.take()
    stat = path.stat()
    path.write_bytes(b"version two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    bench.take()
    assert bench.tree()[b"sly"] == b"version two"


def test_equal_content_is_stored_once(bench: Bench, write: Write) -> None:
    data = RNG.randbytes(3_000_000)
    write("one", data)
    first = bench.take()
    write("two", data)
    write("folder/three", data)
    second = bench.take()
    assert second.stored_bytes < first.stored_bytes / 100
    assert bench.tree() == contents_of(bench.root)


def test_hard_links_share_an_entry_and_come_apart_again(bench: Bench, write: Write) -> None:
    one = write("one", b"x" * 1000)
    os.link(one, bench.root / "two")
    bench.take()
    entries = {e.path: e for e in bench.open().entries()}
    assert entries[b"two"].extra.hard_link == b"one"
    assert bench.take().stored_bytes < 1000
    one.unlink()
    bench.take()
    (entry,) = bench.open().entries()
    assert (entry.path, entry.extra.hard_link) == (b"two", None)
    assert bench.tree() == {b"two": b"x" * 1000}


def test_holes_are_kept_as_such(bench: Bench) -> None:
    path = bench.root / "sparse"
    with path.open("wb") as file:
        file.seek(5_000_000)
        file.write(b"middle")
        file.truncate(9_000_001)
    bench.take()
    (entry,) = bench.open().entries()
    assert any(e.is_hole for e in entry.extents)
    assert bench.tree() == contents_of(bench.root)


def test_a_large_page_file_costs_what_changed(bench: Bench, write: Write) -> None:
    pages = bytearray(b"SQLite format 3\x00" + RNG.randbytes(20_000_000))
    path = write("bot.db", bytes(pages))
    bench.take()
    pages[7_000_000:7_000_010] = b"0123456789"
    path.write_bytes(pages)
    result = bench.take()
    assert result.stored_bytes < 150_000
    assert bench.tree() == contents_of(bench.root)


def test_workers_give_the_same_backup(bench: Bench, write: Write) -> None:
    some_tree(write)
    for i in range(700):
        write(f"many/{i % 7}/{i}", f"file {i}\n".encode() * (i % 50 + 20))
    twin = RNG.randbytes(200_000_000)
    write("twin one", twin)
    write("twin two", twin)
    bench.workers = 2
    result = bench.take()
    alone = Bench(bench.root, new_local(bench.root.parent / "other"))
    assert alone.take().digest == result.digest
    assert result.stored_bytes < 1.1 * len(twin)
    assert bench.tree() == contents_of(bench.root)
    assert bench.take().stored_bytes < 1000


def test_a_dead_worker_is_an_error_that_says_so(bench: Bench, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(500):
        write(f"f{i}", b"x" * 1000)
    bench.workers = 1
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(Exception, match="worker process"):
        bench.take()


def test_cancel_leaves_nothing_of_the_backup(bench: Bench, write: Write) -> None:
    some_tree(write)
    with pytest.raises(Cancelled):
        bench.take(control=Control(lambda: True))
    assert list(bench.store.list("backups/")) == []


def test_a_pruned_vault_fences_the_backup_in_the_making(bench: Bench, write: Write) -> None:
    some_tree(write)
    with pytest.raises(SessionFenced):
        bench.take(control=Control(report=lambda progress: bench.ledger.fence()))
    assert list(bench.store.list("backups/")) == []
    bench.take()
    assert bench.tree() == contents_of(bench.root)


@pytest.mark.parametrize("lines", [10, 20_000])
def test_a_file_that_changes_while_it_is_read_is_kept_with_a_notice(
    bench: Bench, write: Write, monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    path = write("log", b"line\n" * 100 * lines)
    read = os.preadv

    def read_while_it_grows(fd: int, buffers: list[memoryview], offset: int) -> int:
        if os.readlink(f"/proc/self/fd/{fd}") == str(path):
            with path.open("ab") as file:
                file.write(b"line\n")
        return read(fd, buffers, offset)

    monkeypatch.setattr(os, "preadv", read_while_it_grows)
    result = bench.take()
    assert [n.code for n in result.notices] == ["FILE_CHANGED"]
    (entry,) = bench.open().entries()
    assert entry.ctime_ns == 0  # so the next backup reads it again
    content = bench.tree()[b"log"]
    assert content
    assert path.read_bytes().startswith(content)


def test_a_file_changed_just_before_the_scan_is_read_again(bench: Bench, write: Write) -> None:
    write("fresh", b"x" * 5000)
    path = bench.root / "fresh"
    vault = bench.vault()
    source = DirectorySource(bench.root)
    now_ns = path.stat().st_ctime_ns + 1_000_000  # one millisecond after the change: the same tick of the clock
    vault.take(source, None, backup_id="b0", commit_seq=0, now_ns=now_ns)
    (entry,) = vault.open("b0").entries()
    assert entry.ctime_ns == 0


@pytest.mark.parametrize("what", ["flip", "cut", "gone"])
def test_a_damaged_pack_gives_an_error_and_never_wrong_bytes(bench: Bench, write: Write, what: str) -> None:
    data = RNG.randbytes(500_000)
    write("data", data)
    bench.take()
    assert isinstance(bench.store, LocalStore)
    packs = [bench.root.parent / "store" / name for name, _ in bench.store.list("packs/")]
    content = max(packs, key=lambda p: p.stat().st_size)
    if what == "gone":
        content.unlink()
    else:
        damaged = bytearray(content.read_bytes())
        damaged[300_000] ^= 1
        content.write_bytes(damaged if what == "flip" else damaged[:300_000])
    snapshot = bench.open()
    (entry,) = snapshot.entries()
    got: list[bytes] = []
    with pytest.raises(DamagedError):
        got.extend(snapshot.content(entry))
    assert data.startswith(b"".join(got))


def test_a_backup_whose_predecessor_is_damaged_reads_everything_and_says_so(bench: Bench, write: Write) -> None:
    some_tree(write)
    bench.take()
    root = bench.root.parent / "store" / "backups" / "b0"
    root.write_bytes(root.read_bytes()[:-1])
    result = bench.take()
    assert [n.code for n in result.notices] == ["PREVIOUS_UNREADABLE"]
    assert bench.tree() == contents_of(bench.root)


def test_another_key_opens_nothing(bench: Bench, write: Write) -> None:
    some_tree(write)
    bench.take()
    from holdfast.vault.vault import Vault

    other = Vault(vault_id="acc1", store=bench.store, data_key=b"x" * 32, ledger=bench.ledger)
    with pytest.raises(DamagedError):
        other.open("b0")
    elsewhere = Vault(vault_id="acc2", store=bench.store, data_key=b"k" * 32, ledger=bench.ledger)
    with pytest.raises(DamagedError):
        elsewhere.open("b0")


def test_a_backup_with_a_newer_layout_is_refused(bench: Bench, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip with other bytes than its link once gave out would be worse than none."""
    write("a", b"a")
    with monkeypatch.context() as patched:
        patched.setattr("holdfast.vault.vault.ZIP_LAYOUT", 3)
        bench.take()
    with pytest.raises(FormatError, match="written by a newer Holdfast"):
        bench.vault().open("b0")


def test_a_backup_whose_root_is_gone_says_so(bench: Bench) -> None:
    (bench.root / "a").write_bytes(b"a")
    bench.take()
    bench.store.delete("backups/b0")
    vault = bench.vault()
    for ask in (vault.open, vault.root, vault.root_bytes):
        with pytest.raises(BackupMissing, match="root of backup b0 is gone from the store"):
            ask("b0")


names = st.sampled_from(["a", "b", "a-b", "a.b", "B", "ü", "x y"])
steps = st.lists(
    st.tuples(st.sampled_from(["file", "folder", "link", "delete"]), st.lists(names, min_size=1, max_size=3),
              st.integers(0, 70_000)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=1, max_size=3))
def test_any_history_of_trees_comes_back(tmp_path_factory: pytest.TempPathFactory, history: list[Any]) -> None:
    import shutil

    base = tmp_path_factory.mktemp("history")
    (base / "app").mkdir()
    bench = Bench(base / "app", new_local(base / "store"), MemoryLedger())
    expected = []
    for rounds in history:
        for what, parts, size in rounds:
            path = bench.root.joinpath(*parts)
            if any(p.is_symlink() or p.is_file() for p in [*path.parents][: len(parts) - 1]):
                continue
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            if what == "file":
                path.write_bytes(random.Random(size).randbytes(size))
            elif what == "folder":
                path.mkdir()
            elif what == "link":
                path.symlink_to(f"to {size}")
        bench.take()
        expected.append(contents_of(bench.root))
    for i, tree in enumerate(expected):
        assert bench.tree(f"b{i}") == tree
        paths = [e.path.split(b"/") for e in bench.open(f"b{i}").entries()]
        assert paths == sorted(paths)
    assert {e.kind for e in bench.open().entries()} <= set(Kind)
