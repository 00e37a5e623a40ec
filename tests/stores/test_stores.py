"""Every store passes the one suite."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from kit.stores.conformance import StoreConformance
from kit.stores.faulty import FaultyStore
from kit.stores.local import new_local

from holdfast.stores.identified import MARK, IdentifiedStore, mark_text
from holdfast.stores.local import LocalStore
from holdfast.stores.memory import MemoryStore
from holdfast.stores.port import ObjectMissing, Store
from holdfast.stores.prefixed import PrefixedStore
from holdfast.stores.shared import SharedStore

STORE_ID = "5" * 32


def new_identified(root: Path) -> IdentifiedStore:
    store = new_local(root)
    store.put(MARK, mark_text(STORE_ID, 0))
    return IdentifiedStore(store, STORE_ID, is_in_use=False)


KINDS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda path: MemoryStore(),
    "local": lambda path: new_local(path / "store"),
    "prefixed": lambda path: PrefixedStore(new_local(path / "store"), "vaults/acc/"),
    "shared": lambda path: SharedStore(new_local(path / "store")),
    "identified": lambda path: new_identified(path / "store"),
    "faulty": lambda path: FaultyStore(MemoryStore()),
}


class TestStores(StoreConformance):
    """The suite, once for each kind of store."""

    @pytest.fixture(params=KINDS)
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Store:
        return KINDS[request.param](tmp_path)


def test_a_prefixed_store_sees_only_its_own() -> None:
    whole = MemoryStore()
    whole.put("vaults/ab/secret", b"x")
    part = PrefixedStore(whole, "vaults/a/")
    assert list(part.list("")) == []
    with pytest.raises(ObjectMissing):
        part.get("secret")
    with pytest.raises(ValueError, match="name"):
        part.get("../ab/secret")
    with pytest.raises(ValueError, match="slash"):
        PrefixedStore(whole, "vaults/a")


def test_a_local_store_goes_to_another_process(tmp_path: Path) -> None:
    store = PrefixedStore(LocalStore(tmp_path), "v/")
    store.put("o", b"x")
    assert pickle.loads(pickle.dumps(store)).get("o") == b"x"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_shared_object_has_one_descriptor_for_all_its_readers(tmp_path: Path) -> None:
    store = SharedStore(new_local(tmp_path))
    store.put("o", b"content")
    before = descriptors()
    readers = [store.open("o") for _ in range(100)]
    assert descriptors() == before + 1
    for reader in readers[1:]:
        reader.close()
        reader.close()
    buffer = memoryview(bytearray(7))
    assert readers[0].read_into(0, buffer) == 7
    readers[0].close()
    assert descriptors() == before


def test_a_shared_object_that_is_deleted_reads_on_and_is_not_opened_again(tmp_path: Path) -> None:
    store = SharedStore(new_local(tmp_path))
    store.put("o", b"old")
    old = store.open("o")
    store.delete("o")
    with pytest.raises(ObjectMissing):
        store.open("o")
    store.put("o", b"other")
    new = store.open("o")
    assert (old.size, new.size) == (3, 5)
    old.close()
    assert store.open("o").size == 5


def test_threads_that_open_at_once_share_too(tmp_path: Path) -> None:
    store = SharedStore(new_local(tmp_path))
    store.put("o", bytes(1000))
    before = descriptors()

    def read(_: int) -> int:
        reader = store.open("o")
        try:
            return reader.read_into(0, memoryview(bytearray(1000)))
        finally:
            reader.close()

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(read, range(2000))) == {1000}
    assert descriptors() == before


def test_a_shared_store_goes_to_another_process(tmp_path: Path) -> None:
    store = SharedStore(new_local(tmp_path))
    store.put("o", b"x")
    store.open("o")
    assert pickle.loads(pickle.dumps(store)).get("o") == b"x"
