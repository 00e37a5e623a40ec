"""One suite that every store passes: memory is a full implementation, not a mock."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.stores.local import LocalStore
from holdfast.stores.memory import MemoryStore
from holdfast.stores.port import ObjectMissing, Store
from holdfast.stores.prefixed import PrefixedStore

KINDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda path: MemoryStore(),
    "local": lambda path: LocalStore(path / "store"),
    "prefixed": lambda path: PrefixedStore(LocalStore(path / "store"), "vaults/acc/"),
}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return KINDS[request.param](tmp_path)


def test_what_is_put_is_there(store: Store) -> None:
    store.put("backups/one", b"content")
    assert store.get("backups/one") == b"content"
    assert store.size("backups/one") == 7
    store.put("backups/one", b"other")
    assert store.get("backups/one") == b"other"


def test_ranges(store: Store) -> None:
    store.put("o", bytes(range(100)))
    assert store.get_range("o", 10, 5) == bytes(range(10, 15))
    assert store.get_range("o", 95, 50) == bytes(range(95, 100))
    assert store.get_range("o", 200, 5) == b""


def test_a_reader_reads_at_many_places(store: Store) -> None:
    store.put("o", bytes(range(100)))
    reader = store.open("o")
    assert reader.size == 100
    buffer = memoryview(bytearray(10))
    assert reader.read_into(50, buffer) == 10
    assert bytes(buffer) == bytes(range(50, 60))
    assert reader.read_into(95, buffer) == 5
    reader.close()
    reader.close()


def test_an_object_in_the_making_is_invisible(store: Store) -> None:
    writer = store.writer()
    buffer = bytearray(b"first")
    writer.write(buffer)
    buffer[:] = b"XXXXX"  # the buffer is the caller's again
    assert list(store.list("")) == []
    writer.write(memoryview(b" second"))
    writer.commit("packs/ab/abc")
    assert store.get("packs/ab/abc") == b"first second"
    assert list(store.list("packs/")) == [("packs/ab/abc", 12)]


def test_an_aborted_object_leaves_nothing(store: Store, tmp_path: Path) -> None:
    writer = store.writer()
    writer.write(b"gone")
    writer.abort()
    writer.abort()
    assert list(store.list("")) == []
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_what_is_missing_says_so(store: Store) -> None:
    for attempt in (store.get, store.open, store.size, lambda name: store.get_range(name, 0, 1)):
        with pytest.raises(ObjectMissing, match="nothing/here"):
            attempt("nothing/here")


def test_delete_is_idempotent(store: Store) -> None:
    store.put("o", b"x")
    store.delete("o")
    store.delete("o")
    with pytest.raises(ObjectMissing):
        store.get("o")


def test_listing_is_sorted_and_by_prefix(store: Store) -> None:
    for name in ("b/2", "a/1", "b/10", "bb"):
        store.put(name, name.encode())
    assert [name for name, _ in store.list("")] == ["a/1", "b/10", "b/2", "bb"]
    assert [name for name, _ in store.list("b/")] == ["b/10", "b/2"]
    assert [name for name, _ in store.list("b")] == ["b/10", "b/2", "bb"]
    assert list(store.list("none/")) == []


@pytest.mark.parametrize("name", ["", "/a", "a/", "../x", "a/../b", "a//b", ".hidden", "a b", "ä", "a\n"])
def test_names_that_no_object_may_have(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        store.put(name, b"")


def test_a_local_store_goes_to_another_process(tmp_path: Path) -> None:
    store = PrefixedStore(LocalStore(tmp_path), "v/")
    store.put("o", b"x")
    assert pickle.loads(pickle.dumps(store)).get("o") == b"x"
