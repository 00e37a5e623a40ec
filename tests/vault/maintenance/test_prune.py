"""Prune: what no backup needs goes, everything else stays, whatever comes between."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from kit.memory_ledger import MemoryLedger
from kit.trees import contents_of
from kit.vault_bench import Bench

from holdfast.sources.directory.source import DirectorySource
from holdfast.stores.local import LocalStore
from holdfast.vault.errors import ChunkMissing, SessionFenced
from holdfast.vault.layout import zip as zip_layout
from holdfast.vault.maintenance.prune import SMALL_PACKS_MIN
from holdfast.vault.maintenance.prune_plan import CopyBudget
from holdfast.vault.manifest.root import root_name
from holdfast.vault.pack.copy import packs_in
from holdfast.vault.pack.ledger import LedgerMoved, PackRow
from holdfast.vault.pack.writer import pack_name

NOW = 1_000
Write = Callable[[str, bytes], Path]


def delete(bench: Bench, backup_id: str) -> None:
    bench.store.delete(root_name(backup_id))


def store_bytes(bench: Bench) -> int:
    return sum(size for _, size in bench.store.list(""))


def test_nothing_goes_while_everything_is_needed(bench: Bench, write: Write) -> None:
    write("a", os.urandom(200_000))
    bench.take()
    before = sorted(bench.store.list(""))
    result = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert (result.dead_packs, result.repacked_packs, result.freed_bytes, result.deleted_bytes) == (0, 0, 0, 0)
    assert sorted(bench.store.list("")) == before
    assert bench.ledger.epoch() == 0  # a backup in the making would not have to start again


def test_what_only_a_deleted_backup_had_goes(bench: Bench, write: Write) -> None:
    write("keep", os.urandom(300_000))
    write("old", os.urandom(900_000))
    first = bench.take()
    (bench.root / "old").unlink()
    bench.take()
    expected = contents_of(bench.root)
    freed = bench.vault().bytes_only_in(["b0"])
    assert 900_000 < freed < 905_000
    delete(bench, "b0")
    before = store_bytes(bench)
    result = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert result.repacked_packs >= 1
    assert (
        before - store_bytes(bench)
        == result.freed_bytes
        == result.deleted_bytes - (result.deleted_bytes - result.freed_bytes)
    )
    assert abs(before - store_bytes(bench) - freed) < 2_000
    assert bench.tree("b1") == expected
    assert first.zip_bytes > 0


def test_condemned_packs_stay_for_their_readers(bench: Bench, write: Write) -> None:
    write("a", os.urandom(300_000))
    bench.take()
    snapshot = bench.vault().open("b0")
    delete(bench, "b0")
    result = bench.vault().prune(now_ns=NOW, grace_ns=100)
    assert (result.deleted_bytes, result.waiting_bytes > 300_000) == (0, True)
    entry = next(snapshot.entries())
    assert b"".join(snapshot.content(entry)) == (bench.root / "a").read_bytes()
    assert bench.vault().prune(now_ns=NOW + 99, grace_ns=100).deleted_bytes == 0
    assert bench.vault().prune(now_ns=NOW + 100, grace_ns=100).deleted_bytes > 300_000
    assert list(packs_in(bench.store)) == []


def test_a_download_goes_on_across_a_prune(bench: Bench, write: Write) -> None:
    for n in range(40):
        write(f"f{n:02}", os.urandom(100_000))
        write(f"x{n:02}", os.urandom(100_000))
    bench.take()
    for n in range(40):
        (bench.root / f"x{n:02}").unlink()
    bench.take()
    vault = bench.vault()
    snapshot = vault.open("b1")
    whole = b"".join(bytes(b) for b in snapshot.reader.render(zip_layout.pieces(snapshot, 0, snapshot.root.zip_bytes)))
    stream = snapshot.reader.render(zip_layout.pieces(snapshot, 0, snapshot.root.zip_bytes))
    got = bytes(next(stream))
    snapshot.reader.close()  # as if the pack had not been opened yet
    delete(bench, "b0")
    result = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert result.repacked_packs >= 1
    got += b"".join(bytes(b) for b in stream)
    assert got == whole


def test_a_backup_in_the_making_is_fenced(bench: Bench, write: Write) -> None:
    write("a", os.urandom(300_000))
    bench.take()
    delete(bench, "b0")  # b1 below relies on its chunks

    class PruneInBetween(DirectorySource):
        def scan(self, *given: Any, **options: Any) -> Any:
            bench.vault().prune(now_ns=NOW, grace_ns=0)
            return super().scan(*given, **options)

    write("b", os.urandom(5000))
    with pytest.raises(SessionFenced):
        bench.vault().take(PruneInBetween(bench.root), "b0", backup_id="b1", commit_seq=1, now_ns=1)
    assert bench.take().files == 2
    assert bench.tree("b1") == contents_of(bench.root)


def test_a_backup_that_finishes_after_the_marking_is_not_hurt(bench: Bench, write: Write, tmp_path: Path) -> None:
    """It builds on the chunks of a backup that is deleted, and is entered between prune's look and its condemning."""
    write("a", os.urandom(300_000))
    bench.take()
    delete(bench, "b0")

    class Moved(MemoryLedger):
        """Has the backup come in just before the first condemning."""

        came = False

        def condemn(
            self,
            marks: tuple[int, int],
            pack_ids: Sequence[bytes],
            replacements: Sequence[PackRow],
            now_ns: int,
            left_behind: Sequence[tuple[bytes, int]] = (),
        ) -> None:
            if not self.came:
                self.came = True
                write("b", b"new" * 1000)
                bench.take()
            super().condemn(marks, pack_ids, replacements, now_ns, left_behind)

    moved = Moved()
    moved.publish(0, bench.ledger.pack_rows(bench.ledger.live_pack_ids()))
    bench.ledger = moved
    bench.taken = []
    bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert moved.came
    assert bench.tree("b0") == contents_of(bench.root)


def test_it_refuses_when_something_needed_is_missing(bench: Bench, write: Write) -> None:
    write("a", os.urandom(300_000))
    bench.take()
    (bench.root / "a").unlink()
    write("b", os.urandom(300_000))
    bench.take()
    kinds = {row.kind: row.pack_id for row in bench.ledger.pack_rows(bench.ledger.live_pack_ids()[:1])}
    bench.ledger.condemn(bench.ledger.marks(), list(kinds.values()), [], NOW)  # the first data pack is lost
    before = sorted(bench.store.list(""))
    with pytest.raises(ChunkMissing, match="b0"):
        bench.vault().prune(now_ns=NOW, grace_ns=NOW)
    assert sorted(bench.store.list("")) == before


def test_packs_left_behind_by_a_crash_go(bench: Bench, write: Write) -> None:
    write("a", os.urandom(300_000))
    forgetful = MemoryLedger()
    Bench(bench.root, bench.store, forgetful).take()
    bench.store.delete(root_name("b0"))
    left = dict(packs_in(bench.store))
    assert len(left) == 2
    bench.take()
    result = bench.vault().prune(now_ns=NOW, grace_ns=5)
    assert (result.left_behind_packs, result.freed_bytes, result.deleted_bytes) == (2, sum(left.values()), 0)
    # Its session may still live: what it publishes now is refused, so nothing will ever rely on these.
    with pytest.raises(SessionFenced):
        bench.ledger.publish(0, forgetful.pack_rows(list(left)))
    assert bench.vault().prune(now_ns=NOW + 5, grace_ns=5).deleted_bytes == sum(left.values())
    assert not set(left) & set(dict(packs_in(bench.store)))
    assert bench.tree() == contents_of(bench.root)


def test_many_small_packs_are_joined(bench: Bench, write: Write) -> None:
    trees = []
    for n in range(SMALL_PACKS_MIN + 1):
        write(f"f{n}", os.urandom(3000))
        bench.take()
        trees.append(contents_of(bench.root))
    before = len(list(packs_in(bench.store)))
    bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert before > 2 * SMALL_PACKS_MIN
    assert len(list(packs_in(bench.store))) == 2
    for n, tree in enumerate(trees):
        assert bench.tree(f"b{n}") == tree
    again = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert again.repacked_packs == 0


def test_a_damaged_pack_is_not_copied_and_is_named(bench: Bench, write: Write) -> None:
    write("keep", os.urandom(200_000))
    write("old", os.urandom(900_000))
    bench.take()
    (bench.root / "old").unlink()
    bench.take()
    assert isinstance(bench.store, LocalStore)
    pack_id, size = max(packs_in(bench.store), key=lambda pack: pack[1])
    path = bench.root.parent / "store" / pack_name(pack_id)
    data = bytearray(path.read_bytes())
    data[size // 2] ^= 1
    path.write_bytes(data)
    delete(bench, "b0")
    result = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert result.damaged == (pack_id.hex(),)
    assert path.exists()


def test_the_plan_changes_nothing_and_says_what_prune_does(bench: Bench, write: Write) -> None:
    write("keep", os.urandom(300_000))
    write("old", os.urandom(900_000))
    bench.take()
    (bench.root / "old").unlink()
    bench.take()
    delete(bench, "b0")
    before = sorted(bench.store.list(""))
    planned = bench.vault().plan_prune()
    assert sorted(bench.store.list("")) == before
    assert bench.ledger.epoch() == 0
    result = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert abs(planned.freed_bytes - result.freed_bytes) < 2_000


def test_it_gives_up_when_backups_keep_coming(bench: Bench, write: Write) -> None:
    write("a", os.urandom(30_000))
    bench.take()
    delete(bench, "b0")

    class Busy(MemoryLedger):
        def condemn(self, *args: object, **options: object) -> None:
            raise LedgerMoved("again")

    busy = Busy()
    busy.publish(0, bench.ledger.pack_rows(bench.ledger.live_pack_ids()))
    bench.ledger = busy
    with pytest.raises(LedgerMoved):
        bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert len(list(packs_in(bench.store))) == 2


def worn(bench: Bench, write: Write, files: int = 4) -> dict[str, dict[bytes, bytes | None]]:
    """Packs that are all over a quarter dead, of which the later ones have more that is needed."""
    trees: dict[str, dict[bytes, bytes | None]] = {}
    for n in range(files):
        write(f"keep{n}", os.urandom(100_000 + 50_000 * n))
        write(f"old{n}", os.urandom(200_000))
        bench.take()
    for n in range(files):
        (bench.root / f"old{n}").unlink()
    bench.take()
    trees[bench.taken[-1]] = contents_of(bench.root)
    for backup_id in bench.taken[:-1]:
        delete(bench, backup_id)
    return trees


def test_a_budget_copies_some_packs_each_time_and_gets_through(bench: Bench, write: Write) -> None:
    """What a mistake here would do: lose what waits, or never get on."""
    trees = worn(bench, write)
    rounds, waiting = 0, 99
    while waiting:
        result = bench.vault().prune(now_ns=NOW, grace_ns=0, budget=CopyBudget(1))
        assert result.repacked_packs <= 1
        assert result.waiting_packs < waiting
        waiting = result.waiting_packs
        rounds += 1
        for backup_id, tree in trees.items():
            assert bench.tree(backup_id) == tree
    assert rounds >= 4
    whole = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert (whole.dead_packs, whole.repacked_packs, whole.freed_bytes) == (0, 0, 0)


def test_a_budget_takes_what_gains_most_first(bench: Bench, write: Write) -> None:
    worn(bench, write)
    result = bench.vault().prune(now_ns=NOW, grace_ns=0, budget=CopyBudget(1))
    assert 100_000 < result.copied_bytes < 110_000
    assert result.freed_bytes > 190_000


def test_a_prune_whose_time_is_over_enters_what_it_copied(bench: Bench, write: Write) -> None:
    trees = worn(bench, write)
    asked = 0

    def is_over() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    result = bench.vault().prune(now_ns=NOW, grace_ns=0, budget=CopyBudget(10**9, is_over))
    assert (result.repacked_packs, result.waiting_packs) == (2, 2)
    assert result.deleted_bytes > result.copied_bytes > 250_000
    for backup_id, tree in trees.items():
        assert bench.tree(backup_id) == tree


def test_a_budget_that_joins_too_few_small_packs_joins_none(bench: Bench, write: Write) -> None:
    for n in range(SMALL_PACKS_MIN + 1):
        write(f"f{n}", os.urandom(3000))
        bench.take()
    result = bench.vault().prune(now_ns=NOW, grace_ns=0, budget=CopyBudget(5_000))
    assert (result.repacked_packs, result.waiting_packs) == (0, 2 * (SMALL_PACKS_MIN + 1))
    assert bench.ledger.epoch() == 0
