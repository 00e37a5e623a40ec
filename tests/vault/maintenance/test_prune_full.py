"""Prune in a store that is full: what is wholly dead goes first, and the rest is copied as far as there is room."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.stores.capacity import CapacityStore
from kit.trees import contents_of
from kit.vault_bench import Bench

from holdfast.stores.local import make_root
from holdfast.vault.manifest.root import root_name

NOW = 1_000
Write = Callable[[str, bytes], Path]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "app").mkdir()
    make_root(tmp_path / "store")
    return Bench(tmp_path / "app", CapacityStore(tmp_path / "store"))


def disk(bench: Bench) -> CapacityStore:
    assert isinstance(bench.store, CapacityStore)
    return bench.store


def worn_packs(bench: Bench, write: Write, count: int) -> list[str]:
    """Take backups of which each leaves a pack that is half needed; return the ids of those that may go."""
    gone = []
    for number in range(count):
        write(f"keep-{number}", os.urandom(400_000))
        write(f"drop-{number}", os.urandom(900_000))
        bench.take()
        gone.append(bench.taken[-1])
        (bench.root / f"drop-{number}").unlink()
    write("dead", os.urandom(1_500_000))
    bench.take()
    gone.append(bench.taken[-1])
    (bench.root / "dead").unlink()
    bench.take()
    return gone


def test_a_full_store_is_freed_by_pruning(bench: Bench, write: Write) -> None:
    gone = worn_packs(bench, write, 6)
    expected = contents_of(bench.root)
    for backup_id in gone:
        bench.store.delete(root_name(backup_id))
    store = disk(bench)
    store.capacity = before = store.used()  # not a byte is left
    result = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert result.full == ""
    assert (result.dead_packs >= 1, result.repacked_packs, result.waiting_packs) == (True, 6, 0)
    assert before - store.used() > 6_500_000
    assert bench.tree() == expected


def test_what_has_no_room_waits_and_what_is_dead_is_gone(bench: Bench, write: Write) -> None:
    gone = worn_packs(bench, write, 3)
    expected = contents_of(bench.root)
    for backup_id in gone:
        bench.store.delete(root_name(backup_id))
    store = disk(bench)
    before = store.used()
    store.capacity = before - 1_500_000  # what the dead pack leaves is no room either
    result = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert "is full" in result.full
    assert (result.repacked_packs, result.waiting_packs) == (0, 3)
    assert before - store.used() > 1_500_000
    assert bench.tree() == expected
    store.capacity = None
    again = bench.vault().prune(now_ns=NOW, grace_ns=0)
    assert (again.full, again.repacked_packs) == ("", 3)
    assert bench.tree() == expected
    assert not list((bench.root.parent / "store" / "unfinished").iterdir())
